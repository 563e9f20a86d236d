"""Gradient balancing methods against explicit Jacobians, formulas written out, and their properties."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mtft.errors import ConfigError, MissingExtraError, RunError
from mtft.training import MultitaskArguments
from mtft.training.grad_norm import slope
from mtft.training.gradient_methods import gradient_method, seeded
from mtft.training.gradient_settings import GRADIENT_METHODS, GradientSettings, constant_weights
from mtft.training.gradient_step import GradientMethod, GradientStep
from mtft.training.tension import tension

aggregation = pytest.importorskip("torchjd.aggregation", reason="needs the extra multitask")
linalg = pytest.importorskip("torchjd.linalg", reason="needs the extra multitask")

CPU = torch.device("cpu")
EXACT = linalg.QuadprogProjector(reg_eps=1e-10)  # its 1e-4 is no rounding
LOOSE = {"mgda": 1e-2, "cagrad": 1e-3, "nash_mtl": 1e-3}  # where TorchJD's solvers stop
NAMES = ("a", "b", "c", "d")
REFERENCES = {
    "sum": lambda: aggregation.Sum(),
    "mean": lambda: aggregation.Mean(),
    "random": lambda: aggregation.Random(),
    "pcgrad": lambda: aggregation.PCGrad(),
    "gradvac": lambda: aggregation.GradVac(beta=0.5),
    "mgda": lambda: aggregation.MGDA(epsilon=1e-9, max_iters=3000),
    "cagrad": lambda: aggregation.CAGrad(c=0.5),
    "nash_mtl": lambda: aggregation.NashMTL(n_tasks=4),
    "fairgrad": lambda: aggregation.FairGrad(alpha=1.0),
    "imtl_g": lambda: aggregation.IMTLG(),
    "aligned_mtl": lambda: aggregation.AlignedMTL(),
    "upgrad": lambda: aggregation.UPGrad(projector=EXACT),
    "dualproj": lambda: aggregation.DualProj(projector=EXACT),
    "config": lambda: aggregation.ConFIG(),
}
ORDERED = ("random", "pcgrad", "gradvac")  # draw by the groups' places
WEIGHTED = tuple(name for name in GRADIENT_METHODS if name not in ("none", "graddrop"))


def jacobian(seed: int = 0, groups: int = 4) -> Tensor:
    """(groups, 30) float64 in conflict: rows of different norms with cosines of both signs."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(groups, 30, dtype=torch.float64, generator=generator)
    if groups > 1:
        rows[1] -= 0.8 * rows[0]
    return rows * torch.tensor([1.0, 0.5, 2.0, 1.5][:groups], dtype=torch.float64)[:, None] / 5


def method(name: str, **settings: Any) -> GradientMethod:
    return gradient_method(GradientSettings(gradient_balancing=name, **settings), NAMES)


def step_of(rows: Tensor, present: list[int] | None = None, losses: Tensor | None = None) -> GradientStep:
    losses = torch.linspace(1, 2, len(rows), dtype=torch.float64) if losses is None else losses
    return GradientStep(rows @ rows.T, losses, list(range(len(rows))) if present is None else present)


def weights_of(found: GradientMethod, rows: Tensor, seed: int = 0, **of_step: Any) -> Tensor:
    with seeded(seed, 0, CPU):
        return found.weights(step_of(rows, **of_step))


@pytest.mark.parametrize("name", REFERENCES)
def test_weights_on_the_products_give_what_torchjd_makes_of_the_jacobian(name: str) -> None:
    ours, theirs = method(name), REFERENCES[name]()
    for step in range(1, 4):  # of jacobian(0) TorchJD's Nash-MTL finds no bargain
        rows = jacobian(step)
        with seeded(7, step, CPU):
            expected = theirs(rows)
        with seeded(7, step, CPU):
            weights = ours.weights(step_of(rows))
        off = (weights @ rows - expected).norm() / expected.norm()
        assert float(off) < LOOSE.get(name, 1e-5)


def test_graddrop_is_torchjds() -> None:
    rows = jacobian()
    rows[:, 3] = 0.0
    with seeded(1, 2, CPU):
        found = method("graddrop").combine(rows)
    with seeded(1, 2, CPU):
        torch.testing.assert_close(found, aggregation.GradDrop()(rows))
    assert found[3] == 0


