"""Training a few weights: what is frozen stays bit for bit; packs and resuming change nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.errors import ConfigError, MissingExtraError, ModelError
from mtft.modeling import load_model, merge_adapter, save_model
from mtft.modeling.quantization import quantization_config
from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import Additions, MakeTrainer, MeasuredAdditions, logged, toy_model

KINDS: dict[str, dict[str, Any]] = {
    "lora": {"lora_rank": 4, "learning_rate": 1e-2},
    "ia3": {"learning_rate": 5e-2},
    "prompt_tuning": {"virtual_tokens": 4, "learning_rate": 5e-2},
    "bitfit": {"learning_rate": 1e-2},
}
CASES = [
    (family, kind) for family in ("mt5", "bloom") for kind in KINDS if (family, kind) != ("mt5", "bitfit")
]
CAPACITY = {"bloom": [64], "mt5": [64, 24]}
each_case = pytest.mark.parametrize(("family", "kind"), CASES)


class Chosen(Additions):
    """Only some of the additions, in their order, over and over."""

    def __init__(self, positions: np.ndarray) -> None:
        super().__init__()
        self.positions = positions

    def examples(self, positions: Any) -> Any:
        return super().examples(self.positions[np.asarray(positions) % len(self.positions)])


def trained_names(trainer: MultitaskTrainer) -> set[str]:
    return {name for name, weight in trainer.model.named_parameters() if weight.requires_grad}


@each_case
def test_it_learns_and_resumes_while_all_else_stays_bit_for_bit(
    family: str, kind: str, make_trainer: MakeTrainer
) -> None:
    same = Chosen(np.arange(8))
    settings = {"peft": kind, "save_strategy": "steps", "save_steps": 2, "max_steps": 4, **KINDS[kind]}
    whole = make_trainer(family, same, weight_decay=0.1, **settings)
    before = {name: weight.clone() for name, weight in whole.model.named_parameters()}
    whole.train()
    losses = [loss for (loss,) in logged(whole, "loss")]
    assert losses[-1] < losses[0]
    after = dict(whole.model.named_parameters())
    assert {name for name in after if not torch.equal(after[name], before[name])} == trained_names(whole)

    checkpoint = Path(whole.args.output_dir) / "checkpoint-2"
    assert not list(checkpoint.glob("*.bin"))
    resumed = make_trainer(family, same, weight_decay=0.1, **settings)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert logged(resumed, "step", "loss", "grad_norm") == logged(whole, "step", "loss", "grad_norm")
    for name, weight in resumed.model.named_parameters():
        assert torch.equal(weight, after[name]), name


@pytest.mark.parametrize(
    ("family", "kind"),
    [("mt5", "ia3"), ("mt5", "prompt_tuning"), ("bloom", "prompt_tuning"), ("bloom", "bitfit")],
)
def test_packs_train_as_their_rows_do(family: str, kind: str, make_trainer: MakeTrainer) -> None:
    settings = {"peft": kind, "max_steps": 1, "gradient_checkpointing": True, **KINDS[kind]}
    source: Any = MeasuredAdditions(toy_model(family)[1])
    packing = {"packing": True, "pack_window": 64, "pack_capacity": CAPACITY[family]}
    packed = make_trainer(family, source, per_device_train_batch_size=4, **packing, **settings)
    positions = np.concatenate(packed.plan.plan.packs(0))
    assert len(positions) > 8
    packed.train()
    rows = make_trainer(family, Chosen(positions), per_device_train_batch_size=len(positions), **settings)
    rows.train()
    found, expected = logged(packed, "loss", "grad_norm"), logged(rows, "loss", "grad_norm")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_trains_is_what_the_papers_train(make_trainer: MakeTrainer) -> None:
    def places(family: str, kind: str) -> set[str]:
        names = trained_names(make_trainer(family, peft=kind))
        return {name.split(".ia3_l")[0].rpartition(".")[2] for name in names}

    assert places("mt5", "ia3") == {"k", "v", "wi_1"}
    assert places("bloom", "ia3") == {"query_key_value", "dense_4h_to_h"}
    bloom = make_trainer("bloom", peft="bitfit")
    assert trained_names(bloom) == {n for n, _ in bloom.model.named_parameters() if n.endswith(".bias")}
    (virtual,) = trained_names(make_trainer("mt5", peft="prompt_tuning"))
    assert virtual == "prompt_encoder.default.embedding.weight"


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_a_trained_adapter_merges(family: str, kind: str, make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(family, peft=kind, **KINDS[kind])
    save_model(make_trainer(family).model, trainer.encoder.tokenizer, tmp_path / "base")
    trainer.model.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    trainer.train()
    trainer.save_model(str(tmp_path / "adapter"))
    adapted = load_model(tmp_path / "adapter").model
    inputs = trainer.encoder.tokenizer("add 2 and 3", return_tensors="pt").input_ids
    given = {"input_ids": inputs} | ({"decoder_input_ids": inputs} if family == "mt5" else {})
    with torch.no_grad():
        expected = adapted(**given).logits
        torch.testing.assert_close(expected, trainer.model.eval()(**given).logits)
        torch.testing.assert_close(merge_adapter(adapted)(**given).logits, expected, rtol=1e-4, atol=1e-4)


def test_bitfit_saves_a_whole_model(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer("bloom", peft="bitfit", **KINDS["bitfit"])
    trainer.train()
    trainer.save_model(str(tmp_path))
    saved, weights = load_file(tmp_path / "model.safetensors"), trainer.model.state_dict()
    assert saved.keys() == weights.keys() - {"lm_head.weight"}
    assert all(torch.equal(saved[name], weights[name]) for name in saved)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft": "lora", "lora_rank": 0}, "at least 1"),
        ({"peft": "lora", "lora_dropout": 1.0}, "below 1"),
        ({"peft": "prompt_tuning", "virtual_tokens": 0}, "at least 1"),
        ({"quantization": "4bits", "peft": "lora"}, "Did you mean: 4bit"),
        ({"quantization": "4bit"}, "an adapter beside them"),
        ({"quantization": "8bit", "peft": "bitfit"}, "lora, ia3, prompt_tuning"),
    ],
)
def test_impossible_adapters_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultitaskArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True, **settings)


def test_a_model_that_has_no_place_for_it_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ConfigError, match="mt5, which has none"):
        make_trainer("mt5", peft="bitfit")
    trainer = make_trainer("bloom", peft="lora")
    with pytest.raises(ConfigError, match="mtft model merge"):
        MultitaskTrainer(trainer.model, trainer.args, trainer.mixture, trainer.encoder)
    trainer.args.peft = "ia3"
    unknown: Any = SimpleNamespace(config=SimpleNamespace(model_type="own", is_encoder_decoder=False))
    with pytest.raises(ConfigError, match="`own`"):
        MultitaskTrainer(unknown, trainer.args, trainer.mixture, trainer.encoder)


def test_another_shape_of_adapter_does_not_resume(make_trainer: MakeTrainer) -> None:
    make_trainer("mt5", peft="lora", save_strategy="steps", save_steps=2).train()
    resumed = make_trainer("mt5", peft="lora", lora_rank=2, save_strategy="steps", save_steps=2)
    with pytest.raises(ValueError, match=r"of rank 2, alpha 16 now, lora of rank 8"):
        resumed.train(resume_from_checkpoint=True)


def test_prompt_tuning_of_any_other_model(make_trainer: MakeTrainer) -> None:
    """Without a forward of ours the loss is read from logits, where virtual tokens have none."""
    trainer = make_trainer("bloom", peft="prompt_tuning", **KINDS["prompt_tuning"])
    config = GPT2Config(vocab_size=len(trainer.encoder.tokenizer), n_embd=32, n_layer=1, n_head=2)
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    torch.manual_seed(0)
    model: Any = GPT2LMHeadModel(config)
    own = MultitaskTrainer(model, trainer.args, Additions(), trainer.encoder)
    batch = own.get_train_dataloader().dataset[0]
    given = {name: batch[name] for name in ("input_ids", "attention_mask", "labels", "row_weights")}
    output = own.compute_loss(own.model, batch | {"present": batch["row_weights"]}, return_outputs=True)[1]
    for row, (loss, ids) in enumerate(zip(output.row_losses, given["input_ids"], strict=True)):
        kept = given["attention_mask"][row] == 1
        prompt = own.model.get_prompt(batch_size=1)[0]
        embedded = torch.cat([prompt, model.transformer.wte(ids[kept])])[None]
        logits = model(inputs_embeds=embedded).logits[0, len(prompt) :]
        labels = given["labels"][row][kept]
        alone = torch.nn.functional.cross_entropy(logits[:-1], labels[1:], reduction="sum")
        torch.testing.assert_close(loss, alone.detach(), rtol=1e-5, atol=1e-5)


def test_a_missing_quantisation_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quantization_config("none") is None
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingExtraError, match=r"mtft\[quantization\]"):
        quantization_config("4bit")


def test_a_device_that_cannot_quantise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(__version__="0.1", supported_torch_devices={"abacus"})
    monkeypatch.setitem(sys.modules, "bitsandbytes", old)
    with pytest.raises(ModelError, match="abacus"):
        quantization_config("8bit")


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_an_adapter_learns_on_quantised_weights(
    family: str, bits: str, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    trainer = make_trainer(family, peft="lora", quantization=bits, max_steps=12, **KINDS["lora"])
    save_model(make_trainer(family).model, trainer.encoder.tokenizer, tmp_path / "base")
    loaded = load_model(tmp_path / "base", quantization=bits)
    kinds = {type(module).__name__ for module in loaded.model.modules()}
    assert {"4bit": "Linear4bit", "8bit": "Linear8bitLt"}[bits] in kinds
    own = MultitaskTrainer(loaded.model, trainer.args, Additions(), trainer.encoder)
    before = {n: w.clone() for n, w in own.model.named_parameters() if not w.requires_grad}
    own.train()
    losses = [loss for (loss,) in logged(own, "loss")]
    assert losses[-1] < losses[0]
    assert all(torch.equal(w, before[n]) for n, w in own.model.named_parameters() if n in before)
    own.save_model(str(tmp_path / "adapter"))
    assert load_model(tmp_path / "adapter").model.peft_config["default"].r == 4
