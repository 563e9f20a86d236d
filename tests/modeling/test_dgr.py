"""The penalty of random heads against a double backward, and what it must not depend on."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from torch import Tensor
from transformers import BloomForCausalLM, GPT2Config, GPT2LMHeadModel, MT5ForConditionalGeneration

from mtft.modeling import weighted_target_loss
from mtft.modeling.dgr import DgrBatch, squared_gradient_norms, target_words, token_penalty
from mtft.modeling.dummy_heads import DummyHeads
from mtft.modeling.prompt_tuning import prompt_tuned
from tests.modeling.comparing import assert_equal_gradients, gradients
from tests.modeling.packs import FAMILIES, VOCABULARY, Packs, Row, model_of, packed, rows_of

LENGTHS = [(9, 3), (4, 5), (12, 2), (1, 4), (6, 1)]
TASKS = ["nli", "qa", "nli", "qa", "say"]
PACKS: Packs = [[3, 0, 2], [4, 1]]
ALONE: Packs = [[i] for i in range(5)]
HEADS = DummyHeads(seed=7, count=2, classes=6)


def dgr_of(packs: Packs, tasks: list[str] = TASKS, heads: DummyHeads = HEADS, most: int = 99) -> DgrBatch:
    width = max(map(len, packs))
    slots = [i for pack in packs for i in [*pack, *[-1] * (width - len(pack))]]
    return DgrBatch(heads, [tasks[i] if i >= 0 else "" for i in slots], slots, most)


def penalty_of(model: Any, family: str, packs: Packs, **more: Any) -> Tensor:
    found: Tensor = model(**packed(family, rows_of(LENGTHS), packs), dgr=dgr_of(packs, **more)).penalty
    return found


def by_double_backward(features: list[Tensor], labels: list[list[int]], weights: list[Tensor]) -> Tensor:
    """The squared norm of one set's gradients: a head for each task, the gradient taken by autograd."""
    heads = [weight.clone().requires_grad_() for weight in weights]
    pairs = zip(features, labels, heads, strict=True)
    loss = sum(F.cross_entropy(x @ head.T, torch.tensor(y)) for x, y, head in pairs)
    return sum(each.square().sum() for each in torch.autograd.grad(loss, heads, create_graph=True))


@pytest.mark.parametrize(("examples", "classes", "width"), [(3, 5, 16), (40, 4, 6), (1, 2, 3)])
def test_the_closed_form_is_that_of_a_double_backward(examples: int, classes: int, width: int) -> None:
    """In float64, by the Gram matrices and by the gradient itself, the second task one example short."""
    draw = torch.Generator().manual_seed(1)
    real: dict[str, Any] = {"generator": draw, "dtype": torch.float64}
    features = torch.randn(2, examples, width, **real).requires_grad_()
    weights = torch.randn(2, 3, classes, width, **real)
    labels = torch.randint(classes, (2, examples, 3), generator=draw)
    counts = [examples, max(1, examples - 1)]
    filled = torch.arange(examples) < torch.tensor(counts)[:, None]
    ours = squared_gradient_norms(features, labels, weights, filled)
    theirs = [
        by_double_backward(
            [features[t, : counts[t]] for t in (0, 1)],
            [labels[t, : counts[t], n].tolist() for t in (0, 1)],
            [weights[t, n] for t in (0, 1)],
        )
        for n in range(3)
    ]
    torch.testing.assert_close(ours.sum(dim=0), torch.stack(theirs), rtol=1e-10, atol=0)
    both = [torch.autograd.grad(sum(each), features, retain_graph=True)[0] for each in (ours.sum(0), theirs)]
    torch.testing.assert_close(both[0], both[1], rtol=1e-10, atol=1e-10 * float(both[1].abs().max()))


def representation(model: Any, family: str, row: Row) -> Tensor:
    """What the library says of a row alone: states that predict its targets, or the mean of the encoder's."""
    if family == "bloom":
        hidden: Tensor = model.transformer(torch.cat(row)[None]).last_hidden_state[0]
        return hidden[len(row.prompt) - 1 : -1]
    encoded: Tensor = model.encoder(row.prompt[None]).last_hidden_state[0]
    return encoded.mean(dim=0, keepdim=True)