def test_worked_values() -> None:
    """TorchJD's documentation works UPGrad out on these rows; the others by hand."""
    rows = torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]], dtype=torch.float64)
    upgrad = weights_of(method("upgrad"), rows)
    assert upgrad.tolist() == pytest.approx([1.1109, 0.7894], abs=1e-3)
    # each less its projection on the other: 1 + 22 / 38 of the first, 1 + 22 / 18 of the second
    assert weights_of(method("pcgrad"), rows).tolist() == pytest.approx([1 + 22 / 18, 1 + 22 / 38])
    # the shortest of the segment: (|b|^2 - ab) / |a - b|^2 of the first
    mgda = weights_of(method("mgda"), rows)
    assert mgda.tolist() == pytest.approx([60 / 100, 40 / 100])
    given = weights_of(method("constant", gradient_weights="b=0.5, a = 3"), rows)
    assert given.tolist() == [3.0, 0.5]
    with pytest.raises(ConfigError, match=r"of groups that train.*summ.*Did you mean: sum\?"):
        gradient_method(GradientSettings("constant", gradient_weights="summ=2"), ["plus", "sum"])


def test_the_equations_that_define_them_hold() -> None:
    rows = jacobian()
    gramian = rows @ rows.T
    fair = weights_of(method("fairgrad", fairgrad_alpha=2.0), rows)
    torch.testing.assert_close(gramian @ fair, fair ** (-1 / 2), rtol=1e-3, atol=1e-4)
    nash = weights_of(method("nash_mtl"), rows)
    bargain = nash * (gramian @ nash)
    torch.testing.assert_close(bargain / bargain.mean(), torch.ones_like(bargain), rtol=1e-5, atol=1e-5)
    equal = weights_of(method("imtl_g"), rows) @ gramian / gramian.diagonal().sqrt()
    torch.testing.assert_close(equal, equal.mean().expand(4), rtol=1e-6, atol=1e-8)
    assert ((weights_of(method("upgrad"), rows) @ gramian) > -1e-3).all()


@pytest.mark.parametrize("name", [n for n in WEIGHTED if n not in (*ORDERED, "constant")])
def test_the_order_of_groups_does_not_matter(name: str) -> None:
    rows, order = jacobian(), torch.tensor([2, 0, 3, 1])
    losses = torch.tensor([1.0, 3.0, 2.0, 0.5], dtype=torch.float64)
    one, two = method(name), method(name)
    for _ in range(12):  # the tension begins with the twelfth
        first = weights_of(one, rows, losses=losses)
        second = weights_of(two, rows[order], losses=losses[order])
        losses = losses * torch.tensor([0.9, 1.0, 0.8, 0.7], dtype=torch.float64)
    torch.testing.assert_close(second, first[order], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [n for n in WEIGHTED if n != "tension"])
