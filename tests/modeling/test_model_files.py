"""Saving and loading: plain for the library, safetensors only, never foreign code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertModel,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MT5ForConditionalGeneration,
    ViTConfig,
)

from mtft.errors import ModelError
from mtft.modeling import TargetBloom, TargetMT5, load_model, merge_adapter, save_model, weighted_target_loss

OURS = {"mt5": TargetMT5, "bloom": TargetBloom}
PLAIN = {"mt5": MT5ForConditionalGeneration, "bloom": BloomForCausalLM}


def test_a_saved_model_is_the_librarys_own(toy: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_model(toy.model, toy.tokenizer, folder)
    assert json.loads((folder / "config.json").read_text())["architectures"] == [PLAIN[toy.family].__name__]
    auto = AutoModelForSeq2SeqLM if toy.family == "mt5" else AutoModelForCausalLM
    plain, report = auto.from_pretrained(folder, output_loading_info=True)
    assert type(plain) is PLAIN[toy.family]
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not list(folder.glob("*.bin"))
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_loading_gives_the_same_loss_and_family(toy: Any, tmp_path: Path) -> None:
    save_model(toy.model, toy.tokenizer, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.family == toy.family
    assert type(loaded.model) is OURS[toy.family]
    assert not loaded.model.training
    assert torch.equal(loaded.model(**toy.batch).loss, toy.model.eval()(**toy.batch).loss)
    assert loaded.tokenizer("the cat").input_ids == toy.tokenizer("the cat").input_ids


def test_the_librarys_checkpoint_loads_as_ours(toy: Any, tmp_path: Path) -> None:
    PLAIN[toy.family](toy.model.config).save_pretrained(tmp_path)
    toy.tokenizer.save_pretrained(tmp_path)
    assert type(load_model(tmp_path).model) is OURS[toy.family]


def test_generation_uses_its_cache_after_saving(toy: Any, tmp_path: Path) -> None:
    save_model(toy.model, toy.tokenizer, tmp_path / "model")
    model = load_model(tmp_path / "model").model
    assert model.generation_config.use_cache is not False
    inputs = toy.tokenizer("the cat", return_tensors="pt")
    generated = model.generate(inputs.input_ids, max_new_tokens=3, do_sample=False)
    assert generated.shape[1] >= 2


def test_any_other_language_model_loads_and_has_a_loss(toy: Any, tmp_path: Path) -> None:
    config = GPT2Config(vocab_size=len(toy.tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    toy.tokenizer.save_pretrained(tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.family == "causal"
    if toy.family == "bloom":
        assert weighted_target_loss(loaded.model, toy.batch, own_forward=False).loss > 0


def test_an_encoder_without_a_head_is_refused(toy: Any, tmp_path: Path) -> None:
    """The library would draw the missing head at random and go on."""
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = BertConfig(**size, is_decoder=True)  # without it attention looks ahead, which is refused before
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="all its weights"):
        load_model(tmp_path)


def test_a_model_without_text_is_refused(tmp_path: Path) -> None:
    ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="`vit`"):
        load_model(tmp_path)


def test_nothing_there_is_one_readable_message(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="folder or a Hub id") as caught:
        load_model(tmp_path / "none")
    assert "tiny" in str(caught.value)


def test_pickled_weights_are_refused(toy: Any, tmp_path: Path) -> None:
    save_model(toy.model, toy.tokenizer, tmp_path / "model")
    torch.save(toy.model.state_dict(), tmp_path / "model" / "pytorch_model.bin")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="safetensors"):
        load_model(tmp_path / "model")


def test_code_in_a_model_folder_is_never_run(toy: Any, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_model(toy.model, toy.tokenizer, folder)
    trap = tmp_path / "ran"
    (folder / "modeling_own.py").write_text(
        f"open({str(trap)!r}, 'w')\nclass Own: pass\nclass OwnConfig: pass\n"
    )
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.Own"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError):
        load_model(folder)
    assert not trap.exists()


def test_an_adapter_is_put_on_its_base_and_can_be_merged(toy: Any, tmp_path: Path) -> None:
    base = tmp_path / "run" / "base"
    save_model(toy.model, toy.tokenizer, base)
    adapted = get_peft_model(load_model(base).model, LoraConfig(r=2, target_modules="all-linear"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted.eval()
    save_model(adapted, toy.tokenizer, tmp_path / "run" / "adapter")
    expected = adapted(**toy.batch).loss
    assert not torch.allclose(expected, toy.model.eval()(**toy.batch).loss)
    (tmp_path / "run").rename(tmp_path / "moved")
    loaded = load_model(tmp_path / "moved" / "adapter")
    torch.testing.assert_close(loaded.model(**toy.batch).loss, expected)
    merged = merge_adapter(loaded.model)
    assert type(merged) is OURS[toy.family]
    torch.testing.assert_close(merged(**toy.batch).loss, expected, rtol=1e-5, atol=1e-5)
