"""A trained model out of its run: merged or as it is, the same answers in plain transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from mtft.errors import ConfigError, ModelError, RunError
from mtft.modeling import load_model, save_model
from mtft.modeling.prompt_tuning import prompt_tuned
from mtft.runs import Run, read_settings
from mtft.runs.export import export_run, merge_run
from tests.modeling.conftest import Toy, make_toy

AUTO = {"mt5": AutoModelForSeq2SeqLM, "bloom": AutoModelForCausalLM}
PARENT = {"mt5": "MT5ForConditionalGeneration", "bloom": "BloomForCausalLM"}


@pytest.fixture(params=["mt5", "bloom"])
def toy(request: pytest.FixtureRequest) -> Toy:
    return make_toy(request.param)


def logits(model: Any, toy: Toy) -> torch.Tensor:
    names = ("input_ids", "attention_mask", "labels")
    with torch.no_grad():
        found: torch.Tensor = model.eval()(**{name: toy.batch[name] for name in names}).logits
    return found


def make_adapter(toy: Toy, folder: Path, kind: str = "lora", dtype: torch.dtype = torch.float32) -> Path:
    """An adapter with random weights beside its base, in `<folder>/run` and `<folder>/run/base`."""
    run = folder / "run"
    save_model(toy.model.to(dtype), toy.tokenizer, run / "base")
    base = load_model(run / "base").model
    if kind == "lora":
        adapted = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", task_type=_task(toy)))
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.1)
    else:
        adapted = prompt_tuned(base, PromptTuningConfig(task_type=_task(toy), num_virtual_tokens=2))
        adapted.peft_config["default"].base_model_name_or_path = str(run / "base")
    save_model(adapted, toy.tokenizer, run)
    return run


def _task(toy: Toy) -> str:
    return "SEQ_2_SEQ_LM" if toy.family == "mt5" else "CAUSAL_LM"


def test_a_merged_model_is_the_librarys_own(toy: Toy, tmp_path: Path) -> None:
    run = make_adapter(toy, tmp_path)
    expected = logits(load_model(run).model, toy)
    output = merge_run(run, tmp_path / "merged")
    plain, report = AUTO[toy.family].from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert type(plain).__name__ == PARENT[toy.family]
    torch.testing.assert_close(logits(plain, toy), expected, rtol=1e-4, atol=1e-4)
    assert AutoTokenizer.from_pretrained(output)("the cat").input_ids == toy.tokenizer("the cat").input_ids
    assert not [path for path in output.iterdir() if path.suffix in (".bin", ".pt") or "adapter" in path.name]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert not [p for p in output.glob("*.json") if str(tmp_path) in p.read_text(encoding="utf-8")]


def test_weights_keep_their_dtype_or_take_the_one_asked_for(tmp_path: Path) -> None:
    run = make_adapter(make_toy("bloom"), tmp_path, dtype=torch.bfloat16)
    for asked, expected in ((None, torch.bfloat16), ("float32", torch.float32)):
        output = merge_run(run, tmp_path / f"merged-{asked}", dtype=asked)
        assert {weight.dtype for weight in load_file(output / "model.safetensors").values()} == {expected}
        assert json.loads((output / "config.json").read_text())["dtype"] == str(expected).split(".")[1]
    whole = export_run(tmp_path / "merged-float32", tmp_path / "whole", dtype="float16")
    assert {weight.dtype for weight in load_file(whole / "model.safetensors").values()} == {torch.float16}


@pytest.mark.parametrize("kind", ["lora", "prompt_tuning"])
def test_an_exported_adapter_brings_its_base(
    toy: Toy, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_adapter(toy, tmp_path, kind)
    expected = logits(load_model(run).model, toy)
    output = export_run(run, tmp_path / "out" / "adapter")
    run.rename(tmp_path / "away")
    make_adapter(make_toy(toy.family), tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere" / "run")  # where another `base` lies
    assert torch.equal(logits(load_model(output).model, toy), expected)
    base = AUTO[toy.family].from_pretrained(output / "base")
    found = logits(PeftModel.from_pretrained(base, output), toy)[:, -expected.shape[1] :]
    torch.testing.assert_close(found, expected)
    assert str(tmp_path) not in (output / "adapter_config.json").read_text()
    again = export_run(output, tmp_path / "again")
    assert torch.equal(logits(load_model(again).model, toy), expected)


def test_what_cannot_be_done_is_said_before_anything_is_written(tmp_path: Path) -> None:
    toy = make_toy("mt5")
    run, output = make_adapter(toy, tmp_path), tmp_path / "output"
    cases: list[tuple[Any, Path, dict[str, Any], type[Exception], str]] = [
        (merge_run, run / "base", {}, RunError, "model export"),
        (merge_run, tmp_path, {}, RunError, "trained model"),
        (merge_run, run, {"dtype": "int3"}, ConfigError, "float32, bfloat16"),
        (merge_run, run, {"dtype": "float16"}, ConfigError, "overflow"),
        (merge_run, run, {"licence": "My own"}, ConfigError, "lower case"),
        (export_run, run, {"dtype": "bfloat16"}, ConfigError, "its own dtype"),
        (merge_run, make_adapter(toy, tmp_path / "virtual", "prompt"), {}, ModelError, "before the prompt"),
    ]
    for work, folder, settings, error, message in cases:
        with pytest.raises(error, match=message):
            work(folder, output, **settings)
        assert not output.exists()
    with pytest.raises(RunError, match="be empty"):
        export_run(run / "base", tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"megatron_config": {"a": 1}, "megatron_core": "antigravity"}, "code to import"),
        ({"base_model_name_or_path": None}, "name its base"),
        ({"r": 3}, "fit its base"),
        ({"peft_type": "NONE_SUCH"}, "fit its base"),
    ],
)
def test_a_malformed_adapter_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    run = make_adapter(make_toy("bloom"), tmp_path)
    path = run / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=message):
        load_model(run)


def test_pickled_adapters_are_refused(tmp_path: Path) -> None:
    run = make_adapter(make_toy("bloom"), tmp_path)
    torch.save(load_file(run / "adapter_model.safetensors"), run / "adapter_model.bin")
    (run / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors"):
        export_run(run, tmp_path / "output")


def test_a_run_ends_in_a_card_and_merges_with_it(flags: list[str], tmp_path: Path) -> None:
    settings = ["--peft", "lora", "--learning_rate", "0.01", "--evaluate", "false", "--logging_steps", "1"]
    run = Run(*read_settings("xp3_bloom", [*flags, *settings]))
    run.prepare_data()
    run.prepare_model()
    run.finetune()
    run.report()
    card = (run.folder.path / "README.md").read_text(encoding="utf-8")
    assert ModelCard(card).data.library_name == "peft"
    assert "More Information Needed" not in card
    assert str(tmp_path) not in card
    output = merge_run(run.folder.path, tmp_path / "merged", licence="apache-2.0")
    merged = ModelCard((output / "README.md").read_text(encoding="utf-8"))
    assert (merged.data.library_name, merged.data.license) == ("transformers", "apache-2.0")
    assert "merged into its base" in merged.text
    assert json.loads((output / "mixture.json").read_text())["name"] == "pocket"
    loaded, plain = load_model(run.folder.path), AutoModelForCausalLM.from_pretrained(output)
    ids = loaded.tokenizer("Which animal is it?", return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(plain(ids).logits, loaded.model(ids).logits, rtol=1e-4, atol=1e-4)