def test_a_common_scale_changes_no_direction(name: str) -> None:
    """Gradients of 1e-6 are below the constants of TorchJD's solvers, which would call them zero."""
    rows = jacobian()
    whole, small = weights_of(method(name), rows) @ rows, weights_of(method(name), 1e-6 * rows) @ rows
    torch.testing.assert_close(small / small.norm(), whole / whole.norm(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", WEIGHTED)
def test_equal_gradients_and_a_single_one_are_followed(name: str) -> None:
    """Of dependent gradients the products have no inverse."""
    rows = jacobian(groups=1)
    for count in (1, 3):
        same = rows.expand(count, -1)
        update = weights_of(method(name), same) @ same
        cosine = torch.cosine_similarity(update, rows[0], dim=0)
        assert float(cosine) == pytest.approx(1.0, abs=1e-6), count


@pytest.mark.parametrize("name", ["gradvac", "gradnorm", "tension"])
def test_absent_groups_keep_their_state(name: str) -> None:
    """And a state goes through JSON and back without a change."""
    found = method(name)
    for number in range(12):
        weights_of(found, jacobian(number), number)
    before = json.loads(json.dumps(found.state()))
    weights_of(found, jacobian(20)[[0, 2]], present=[0, 2])
    for key, value in found.state().items():
        assert value[1] == before[key][1], key
        assert value[3] == before[key][3], key
    assert found.state() != before
    again = method(name)
    again.restore(before)
    assert again.state() == before
    with pytest.raises(RunError, match="of the groups of this run"):
        again.restore({key: value[:2] for key, value in before.items()})
    with pytest.raises(RunError, match="restored from"):
        again.restore({})


def test_gradnorms_slope_is_its_losses_derivative() -> None:
    """LibMTL's loss on the scores, differentiated by autograd with the mean norm held fixed."""
    scores = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    norms = torch.tensor([2.0, 0.5, 1.0], dtype=torch.float64)
    rates = torch.tensor([1.2, 0.9, 0.9], dtype=torch.float64)
    weights = 3 * scores.softmax(dim=0)
    mean = (weights * norms).mean().detach()
    ((weights * norms - mean * rates**1.5).abs().sum() / mean).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    torch.testing.assert_close(slope(weights.detach(), norms, rates, 1.5), scores.grad)


def test_gradnorm_evens_out_norms_of_groups_that_learn_alike() -> None:
    found, rows = method("gradnorm", gradnorm_rate=0.05), jacobian()
    losses = torch.ones(4, dtype=torch.float64)
    for _ in range(400):
        weights = weights_of(found, rows, losses=losses)
    norms = weights * rows.norm(dim=1)
    assert float(weights.sum()) == pytest.approx(4.0)
    assert float(norms.max() / norms.min()) < 1.3
    assert float(rows.norm(dim=1).max() / rows.norm(dim=1).min()) > 2


def _reference_tension(history: list[tuple[Tensor, Tensor]], alpha: float) -> Tensor:
    """The source's algorithm on vectors, with its angles."""
    norms = torch.stack([rows.norm(dim=1) for rows, _ in history])
    rows, losses = history[-1]
    lengths = rows.norm(dim=1)
    units = rows / lengths[:, None]
    shares = aggregation.MGDAWeighting()(units @ units.T)
    center = shares @ units / (shares / lengths).sum()
    before = norms[-11:-1].sum(dim=0)
    progress = norms[-10:].sum(dim=0) / before + losses.log10()
    pulls = alpha / (1 + torch.exp(-progress * math.e + math.e)) + 1 - alpha
    towards = rows - center
    update = center + (pulls[:, None] * towards / towards.norm(dim=1, keepdim=True)).sum(dim=0)
    for row in rows:
        angle = torch.arccos(torch.cosine_similarity(row, update, dim=0))
        if angle > math.pi / 2:
            unit = row / row.norm()
            flat = update - (update @ unit) * unit
            inner = math.pi - torch.arccos(torch.cosine_similarity(row, update - row, dim=0))
            update = torch.tan(inner) * row.norm() * flat / flat.norm()
    return update


def test_tension_is_the_sources_algorithm() -> None:
    found = method("tension", tension_alpha=1.0)  # groups that learn do not pull at all
    history = []
    turned = 0
    for number in range(30):
        rows = jacobian(number)
        rows += torch.outer(torch.tensor([1.0, 1.0, 1.0, -1.0], dtype=torch.float64), 2 * jacobian(99)[0])
        rows *= 0.1  # against pulls of length 1
        exponents = torch.rand(4, dtype=torch.float64, generator=torch.Generator().manual_seed(number))
        losses = 10 ** (6 * exponents - 3)
        history.append((rows, losses))
        weights = weights_of(found, rows, losses=losses)
        if number >= 10:
            torch.testing.assert_close(weights @ rows, _reference_tension(history, 1.0), rtol=1e-6, atol=1e-8)
            # perpendicular to the gradient that it was moved along last
            turned += int(float((rows @ (weights @ rows)).abs().min()) < 1e-10)
    assert turned > 0
    assert tension(-1e6, 0.3) == pytest.approx(0.7)
    assert tension(1.0, 0.3) == pytest.approx(0.85)


def test_what_is_drawn_follows_from_seed_and_step_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    drawn = []
    for seed, number in ((1, 2), (1, 2), (1, 3), (2, 2)):
        with seeded(seed, number, CPU):
            drawn.append(method("random").weights(step_of(jacobian())).tolist())
    assert drawn[0] == drawn[1]
    assert len({tuple(each) for each in drawn}) == 3
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_is_missed_without_torchjd(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchjd", "torchjd.aggregation", "torchjd.linalg"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"mtft\[multitask\]"):
        method("upgrad")
    for name in ("gradnorm", "constant", "mgda", "cagrad", "nash_mtl", "fairgrad"):
        assert method(name) is not None


@pytest.mark.parametrize("name", ["pcgrad", "upgrad", "tension", "graddrop"])
def test_a_missing_extra_is_told_by_the_settings(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after the pretraining and the evaluation that come before the trainer."""
    for module in ("torchjd", "torchjd.aggregation", "torchjd.linalg"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"gradient balancing.*`torchjd`.*mtft\[multitask\]"):
        MultitaskArguments(str(tmp_path), gradient_balancing=name, loss_normalization="token")
    MultitaskArguments(str(tmp_path), gradient_balancing="gradnorm", loss_normalization="token")


def test_a_missing_solver_is_told_by_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TorchJD looks for its solvers where a projector is made."""
    there = importlib.util.find_spec

    def without_quadprog(name: str, *given: Any) -> Any:
        return None if name == "quadprog" else there(name, *given)

    monkeypatch.setattr("torchjd._mixins.find_spec", without_quadprog)
    for name in ("upgrad", "dualproj"):
        with pytest.raises(MissingExtraError, match=r"quadprog-projector.*mtft\[multitask\]"):
            MultitaskArguments(str(tmp_path), gradient_balancing=name, loss_normalization="token")


@pytest.mark.parametrize("name", ["_phi_t", "_state_key"])
def test_another_torchjd_than_gradvac_knows_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its targets have private names."""

    class Renamed:
        def __init__(self, beta: float) -> None:
            vars(self).update({"_phi_t": None, "_state_key": None})
            del vars(self)[name]

    monkeypatch.setattr(aggregation, "GradVacWeighting", Renamed)
    with pytest.raises(ConfigError, match=f"needs TorchJD 0.18.*no `{name}` in Renamed.*mtft.multitask"):
        method("gradvac")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gradient_balancing": "pcgard"}, "pcgrad"),
        ({"update_norm": "max"}, "must be one of sum, mean, none"),
        ({"cagrad_c": -1.0}, "`cagrad_c` must lie between"),
        ({"gradient_balancing": "constant", "gradient_weights": "nli"}, "names with weights"),
        ({"gradient_balancing": "constant", "gradient_weights": "nli=-1"}, "names with weights"),
        ({"gradient_balancing": "constant", "gradient_weights": "nli=inf"}, "names with weights"),
        ({"gradient_weights": "nli=1"}, "those of `gradient_balancing` constant"),
        ({"gradient_balancing": "none", "gradient_weights": "nli=1"}, "those of `gradient_balancing`"),
        ({"loss_reduction": "mean"}, "--update_norm mean or --gradient_balancing mean"),
        ({"balanced_parameters": "lora_("}, "regular expression"),
        ({"deepspeed": "ds_zero2.json"}, "DeepSpeed"),
        ({"fsdp": "full_shard"}, "FSDP"),
        ({"optim": "lomo"}, "after the backward passes"),
        ({"optim": "galore_adamw_layerwise"}, "after the backward passes"),
        ({"optim": "apollo_adamw_layerwise"}, "after the backward passes"),
        ({"fairgrad_alpha": 50.0}, "`fairgrad_alpha` must lie between 0 and 20"),
        ({"loss_balancing": "famo"}, "not both"),
        ({"dgr_weight": 0.1}, "of no group"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    chosen = GradientSettings(gradient_balancing="upgrad")
    for name, value in settings.items():
        setattr(chosen, name, value)
    with pytest.raises(ConfigError, match=message):
        chosen.check_gradient_balancing("token")


@pytest.mark.parametrize("name", ["ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP"])
def test_launches_that_partition_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "true")
    with pytest.raises(ConfigError, match="whole gradient"):
        GradientSettings(gradient_balancing="sum").check_gradient_balancing("token")
    off = GradientSettings()
    off.check_gradient_balancing("token")
    assert off.gradient_identity == {}


def test_every_setting_is_part_of_what_a_resumed_run_shares() -> None:
    assert constant_weights("") == {}
    base = GradientSettings(gradient_balancing="cagrad")
    found = {str(base.gradient_identity)}
    for name, value in {"cagrad_c": 0.1, "update_norm": "none", "balanced_parameters": "x"}.items():
        found.add(str(GradientSettings(**{"gradient_balancing": "cagrad", name: value}).gradient_identity))
    assert len(found) == 4


@pytest.mark.parametrize("name", ["random", "pcgrad", "gradvac", "graddrop", "mgda"])
def test_what_is_drawn_belongs_to_its_seed(name: str) -> None:
    found = set()
    for seed in (1, 2):
        settings = GradientSettings(gradient_balancing=name)
        vars(settings)["seed"] = seed
        found.add(settings.gradient_identity["gradient_balancing"])
    assert len(found) == (1 if name == "mgda" else 2)