def reference(model: Any, family: str) -> Tensor:
    """The penalty by the library's forward of each row alone, and a double backward."""
    rows, sets = rows_of(LENGTHS), []
    names = sorted(set(TASKS))
    weights = HEADS.weights(names, 32, torch.device("cpu"), torch.float32)
    for number in range(HEADS.count):
        features, labels = [], []
        for task in names:
            own = [row for row, name in zip(rows, TASKS, strict=True) if name == task]
            features.append(torch.cat([representation(model, family, row) for row in own]))
            whole = [target_words(r.target.numpy(), np.zeros(len(r.target), np.int64), 1) for r in own]
            tokens = [row.target.numpy().astype(np.uint64) for row in own]
            words = np.concatenate(tokens if family == "bloom" else whole)
            labels.append(HEADS.labels([task], words[None])[0, :, number].tolist())
        sets.append(by_double_backward(features, labels, [weights[t, number] for t in range(len(names))]))
    return torch.stack(sets).mean()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_forward_has_the_penalty_of_rows_alone(family: str) -> None:
    model = model_of(family)
    theirs = reference(model, family)
    expected = gradients(model, theirs)
    for packs in (PACKS, ALONE):
        ours = penalty_of(model, family, packs)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=0)
        assert_equal_gradients(gradients(model, ours), expected, 1e-3)


def test_only_the_representation_learns_from_it() -> None:
    """The encoder, and neither decoder nor heads."""
    model = model_of("mt5")
    learning = set(gradients(model, penalty_of(model, "mt5", PACKS)))
    assert learning
    assert not [name for name in learning if not name.startswith(("encoder", "shared"))]
    assert not HEADS.weights(TASKS, 32, torch.device("cpu"), torch.float32).requires_grad


@pytest.mark.parametrize("family", FAMILIES)
def test_order_and_absent_examples_do_not_matter(family: str) -> None:
    model = model_of(family)
    whole = penalty_of(model, family, PACKS)
    torch.testing.assert_close(penalty_of(model, family, [[1, 4], [2, 0], [3]]), whole, rtol=1e-4, atol=0)
    batch = packed(family, rows_of(LENGTHS), ALONE)
    nli = DgrBatch(HEADS, ["nli", "qa", "nli", "", ""], [0, -1, 2, -1, -1], 99)
    one = model(**batch, dgr=nli).penalty
    torch.testing.assert_close(one, penalty_of(model, family, [[2, 0]]), rtol=1e-4, atol=0)
    none = model(**batch, dgr=DgrBatch(HEADS, [""] * 5, [-1] * 5, 99))
    assert float(none.penalty) == 0
    assert none.loss is not None


