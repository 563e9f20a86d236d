"""Packed examples have the loss, logits and gradients that the library gives each of them alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import BloomForCausalLM, MT5ForConditionalGeneration

from tests.modeling.comparing import assert_equal_gradients, gradients
from tests.modeling.packs import (
    FAMILIES,
    Packs,
    alone,
    model_of,
    packed,
    packed_logits,
    packed_rows,
    places,
    rows_of,
    target_logits,
)

PARENTS: dict[str, Any] = {"bloom": BloomForCausalLM, "mt5": MT5ForConditionalGeneration}
FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
LENGTHS = [(30, 4), (3, 9), (17, 1), (1, 1), (40, 6), (16, 2)]
PACKS = [[2, 0, 4], [5], [1, 3]]
WEIGHTS = [1.0, 0.5, 2.0, 0.25, 1.0, 1.0]


def with_lora(model: Any, family: str) -> Any:
    """An adapter that changes something, on the projections of every attention layer."""
    names = ["query_key_value"] if family == "bloom" else ["q", "k", "v", "o"]
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=names, lora_dropout=0.0))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return adapted.train()


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
@FEW
@given(drawn=packed_rows())
def test_loss_gradients_and_logits_are_those_of_each_example_alone(
    family: str, lora: bool, drawn: tuple[list[tuple[int, int]], Packs, list[float]]
) -> None:
    lengths, packs, weights = drawn
    rows, model = rows_of(lengths), model_of(family)
    model = with_lora(model, family) if lora else model
    expected, logits = alone(model, family, rows, weights)
    theirs = gradients(model, expected)
    output = model(**packed(family, rows, packs, weights))
    torch.testing.assert_close(output.loss, expected, rtol=1e-5, atol=1e-5)
    assert_equal_gradients(gradients(model, output.loss), theirs, 1e-5)
    for mine, other in zip(packed_logits(model, family, rows, packs), logits, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_changes_nothing(family: str, lora: bool, reentrant: bool) -> None:
    model, batch = model_of(family), packed(family, rows_of(LENGTHS), PACKS, WEIGHTS)
    model = with_lora(model, family) if lora else model
    theirs = gradients(model, model(**batch).loss)
    calls = []
    first = ("h.0.input_layernorm", "encoder.block.0.layer.0.layer_norm")
    layer = next(module for name, module in model.named_modules() if name.endswith(first))
    layer.register_forward_hook(lambda *_: calls.append(1))
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    if lora:
        model.enable_input_require_grads()
    ours = gradients(model, model(**batch).loss)
    assert len(calls) == 2  # once more in the backward pass
    assert_equal_gradients(ours, theirs, 1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_drawn_again_alike_under_checkpointing(family: str) -> None:
    model, batch = model_of(family), packed(family, rows_of(LENGTHS), PACKS, WEIGHTS)
    _set_dropout(model, 0.2)
    found = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        torch.manual_seed(5)
        loss = model(**batch).loss
        found.append((loss.detach(), gradients(model, loss)))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-6, atol=0)
    assert_equal_gradients(found[1][1], found[0][1], 1e-6)
    torch.manual_seed(6)
    assert not torch.isclose(model(**batch).loss, found[0][0], rtol=1e-3)
    assert torch.isclose(model.eval()(**batch).loss, model(**batch).loss)


def _set_dropout(model: torch.nn.Module, share: float) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share
        for name in ("dropout", "hidden_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, share)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_under_dropout_is_that_of_the_loss_drawn(family: str) -> None:
    """By finite differences along the gradient, the draws being the same each time."""
    model = model_of(family).double()
    _set_dropout(model, 0.3)
    batch = packed(family, rows_of(LENGTHS), PACKS, WEIGHTS)

    def loss() -> Tensor:
        torch.manual_seed(7)
        return model(**batch).loss  # type: ignore[no-any-return]

    found = gradients(model, loss())
    direction = {name: gradient / gradient.norm().clamp(min=1e-9) for name, gradient in found.items()}
    expected = sum(float((found[name] * direction[name]).sum()) for name in found)
    values = []
    for step in (1e-3, -2e-3):
        for name, weight in model.named_parameters():
            weight.data += step * direction[name]
        values.append(float(loss().detach()))
    assert (values[0] - values[1]) / 2e-3 == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
@FEW
@given(drawn=packed_rows(), seed=st.integers(0, 99))
def test_which_examples_share_a_pack_changes_nothing(
    family: str, drawn: tuple[list[tuple[int, int]], Packs, list[float]], seed: int
) -> None:
    lengths, packs, weights = drawn
    rows, model = rows_of(lengths), model_of(family)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    found = []
    for arrangement in (packs, [order]):
        output = model(**packed(family, rows, arrangement, weights))
        by_example = [(output.row_losses[place], output.row_counts[place]) for place in places(arrangement)]
        found.append((output.loss, *map(torch.stack, zip(*by_example, strict=True))))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)
    assert found[0][2].tolist() == [target for _, target in lengths]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_example_does_not_see_its_neighbours(family: str) -> None:
    """Not one bit: their tokens may be anything."""
    model, rows = model_of(family), rows_of(LENGTHS)
    changed = [rows[0], *rows_of(LENGTHS, seed=1)[1:]]
    mine, theirs = (packed_logits(model, family, each, [[1, 0, 2], [3, 4, 5]]) for each in (rows, changed))
    assert torch.equal(mine[0], theirs[0])
    assert not torch.equal(mine[2], theirs[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_an_examples_loss_has_no_gradient_in_its_neighbours(family: str) -> None:
    model, rows = model_of(family), rows_of(LENGTHS)
    batch = packed(family, rows, [[0, 1, 2], [3, 4, 5]], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    embeddings = model.get_input_embeddings()
    embedded = embeddings(batch.pop("input_ids")).detach().requires_grad_()
    extra: dict[str, Tensor] = {"inputs_embeds": embedded}
    if family == "mt5":
        read = torch.randn(*batch["labels"].shape, model.config.d_model).requires_grad_()
        extra["decoder_inputs_embeds"] = read
    model(**batch, **extra).loss.backward()
    numbers = {"inputs_embeds": batch["segments"], "decoder_inputs_embeds": batch.get("target_segments")}
    for name, tensor in extra.items():
        own = numbers[name] == 2  # type: ignore[operator]
        own[1] = False
        assert tensor.grad is not None
        assert tensor.grad[~own].abs().max() == 0, name
        assert tensor.grad[own].abs().amax(dim=-1).min() > 0 or family == "bloom", name


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_is_as_near_to_float32_as_the_library_is(family: str) -> None:
    """Within 4 % of the logits' size, and no further off than the library's own bfloat16, give or take a fifth."""
    rows = rows_of([(300, 8), (200, 5), (100, 6), (40, 3)])
    model = model_of(family, width=64)
    exact = [target_logits(model, family, row).detach() for row in rows]
    low = copy.deepcopy(model).bfloat16()
    ours = packed_logits(low, family, rows, [[0, 1, 2, 3]])
    theirs = [target_logits(low, family, row).detach() for row in rows]
    errors = [
        float(torch.stack([(a - b).norm() / b.norm() for a, b in zip(found, exact, strict=True)]).max())
        for found in (ours, theirs)
    ]
    assert errors[0] < 0.04, errors
    assert errors[0] < 1.2 * errors[1], errors


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_does_not_depend_on_the_place_in_the_pack(family: str) -> None:
    """ALiBi without a reset is off by a tenth at position 256 and by a half at 1,800 (docs/decisions/0007)."""
    model = model_of(family, width=64).bfloat16()
    rows = rows_of([(100, 8), (900, 4), (900, 4)])
    first = packed_logits(model, family, rows[:1], [[0]])[0]
    last = packed_logits(model, family, rows, [[1, 2, 0]])[0]
    assert ((last - first).norm() / first.norm()) < 0.005


@pytest.mark.parametrize("family", FAMILIES)
def test_autocast_gradients_are_near(family: str) -> None:
    model, batch = model_of(family), packed(family, rows_of(LENGTHS), PACKS, WEIGHTS)
    exact = gradients(model, model(**batch).loss)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**batch).loss
    for name, gradient in gradients(model, loss).items():
        assert gradient.dtype == torch.float32
        cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), exact[name].flatten(), dim=0)
        assert cosine > 0.98, name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_checkpoint_is_a_plain_one(family: str, tmp_path: Path) -> None:
    model, rows = model_of(family), rows_of(LENGTHS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    before = model(**packed(family, rows, PACKS)).loss
    before.backward()
    optimizer.step()
    assert model(**packed(family, rows, PACKS)).loss < before
    model.save_pretrained(tmp_path)
    plain, report = PARENTS[family].from_pretrained(tmp_path, output_loading_info=True)
    assert type(plain) is PARENTS[family]
    assert plain.config.architectures == [PARENTS[family].__name__]
    assert not any(report.values())
    assert (
        plain.state_dict().keys()
        == model.state_dict().keys()
        == PARENTS[family](plain.config).state_dict().keys()
    )
    ours = packed_logits(model.eval(), family, rows, PACKS)
    for row, mine in zip(rows, ours, strict=True):
        with torch.no_grad():
            torch.testing.assert_close(mine, target_logits(plain, family, row), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_is_the_librarys(family: str) -> None:
    model = model_of(family).eval()
    plain = PARENTS[family](model.config).eval()
    plain.load_state_dict(model.state_dict())
    prompt = rows_of([(12, 1)])[0].prompt[None]
    words = [each.generate(prompt, max_new_tokens=8, do_sample=False).tolist() for each in (model, plain)]
    assert words[0] == words[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_pack_and_an_example_of_weight_zero_change_nothing(family: str) -> None:
    model, rows = model_of(family), rows_of(LENGTHS)
    some = model(**packed(family, rows[:3], [[0, 1, 2]]))
    theirs = gradients(model, some.loss)
    more = packed(family, rows, [[0, 1, 2], [3, 4], [5]], [1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    output = model(**more)
    torch.testing.assert_close(output.loss, some.loss, rtol=1e-5, atol=1e-5)
    assert output.count == some.count
    assert_equal_gradients(gradients(model, output.loss), theirs, 1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_without_targets_has_loss_zero_and_every_gradient(family: str) -> None:
    """Every process must run backward, or collectives wait for ever."""
    model, batch = model_of(family), packed(family, rows_of(LENGTHS), PACKS)
    output = model(**(batch | {"labels": torch.full_like(batch["labels"], -100)}))
    assert output.loss == 0
    assert output.count == 0
    found = gradients(model, output.loss)
    assert found.keys() == dict(model.named_parameters()).keys()
    assert all(not gradient.any() for gradient in found.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_on_the_left_or_right_changes_nothing(family: str) -> None:
    """A batch that is not packed: one row per example, its attention mask in the place of segments."""
    model, rows = model_of(family), rows_of(LENGTHS)
    expected, _ = alone(model, family, rows, WEIGHTS)
    batch = packed(family, rows, [[i] for i in range(len(rows))], WEIGHTS)
    mask = batch.pop("segments")
    batch.pop("target_segments", None)
    batch["row_weights"] = batch["row_weights"][:, 0]
    found = [model(**batch, attention_mask=mask.long())]
    names = ["input_ids", "labels"] if family == "bloom" else ["input_ids"]
    flipped = {name: _to_the_right(batch[name], mask) for name in names}
    found.append(model(**(batch | flipped), attention_mask=mask.flip(1).bool()))
    for output in found:
        torch.testing.assert_close(output.loss, expected, rtol=1e-5, atol=1e-5)
        assert output.row_counts.tolist() == [target for _, target in LENGTHS]


def _to_the_right(matrix: Tensor, mask: Tensor) -> Tensor:
    """Each row moved so that its padding comes first."""
    lengths = mask.sum(dim=1).tolist()
    return torch.stack([row.roll(len(row) - length) for row, length in zip(matrix, lengths, strict=True)])


@pytest.mark.parametrize("heads", [3, 8])
def test_blooms_slopes_for_any_number_of_heads(heads: int) -> None:
    model, rows = model_of("bloom", heads=heads, width=8 * heads), rows_of(LENGTHS)
    _, logits = alone(model, "bloom", rows, WEIGHTS)
    for mine, other in zip(packed_logits(model, "bloom", rows, PACKS), logits, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-4)
