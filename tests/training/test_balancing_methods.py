"""Each method against TorchJD, the papers' formulas or values worked by hand; permutation, scaling, absent groups."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mtft.training.balancing import Measured, Method
from mtft.training.balancing.adam import GroupAdam
from mtft.training.balancing.coba import CoBa, slopes_of
from mtft.training.balancing.doremi import DoReMi
from mtft.training.balancing.dwa import DynamicWeightAverage
from mtft.training.balancing.famo import Famo
from mtft.training.balancing.fixed import Random, Sum
from mtft.training.balancing.learned import ImtlL, UncertaintyWeighting
from mtft.training.balancing.slaw import Slaw
from mtft.training.balancing.stch import SmoothTchebycheff

scalarization = pytest.importorskip("torchjd.scalarization")

TIGHT: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-12}


def _reference(groups: int) -> Tensor:
    return torch.linspace(0.5, 1.0, groups, dtype=torch.float64)


METHODS: dict[str, Callable[[int], Method]] = {
    "sum": Sum,
    "random": lambda n: Random(n, 3),
    "uw": lambda n: UncertaintyWeighting(n, 0.1, 0.01),
    "imtl_l": lambda n: ImtlL(n, 0.1, 0.01),
    "dwa": lambda n: DynamicWeightAverage(n, 2.0, 2, 0.01),
    "famo": lambda n: Famo(n, 0.1, 1e-3, 0.01),
    "stch": lambda n: SmoothTchebycheff(n, 0.1),
    "slaw": lambda n: Slaw(n, 0.9),
    "coba": lambda n: CoBa(n, 3, 5, 5.0),
    "doremi": lambda n: DoReMi(_reference(n), 1.0, 1e-4),
}
LEARNING = [name for name in METHODS if name not in ("sum", "random")]


def steps_of(count: int, groups: int = 4, present: Tensor | None = None) -> list[Measured]:
    """Steps with falling losses, each measured again a little lower."""
    generator = torch.Generator().manual_seed(5)
    found = []
    for step in range(count):
        noise = torch.rand((3, groups), generator=generator, dtype=torch.float64)
        losses = torch.arange(1, groups + 1) * (0.5 + noise[0]) / (1 + 0.1 * step)
        there = torch.ones(groups, dtype=torch.bool) if present is None else present
        after = losses * (0.8 + 0.15 * noise[1])
        found.append(Measured(there, losses, losses * 0.9, after, losses * (0.9 + 0.3 * noise[2])))
    return found


def _after(method: Method, steps: list[Measured]) -> Tensor:
    for measured in steps:
        method.update(measured)
    return method.weights(len(steps))


def _permuted(measured: Measured, order: Tensor) -> Measured:
    return Measured(*(each[order] for each in measured))  # type: ignore[index]


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_above_zero_and_begin_alike(name: str) -> None:
    method = METHODS[name](4)
    first = method.weights(0)
    assert name == "random" or torch.allclose(first, first.mean())
    weights = _after(method, steps_of(8))
    assert weights.dtype == torch.float64
    assert bool((weights > 0).all())
    if name not in ("uw", "imtl_l"):
        assert float(weights.mean()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", LEARNING)
def test_permuting_the_groups_permutes_the_weights(name: str) -> None:
    order = torch.tensor([2, 0, 3, 1])
    steps, method = steps_of(8), METHODS[name](4)
    moved = METHODS[name](4)
    if isinstance(moved, DoReMi):
        moved.reference = moved.reference[order]
    weights = _after(method, steps)
    torch.testing.assert_close(_after(moved, [_permuted(s, order) for s in steps]), weights[order], **TIGHT)
    assert not torch.allclose(weights, weights.mean())


@pytest.mark.parametrize("name", ["dwa", "slaw", "coba", "famo"])
def test_scaling_all_losses_changes_nothing(name: str) -> None:
    """FAMO's weights go as z / l: scaling all losses alike leaves them, scaling one divides its own."""
    scaled = [
        Measured(s.present, *(None if x is None else 7 * x for x in s[1:]))
        for s in steps_of(8)  # type: ignore[arg-type]
    ]
    torch.testing.assert_close(
        _after(METHODS[name](4), scaled), _after(METHODS[name](4), steps_of(8)), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", ["dwa", "coba"])
def test_scaling_one_loss_changes_nothing(name: str) -> None:
    one = torch.tensor([1.0, 100.0, 1.0, 1.0], dtype=torch.float64)
    scaled = [
        Measured(s.present, *(None if x is None else x * one for x in s[1:]))
        for s in steps_of(8)  # type: ignore[arg-type]
    ]
    torch.testing.assert_close(
        _after(METHODS[name](4), scaled), _after(METHODS[name](4), steps_of(8)), **TIGHT
    )


def test_slaw_undoes_the_scale_of_a_loss() -> None:
    one = torch.tensor([1.0, 100.0, 1.0, 1.0], dtype=torch.float64)
    plain = _after(Slaw(4, 0.9), steps_of(8))
    scaled = _after(Slaw(4, 0.9), [s._replace(losses=s.losses * one) for s in steps_of(8)])
    expected = plain / one
    torch.testing.assert_close(scaled, expected * 4 / expected.sum(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", [name for name in LEARNING if name != "coba"])
def test_absent_groups_keep_their_state(name: str) -> None:
    """Whatever stands in the measurements of an absent group is not looked at; its own entries stay."""
    whole, there = steps_of(4), torch.tensor([True, False, True, True])
    method = METHODS[name](4)
    _after(method, whole)
    before = json.loads(json.dumps(method.state()))
    twin = copy.deepcopy(method)
    partial = [s._replace(present=there) for s in steps_of(5)[4:]]
    other = [s._replace(losses=torch.where(there, s.losses, 1e9), token_losses=torch.where(there, s.token_losses, -3.0),
                        after=torch.where(there, s.after, 1e-9)) for s in partial]  # type: ignore[arg-type]  # fmt: skip
    torch.testing.assert_close(_after(method, partial), _after(twin, other), rtol=0, atol=0)
    if name != "doremi":  # an absent group's share moves there by normalisation
        for old, new in _leaves(before, method.state()):
            assert old[1] == new[1]


def _leaves(old: Any, new: Any) -> list[tuple[list[Any], list[Any]]]:
    if isinstance(old, dict):
        return [leaf for key in old for leaf in _leaves(old[key], new[key])]
    return [(old, new)] if isinstance(old, list) else []


@pytest.mark.parametrize("name", METHODS)
def test_a_state_goes_through_json_unchanged(name: str) -> None:
    method, again = METHODS[name](4), METHODS[name](4)
    _after(method, steps_of(5))
    again.restore(json.loads(json.dumps(method.state())))
    for measured in steps_of(9)[5:]:
        assert torch.equal(method.weights(7), again.weights(7))
        method.update(measured)
        again.update(measured)
    assert torch.equal(method.weights(9), again.weights(9))


def test_our_adam_is_the_librarys() -> None:
    parameter = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([parameter], lr=0.03, weight_decay=0.1)
    ours = GroupAdam(3, 0.03, 0.1)
    for step in range(6):
        gradient = torch.tensor([1.0, -0.3, 0.01 * step], dtype=torch.float64)
        parameter.grad = gradient.clone()
        theirs.step()
        ours.step(gradient, torch.ones(3, dtype=torch.bool))
    torch.testing.assert_close(ours.values, parameter.detach(), **TIGHT)


class _Toy:
    """Three losses of one small model on a batch that never changes."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(4, 3).double()
        self.x, self.y = torch.randn(16, 4).double(), torch.randn(16, 3).double() * torch.tensor([1, 3, 9])

    def losses(self) -> Tensor:
        found: Tensor = (self.model(self.x) - self.y).pow(2).mean(dim=0)
        return found

    def weights(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.model.parameters()])


def _train(method: Method, steps: int) -> Tensor:
    """By the trainer's order: weights, step, measure, update."""
    toy = _Toy()
    optimizer = torch.optim.Adam(toy.model.parameters(), lr=0.05)
    for step in range(steps):
        losses = toy.losses()
        optimizer.zero_grad()
        (method.weights(step) * losses).sum().backward()
        optimizer.step()
        there = torch.ones(3, dtype=torch.bool)
        method.update(Measured(there, losses.detach(), losses.detach(), toy.losses().detach()))
    return toy.weights()


@pytest.mark.parametrize(("ours", "theirs"), [(UncertaintyWeighting, "UW"), (ImtlL, "IMTLL")])
def test_learning_after_the_step_is_learning_jointly(ours: Any, theirs: str) -> None:
    """Against one Adam over model and scalariser, as TorchJD's own example has it."""
    toy, scalarizer = _Toy(), getattr(scalarization, theirs)(3).double()
    optimizer = torch.optim.Adam(
        [{"params": toy.model.parameters(), "lr": 0.05}, {"params": scalarizer.parameters(), "lr": 0.02}]
    )
    for _ in range(30):
        optimizer.zero_grad()
        scalarizer(toy.losses()).backward()
        optimizer.step()
    torch.testing.assert_close(_train(ours(3, 0.02, 1e-9), 30), toy.weights(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("ours", "most"), [(UncertaintyWeighting, 0.5 / 0.01), (ImtlL, 1 / 0.01)])
def test_a_memorised_group_does_not_get_an_infinite_weight(ours: Any, most: float) -> None:
    method = ours(2, 1.0, 0.01)
    losses = torch.tensor([1e-12, 1.0], dtype=torch.float64)
    weights = _after(method, [Measured(torch.ones(2, dtype=torch.bool), losses, losses)] * 200)
    assert float(weights[0]) == pytest.approx(most)


@pytest.mark.parametrize("name", ["famo", "dwa"])
def test_a_memorised_group_counts_with_the_floor(name: str) -> None:
    there = torch.ones(2, dtype=torch.bool)
    found = []
    for small in (1e-12, 0.01):
        losses = torch.tensor([small, 1.0], dtype=torch.float64)
        found.append(_after(METHODS[name](2), [Measured(there, losses, losses, losses)] * 6))
    torch.testing.assert_close(found[0], found[1], **TIGHT)


def test_dwa_is_torchjds_with_a_window_for_an_epoch() -> None:
    theirs, method = scalarization.DWA(2.0), DynamicWeightAverage(4, 2.0, 3, 0.01)
    for step, measured in enumerate(steps_of(12)):
        leaf = measured.losses.clone().requires_grad_()
        (weights,) = torch.autograd.grad(theirs(leaf), leaf)
        torch.testing.assert_close(method.weights(step), weights, **TIGHT)
        method.update(measured)
        if step % 3 == 2:
            theirs.step()


def test_dwa_by_hand() -> None:
    """A loss that stays against one that halves: ratios 1 and 1/2 at temperature 2."""
    there, method = torch.ones(2, dtype=torch.bool), DynamicWeightAverage(2, 2.0, 1, 0.01)
    for losses in ([4.0, 4.0], [4.0, 2.0]):
        values = torch.tensor(losses, dtype=torch.float64)
        method.update(Measured(there, values, values))
    shares = np.exp([0.5, 0.25]) / np.exp([0.5, 0.25]).sum()
    np.testing.assert_allclose(method.weights(2), 2 * shares, rtol=1e-12)


def test_famo_is_torchjds_on_a_batch_that_never_changes() -> None:
    """The first step has equal weights here; from then on the last measured losses are the current ones."""
    toy, theirs = _Toy(), scalarization.FAMO(3, lr=0.1).double()
    optimizer = torch.optim.Adam(toy.model.parameters(), lr=0.05)
    for step in range(30):
        losses = toy.losses()
        balanced = 3 * theirs(losses)  # our weights have mean 1
        optimizer.zero_grad()
        (balanced if step else losses.sum()).backward()
        optimizer.step()
        theirs.update(toy.losses())
    torch.testing.assert_close(_train(Famo(3, 0.1, 1e-3, 1e-9), 30), toy.weights(), rtol=1e-8, atol=1e-8)


def test_stch_is_torchjds_at_the_losses_of_the_step_before() -> None:
    toy, scalarizer = _Toy(), scalarization.STCH(0.5)
    optimizer = torch.optim.Adam(toy.model.parameters(), lr=0.05)
    last: Tensor | None = None
    for _ in range(30):
        losses = toy.losses()
        weights = torch.ones(3, dtype=torch.float64)
        if last is not None:
            leaf = last.requires_grad_()
            weights = 9 * torch.autograd.grad(scalarizer(leaf), leaf)[0]  # whose sum is 1/3
        optimizer.zero_grad()
        (weights * losses).sum().backward()
        optimizer.step()
        last = losses.detach()
    torch.testing.assert_close(_train(SmoothTchebycheff(3, 0.5), 30), toy.weights(), rtol=1e-9, atol=1e-9)


def test_random_weights_are_those_of_torchjd_and_leave_the_generators_alone() -> None:
    before, method = torch.get_rng_state(), Random(4, 3)
    weights = [method.weights(step) for step in range(3000)]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights[7], Random(4, 3).weights(7))
    assert not torch.equal(weights[7], Random(4, 4).weights(7))
    logs = torch.stack(weights).log()
    # softmax of standard normals: differences of logarithms have variance 2
    assert float((logs[:, 0] - logs[:, 1]).var()) == pytest.approx(2, rel=0.2)


def test_slaw_by_hand() -> None:
    """Losses 1, 3 and 2, 2.5: standard deviations 1 and 0.25, so weights 0.4 and 1.6."""
    method, there = Slaw(2, 0.99), torch.ones(2, dtype=torch.bool)
    for losses in ([1.0, 2.0], [3.0, 2.5]):
        values = torch.tensor(losses, dtype=torch.float64)
        assert torch.equal(method.weights(0), torch.ones(2).double())
        method.update(Measured(there, values, values))
    np.testing.assert_allclose(method.weights(2), [0.4, 1.6], rtol=1e-9)


def test_slaw_turns_to_exponential_means() -> None:
    values = np.random.default_rng(0).uniform(1, 2, size=30)
    method, there = Slaw(1, 0.9), torch.ones(1, dtype=torch.bool)
    for value in values:
        measured = torch.tensor([value], dtype=torch.float64)
        method.update(Measured(there, measured, measured))
    mean = values[:10].mean()
    for value in values[10:]:
        mean = 0.9 * mean + 0.1 * value
    assert float(method.mean[0]) == pytest.approx(mean, rel=1e-12)


def test_doremi_by_hand() -> None:
    """Two groups 0.5 and -0.2 above their references: the second counts as 0."""
    method = DoReMi(torch.tensor([1.0, 1.0], dtype=torch.float64), 2.0, 0.1)
    losses = torch.tensor([1.5, 0.8], dtype=torch.float64)
    method.update(Measured(torch.ones(2, dtype=torch.bool), losses, losses))
    share = math.e / (math.e + 1)
    expected = [2 * (0.9 * share + 0.05), 2 * (0.9 * (1 - share) + 0.05)]
    np.testing.assert_allclose(method.weights(1), expected, rtol=1e-12)
    # absent in the next step: its last excess counts again, as in the authors' code
    method.update(Measured(torch.tensor([False, True]), losses * 9, losses))
    odds = expected[0] / expected[1] * math.e
    share = odds / (1 + odds)
    np.testing.assert_allclose(method.weights(2)[0], 2 * (0.9 * share + 0.05), rtol=1e-12)


def _coba(history: np.ndarray, warmup: int, window: int, tau: float) -> np.ndarray:
    """The weights after the last row, straight from the formulas: everything anew from the whole history."""
    history = history / history[0]

    def softmax(x: np.ndarray) -> np.ndarray:
        return np.exp(x - x.max()) / np.exp(x - x.max()).sum()

    slopes, whole = [], []
    for end in range(warmup, len(history) + 1):
        rows = history[max(0, end - window) : end]
        slopes.append([np.polyfit(np.arange(len(rows)), column, 1)[0] for column in rows.T])
        whole.append(np.polyfit(np.arange(len(rows)), rows.max(axis=1), 1)[0])
    a, w = np.array(slopes), np.array(whole)
    k = a.shape[1]
    relative = softmax(k * a[-1] / np.abs(a[-1]).sum())
    recent = a[max(0, len(history) - window) :]
    absolute = softmax(-len(recent) * recent[-1] / np.abs(recent).sum(axis=0))
    factor = len(w) * softmax(-tau * len(w) * w / np.abs(w).sum())[-1]
    shares = softmax(k * (factor * relative + (1 - factor) * absolute))
    if (shares < 1 / (10 * k)).any():
        shares = shares * 0.9 + 1 / (10 * k)
    return k * shares


def test_coba_is_its_formulas() -> None:
    method, steps = CoBa(4, 3, 6, 5.0), steps_of(15)
    history = []
    for measured in steps:
        method.update(measured)
        method.update(measured._replace(validation=None))  # steps between two validations
        assert measured.validation is not None
        history.append(measured.validation.numpy())
        if len(history) < 3:
            assert torch.equal(method.weights(0), torch.ones(4).double())
        else:
            np.testing.assert_allclose(method.weights(0), _coba(np.array(history), 3, 6, 5.0), rtol=1e-8)


def test_coba_prefers_what_converges_slowly_and_stands_still_without_slopes() -> None:
    falling = torch.tensor([[4.0 - t, 4.0 - 0.1 * t] for t in range(4)], dtype=torch.float64)
    method, there = CoBa(2, 3, 6, 5.0), torch.ones(2, dtype=torch.bool)
    for row in falling:
        method.update(Measured(there, row, row, None, row))
    assert method.weights(0)[1] > method.weights(0)[0]
    flat = CoBa(2, 3, 6, 5.0)
    for _ in range(4):
        flat.update(Measured(there, falling[0], falling[0], None, falling[0]))
    torch.testing.assert_close(flat.weights(0), torch.ones(2).double())


def test_coba_weighs_groups_of_one_pace_alike_whatever_their_scale() -> None:
    """Both fall by 3 % at each measurement, one from 8 nats and one from 0.02; a resumed run keeps the first losses."""
    start, there = torch.tensor([8.0, 0.02], dtype=torch.float64), torch.ones(2, dtype=torch.bool)
    rows = [start * 0.97**t for t in range(12)]
    method, resumed = CoBa(2, 3, 6, 5.0), CoBa(2, 3, 6, 5.0)
    for t, row in enumerate(rows):
        method.update(Measured(there, row, row, None, row))
        torch.testing.assert_close(method.weights(0), torch.ones(2).double(), rtol=1e-9, atol=0)
        if t == 7:
            resumed.restore(json.loads(json.dumps(method.state())))
    for row in rows[8:]:
        resumed.update(Measured(there, row, row, None, row))
    assert torch.equal(resumed.weights(0), method.weights(0))
    assert resumed.first == start.tolist()


def test_slopes() -> None:
    assert slopes_of(torch.tensor([[3.0, 0.0], [2.0, 2.0]]).double()).tolist() == [-1.0, 2.0]
    assert slopes_of(torch.tensor([[3.0, 1.0]]).double()).tolist() == [0.0, 0.0]