def test_the_positions_that_count_are_chosen_by_example() -> None:
    """As many of each task as asked for, the same ones however the batch is laid out."""
    model = model_of("bloom")
    few = penalty_of(model, "bloom", PACKS, most=3)
    torch.testing.assert_close(penalty_of(model, "bloom", ALONE, most=3), few, rtol=1e-4, atol=0)
    assert abs(float(few.detach() / penalty_of(model, "bloom", PACKS).detach()) - 1) > 0.01
    rows = np.repeat(np.arange(5), [3, 5, 2, 4, 1])
    places, filled = dgr_of(ALONE, most=4).sample(rows, np.arange(15, dtype=np.uint64))
    assert filled.sum(axis=1).tolist() == [4, 4, 1]
    assert [
        sorted({TASKS[rows[p]] for p in line[there]}) for line, there in zip(places, filled, strict=True)
    ] == [
        ["nli"],
        ["qa"],
        ["say"],
    ]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_half_states_cost_no_more_than_their_own_rounding(dtype: torch.dtype) -> None:
    """The same rounded states in float64: the penalty's sums are not rounded again, its gradient once."""
    hidden = torch.randn(15, 64, generator=torch.Generator().manual_seed(2)).to(dtype)
    rows, targets = torch.arange(15) // 3, torch.arange(15) * 7
    found = []
    for states in (hidden.clone().requires_grad_(), hidden.double().requires_grad_()):
        penalty = token_penalty(dgr_of(ALONE), states, targets, rows)
        (gradient,) = torch.autograd.grad(penalty, states)
        found.append((penalty.double(), gradient.double()))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=0)
    error = (found[0][1] - found[1][1]).norm() / found[1][1].norm()
    assert error < (0.02 if dtype == torch.bfloat16 else 1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_keeps_the_penalty(family: str) -> None:
    """Heads and sums stay in float32, with autocast and without."""
    exact = penalty_of(model_of(family), family, PACKS).item()
    with torch.autocast("cpu", torch.bfloat16):
        cast = penalty_of(model_of(family), family, PACKS)
    half = penalty_of(model_of(family).bfloat16(), family, PACKS)
    assert cast.dtype == half.dtype == torch.float32
    assert abs(cast.item() / exact - 1) < 0.2
    assert abs(half.item() / exact - 1) < 0.2


def test_the_penalty_looks_at_the_states_that_the_loss_looks_at() -> None:
    """Dropout is drawn once: the reference on the head's own inputs is the penalty."""
    model = model_of("bloom")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
    model.transformer.h[0].self_attention.hidden_dropout = 0.3
    model.transformer.h[0].mlp.hidden_dropout = 0.3
    seen: list[Tensor] = []
    hook = model.lm_head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    found = penalty_of(model, "bloom", ALONE).item()
    again = penalty_of(model, "bloom", ALONE).item()
    hook.remove()
    assert len(seen) == 2  # one forward each
    assert found != again
    row = rows_of(LENGTHS)
    batch = packed("bloom", [row[0]], [[0]])
    seen.clear()
    hook = model.lm_head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    alone = model(**batch, dgr=DgrBatch(HEADS, ["nli"], [0], 99)).penalty
    hook.remove()
    labels = HEADS.labels(["nli"], row[0].target.numpy().astype(np.uint64)[None])
    weights = HEADS.weights(["nli"], 32, torch.device("cpu"), torch.float32)
    sets = [by_double_backward([seen[0]], [labels[0, :, n].tolist()], [weights[0, n]]) for n in range(2)]
    torch.testing.assert_close(alone, torch.stack(sets).mean(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_it_reaches_adapters(family: str, checkpointing: bool) -> None:
    model = model_of(family)
    modules = ["query_key_value"] if family == "bloom" else ["q", "v"]
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=modules, init_lora_weights=False))
    plain = gradients(adapted, penalty_of(adapted, family, PACKS))
    assert plain
    assert all("lora_" in name for name in plain)
    assert all(float(gradient.abs().max()) > 0 for gradient in plain.values())
    if checkpointing:
        adapted.enable_input_require_grads()
        adapted.gradient_checkpointing_enable({"use_reentrant": False})
        assert_equal_gradients(gradients(adapted, penalty_of(adapted, family, PACKS)), plain, 1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_reaches_virtual_tokens(family: str) -> None:
    config = PromptTuningConfig(
        task_type="CAUSAL_LM" if family == "bloom" else "SEQ_2_SEQ_LM",
        num_virtual_tokens=3,
        num_transformer_submodules=1,
    )
    tuned = prompt_tuned(model_of(family), config)
    (gradient,) = gradients(tuned, penalty_of(tuned, family, PACKS)).values()
    assert gradient.abs().max() > 0
    together, alone = (penalty_of(tuned, family, packs) for packs in (PACKS, ALONE))
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_any_model_of_the_library_has_it_through_its_hidden_states(family: str) -> None:
    model = model_of(family)
    plain_class = {"bloom": BloomForCausalLM, "mt5": MT5ForConditionalGeneration}[family]
    plain = plain_class(copy.deepcopy(model.config)).train()
    plain.load_state_dict(model.state_dict())
    batch = packed(family, rows_of(LENGTHS), ALONE)
    segments = batch.pop("segments")
    batch.pop("target_segments", None)
    batch |= {"attention_mask": segments.long(), "row_weights": batch["row_weights"][:, 0]}
    found = weighted_target_loss(plain, {**batch, "dgr": dgr_of(ALONE)}, own_forward=False)
    torch.testing.assert_close(found.penalty, penalty_of(model, family, ALONE), rtol=1e-4, atol=0)
    assert weighted_target_loss(plain, batch, own_forward=False).penalty is None


def test_a_model_of_another_family_learns_from_it() -> None:
    torch.manual_seed(1)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=1, n_head=2, n_positions=64))
    ids = torch.randint(4, VOCABULARY, (5, 8))
    labels = torch.where(torch.arange(8) < 5, -100, ids)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    found = weighted_target_loss(
        model, {**batch, "row_weights": torch.ones(5), "dgr": dgr_of(ALONE)}, own_forward=False
    )
    assert found.penalty is not None
    assert "transformer.h.0.attn.c_attn.weight" in gradients(model, found.penalty)


def test_heads_follow_from_their_names_alone() -> None:
    def weights(**changed: Any) -> Tensor:
        given = {"seed": 7, "count": 2, "classes": 6, **changed}
        return DummyHeads(**given).weights(["a", "b"], 32, torch.device("cpu"), torch.float32)

    own = weights()
    assert torch.equal(own, weights())
    assert torch.equal(own[:, :1], weights(count=1))
    assert torch.equal(weights(step=3), weights(step=3))
    different = [
        own[0, 0],
        own[0, 1],
        own[1, 0],
        weights(seed=8)[0, 0],
        weights(step=3)[0, 0],
        weights(step=4)[0, 0],
    ]
    assert len({tuple(each.flatten().tolist()) for each in different}) == len(different)
    assert float(own.abs().max()) <= 32**-0.5
    labels = HEADS.labels(["a"], np.arange(6000, dtype=np.uint64)[None])[0, :, 0]
    assert np.bincount(labels, minlength=6).min() > 800  # 1,000 each, give or take 29
    assert len({int(w) for w in target_words(np.array([1, 2, 2, 1, 1]), np.array([0, 0, 1, 1, 2]), 3)}) == 3
