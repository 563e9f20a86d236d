"""Prompt tuning: virtual tokens before every segment, packed or not, as if each example stood alone behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel, PromptTuningConfig
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

from mtft.errors import ModelError
from mtft.modeling import load_model, merge_adapter, save_model
from mtft.modeling.prompt_tuning import insert_prompt, prompt_tuned
from tests.modeling.conftest import SIZE, Toy
from tests.modeling.packs import FAMILIES, Row, model_of, packed, rows_of

VIRTUAL = 3
LENGTHS = [(5, 2), (1, 4), (9, 1), (3, 3)]
PACKS = [[2, 0], [3], [1]]
WEIGHTS = [0.5, 1.0, 2.0, 0.25]


def tuned(model: Any, virtual: int = VIRTUAL) -> Any:
    """The model with random virtual tokens."""
    torch.manual_seed(4)
    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    config = PromptTuningConfig(
        task_type=kind,
        num_virtual_tokens=virtual,
        num_transformer_submodules=1,
        prompt_tuning_init="SAMPLE_VOCAB",
    )
    return prompt_tuned(model, config)


def alone(model: Any, family: str, prompt: Tensor, rows: list[Row], weights: list[float]) -> Tensor:
    """The weighted loss of all rows, each alone behind the prompt in the library's own forward."""
    losses = []
    for row, weight in zip(rows, weights, strict=True):
        ids = torch.cat(row) if family == "bloom" else row.prompt
        embedded = torch.cat([prompt, model.get_input_embeddings()(ids)])[None]
        if family == "bloom":
            logits = model(inputs_embeds=embedded).logits[0, len(prompt) + len(row.prompt) - 1 : -1]
        else:
            logits = model(inputs_embeds=embedded, labels=row.target[None]).logits[0]
        losses.append(weight * F.cross_entropy(logits, row.target, reduction="sum"))
    return torch.stack(losses).sum()


def padded(family: str, rows: list[Row], weights: list[float]) -> dict[str, Tensor]:
    """The rows as a batch that is not packed."""
    batch = packed(family, rows, [[i] for i in range(len(rows))], weights)
    batch.pop("target_segments", None)
    mask = batch.pop("segments").long()
    return batch | {"attention_mask": mask, "row_weights": batch["row_weights"][:, 0]}


def gradient(adapted: Any, loss: Tensor) -> Tensor:
    (weight,) = (p for p in adapted.parameters() if p.requires_grad)
    (found,) = torch.autograd.grad(loss, weight)
    return found


def test_virtual_tokens_come_before_each_segment() -> None:
    batch = {
        "input_ids": torch.tensor([[5, 6, 8, 0], [7, 0, 0, 0]]),
        "segments": torch.tensor([[1, 1, 2, 0], [1, 0, 0, 0]]),
        "labels": torch.tensor([[1, 6, 8, -100], [7, -100, -100, -100]]),
        "row_weights": torch.ones(2, 2),
    }
    embedded = batch["input_ids"][..., None].float()
    made = insert_prompt(batch, embedded, torch.tensor([[91.0], [92.0]]), causal=True)
    assert made["inputs_embeds"][..., 0].tolist() == [[91, 92, 5, 6, 91, 92, 8, 0], [91, 92, 7] + [0] * 5]
    assert made["segments"].tolist() == [[1, 1, 1, 1, 2, 2, 2, 0], [1, 1, 1] + [0] * 5]
    assert made["labels"].tolist() == [[-100, -100, -100, 6, -100, -100, -100, -100], [-100] * 8]
    assert made.keys() == {"inputs_embeds", "segments", "labels", "row_weights"}


def test_padding_on_the_left_stays_there() -> None:
    batch = {
        "input_ids": torch.tensor([[0, 5, 6]]),
        "attention_mask": torch.tensor([[0, 1, 1]]),
        "labels": torch.tensor([[4]]),
        "row_weights": torch.ones(1),
    }
    embedded = batch["input_ids"][..., None].float()
    made = insert_prompt(batch, embedded, torch.tensor([[91.0]]), causal=False)
    assert made["inputs_embeds"][..., 0].tolist() == [[0, 91, 5, 6]]
    assert made["attention_mask"].tolist() == [[0, 1, 1, 1]]
    assert made["labels"].tolist() == [[4]]


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_and_padded_equal_each_example_alone(family: str) -> None:
    model = model_of(family)
    adapted, rows = tuned(model), rows_of(LENGTHS)
    prompt = adapted.get_prompt(batch_size=1)[0]
    expected = alone(model, family, prompt, rows, WEIGHTS)
    expected_gradient = gradient(adapted, expected)
    for batch in (packed(family, rows, PACKS, WEIGHTS), padded(family, rows, WEIGHTS)):
        found = adapted(**batch)
        torch.testing.assert_close(found.loss, expected, rtol=1e-5, atol=1e-5)
        assert int(found.count) == sum(target for _, target in LENGTHS)
        error = (gradient(adapted, found.loss) - expected_gradient).abs().max()
        assert error <= 1e-5 * expected_gradient.abs().max()


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_changes_nothing(family: str) -> None:
    model = model_of(family)
    adapted, batch = tuned(model), packed(family, rows_of(LENGTHS), PACKS, WEIGHTS)
    expected = gradient(adapted, adapted(**batch).loss)
    model.activation_checkpointing_enable()
    found = gradient(adapted, adapted(**batch).loss)
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_logits_stand_at_the_given_ids_and_generation_follows_them(toy: Toy) -> None:
    adapted = tuned(toy.model.eval(), virtual=2)
    ids = toy.tokenizer("the small cat sees", return_tensors="pt").input_ids
    made = adapted.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=4, eos_token_id=-1
    )
    whole = ids if toy.family == "bloom" else torch.tensor([[toy.model.config.decoder_start_token_id]])
    for _ in range(4):
        given = (
            {"input_ids": whole} if toy.family == "bloom" else {"input_ids": ids, "decoder_input_ids": whole}
        )
        logits = adapted(**given, attention_mask=torch.ones_like(given["input_ids"])).logits
        assert logits.shape[1] == whole.shape[1]
        whole = torch.cat([whole, logits[:, -1:].argmax(dim=-1)], dim=1)
    assert made.tolist() == whole.tolist()


def test_saved_virtual_tokens_load_here_and_in_plain_peft(toy: Toy, tmp_path: Path) -> None:
    save_model(toy.model, toy.tokenizer, tmp_path / "base")
    adapted = tuned(load_model(tmp_path / "base").model)
    save_model(adapted.eval(), toy.tokenizer, tmp_path / "adapter")
    expected = adapted(**toy.batch).loss
    assert not torch.allclose(expected, toy.model.eval()(**toy.batch).loss)
    loaded = load_model(tmp_path / "adapter").model
    assert torch.equal(loaded(**toy.batch).loss, expected)
    assert not any(p.requires_grad for p in loaded.parameters())
    auto = AutoModelForSeq2SeqLM if toy.family == "mt5" else AutoModelForCausalLM
    plain = PeftModel.from_pretrained(auto.from_pretrained(tmp_path / "base"), tmp_path / "adapter").eval()
    inputs = {name: toy.batch[name] for name in ("input_ids", "attention_mask", "labels")}
    ours, theirs = loaded(**inputs).logits, plain(**inputs).logits
    torch.testing.assert_close(ours, theirs[:, -ours.shape[1] :])
    with pytest.raises(ModelError, match="before the prompt"):
        merge_adapter(loaded)


def test_weights_gathered_from_processes_are_the_ones_saved(toy: Toy, tmp_path: Path) -> None:
    adapted = tuned(toy.model)
    gathered = {"prompt_encoder.default.embedding.weight": torch.full((VIRTUAL, SIZE.width), 7.0)}
    adapted.save_pretrained(tmp_path / "gathered", state_dict=gathered)
    adapted.save_pretrained(tmp_path / "own")
    found, own = (
        load_file(tmp_path / name / "adapter_model.safetensors")["prompt_embeddings"]
        for name in ("gathered", "own")
    )
    assert torch.equal(found, gathered.popitem()[1])
    assert torch.equal(own, adapted.prompt_encoder["default"].embedding.weight)
