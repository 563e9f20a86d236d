"""Mixtures whose temperatures change along the run, over real records; those that do not are as before."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from mtft.encoding import PackWindows
from mtft.errors import MixtureError
from mtft.mixing import Mixture, Rates, declare, describe_declared, shares
from mtft.mixing.annealing import Annealing
from mtft.mixing.phases import mean_shares, phases_of
from mtft.mixing.rates import Unit, quantised
from mtft.mixing.schedule import Schedule
from tests.mixing.conftest import SPEC, World

ANNEALED = (
    SPEC
    + """
rates:
  anneal: {shape: linear, over: 400, phases: 5, temperature_cluster: [1, 4], temperature_language: [4, 1]}
"""
)


@pytest.fixture
def mixture(world: World) -> Mixture:
    return world.mixture(ANNEALED)


def promised(mixture: Mixture, n: int) -> np.ndarray:
    """(n, units) the sum of the shares up to each position."""
    found = np.empty((n, len(mixture.sizes)))
    for phase in mixture.phases:
        found[phase.start : phase.stop] = phase.shares
    return np.cumsum(found, axis=0)


def test_every_prefix_is_within_its_bound_of_the_shares_so_far(mixture: Mixture) -> None:
    n = 2000
    units, _, _ = mixture.at(range(n))
    seen = np.cumsum(np.eye(len(mixture.sizes))[units], axis=0)
    assert np.abs(seen - promised(mixture, n)).max() < 2.7
    assert mixture.schedule.counts(n).tolist() == seen[-1].tolist()
    assert [line.positions for line in mixture.proportions(400)] == seen[399].tolist()


def test_no_row_repeats_before_all_were_used_across_phases(mixture: Mixture) -> None:
    units, rows, _ = mixture.at(range(1000))
    for unit, size in enumerate(mixture.sizes):
        of_unit = rows[units == unit]
        for first in range(0, len(of_unit) - size, size):
            assert sorted(of_unit[first : first + size]) == list(range(size))


def test_any_position_alone_is_what_it_is_in_a_row_for_any_number_of_processes(mixture: Mixture) -> None:
    whole = np.array(mixture.at(range(600)))
    for process in range(3):
        own = np.arange(process, 600, 3)
        assert (np.array(mixture.at(own)) == whole[:, own]).all()
    for position in (0, 79, 80, 81, 399, 400, 599):
        assert (np.array(mixture.at([position]))[:, 0] == whole[:, position]).all()
    examples = mixture.examples([79, 80, 81])
    assert [mixture.example(p) for p in (79, 80, 81)] == examples
    lengths = mixture.lengths(np.array([500, 3, 80]))[0]
    assert lengths.tolist() == [len(mixture.example(p).inputs.split()) for p in (500, 3, 80)]


def test_packs_hold_every_position_once_whatever_the_phases(mixture: Mixture) -> None:
    windows = PackWindows(mixture, "causal", (64,), window=150, total_rows=600, over_capacity="refuse")
    packed = [position for number in range(4) for pack in windows[number].packs for position in pack.tolist()]
    assert sorted(packed) == list(range(600))


def test_the_fingerprint_follows_the_phases_and_nothing_else(world: World) -> None:
    built = world.build(ANNEALED)
    index = built.index()
    same, again = Mixture(built, index), Mixture(built, index)
    assert same.fingerprint == again.fingerprint
    others = [
        Rates(),
        Rates(anneal=Annealing(over=401, phases=5, temperature_cluster=(1, 4), temperature_language=(4, 1))),
        Rates(anneal=Annealing(over=400, phases=6, temperature_cluster=(1, 4), temperature_language=(4, 1))),
        Rates(
            anneal=Annealing(over=400, phases=5, temperature_cluster=(1, 4.5), temperature_language=(4, 1))
        ),
    ]
    found = {Mixture(built, index, rates).fingerprint for rates in others} | {same.fingerprint}
    assert len(found) == 5
    assert same.parts["rates change at positions"] == [80, 160, 240, 320, 400]
    assert len(same.parts["mood:en"]["rate"]) == 6


def test_constant_rates_have_the_order_and_fingerprint_that_they_had(world: World) -> None:
    mixture = world.mixture()
    units = mixture._units()
    before = Schedule(quantised(shares(units, mixture.rates)))
    assert type(mixture.schedule) is Schedule
    assert mixture.schedule.weights.tolist() == before.weights.tolist()
    state = hashlib.sha256(repr((mixture.seed, before.weights.tolist())).encode())
    for shard, unit in zip(mixture.built.shards, mixture.index.units, strict=True):
        state.update(f"{shard.summary.unit}\n{shard.key}\n".encode())
        state.update(unit.records.tobytes())
    assert mixture.fingerprint == state.hexdigest()[:16]
    assert set(mixture.built.spec.as_dict()["rates"]) == {
        *("kind", "cap", "temperature_language", "temperature_cluster", "max_repetition", "unit"),
        *("cap_per_template", "cap_per_dataset", "temperature_task"),
    }
    assert not {"anneal", "unimax_by"} & set(mixture.manifest()["rates"])
    assert "rates change at positions" not in mixture.parts
    assert "phases" not in mixture.manifest()


def test_describe_and_manifest_show_the_phases(mixture: Mixture) -> None:
    text = mixture.describe()
    assert "annealed: linear, temperature_language 4 to 1, temperature_cluster 1 to 4" in text
    assert "over 400 positions" in text.replace("\n", " ")
    assert "Phases" in text
    manifest = json.loads(json.dumps(mixture.manifest()))
    assert manifest["phases"][0] == {
        "start": 0,
        "stop": 80,
        "temperature_language": pytest.approx(3.7),
        "temperature_cluster": pytest.approx(1.3),
    }
    assert manifest["phases"][-1]["stop"] is None
    assert manifest["phases"][-1]["temperature_cluster"] == 4
    assert manifest["rates"]["anneal"]["over"] == 400
    assert len(manifest["units"][0]["weight"]) == 6


def test_the_declaration_of_a_mixture_says_that_it_is_annealed(world: World) -> None:
    spec = world.spec(ANNEALED)
    declaration = declare(spec, world.cells(spec))
    assert "annealed: linear" in describe_declared(declaration, 200)
    assert declaration.as_dict()["rates"]["anneal"]["phases"] == 5


def test_unimax_over_real_records(world: World) -> None:
    mixture = world.mixture(SPEC + "rates: {kind: unimax, unimax_by: cluster, max_repetition: 1.5}\n")
    by_cluster: dict[str, float] = {}
    for line in mixture.proportions():
        assert line.epochs <= 1.5 + 1.7 / line.rows
        by_cluster[line.cluster] = by_cluster.get(line.cluster, 0) + line.share
    assert len(by_cluster) == 2
    rows = {"topic_classification": sum(u.rows for u in mixture._units() if u.cluster != "sentiment")}
    wanted = min(0.5, 1.5 * rows["topic_classification"] / len(mixture))
    assert by_cluster["topic_classification"] == pytest.approx(wanted, abs=0.05)
    assert "unimax over each cluster" in mixture.describe()


UNITS = [Unit(100, "a", "x", "en"), Unit(400, "b", "y", "en")]


def at(anneal: Annealing, horizon: int | None = None) -> list[tuple[int | None, float]]:
    found = phases_of(UNITS, Rates(anneal=anneal), horizon=horizon)
    return [(phase.stop, phase.temperatures["temperature_cluster"]) for phase in found]


def test_shapes_by_hand() -> None:
    linear = Annealing(phases=4, over=40, temperature_cluster=(1, 5))
    assert at(linear) == [(10, 1.5), (20, 2.5), (30, 3.5), (40, 4.5), (None, 5)]
    cosine = Annealing("cosine", phases=3, over=30, temperature_cluster=(1, 5))
    assert at(cosine) == [
        (10, pytest.approx(3 - np.sqrt(3))),  # (1 - cos 30 degrees) / 2 of the way
        (20, pytest.approx(3)),
        (30, pytest.approx(3 + np.sqrt(3))),
        (None, 5),
    ]
    steps = Annealing("steps", over=100, until=(0.1, 0.5), temperature_cluster=(1, 2, 9))
    assert at(steps) == [(10, 1), (50, 2), (None, 9)]
    assert at(Annealing("steps", temperature_cluster=(1, 2, 9))) == [(167, 1), (333, 2), (None, 9)]
    assert at(Annealing("steps", temperature_cluster=(1, 2)), horizon=60) == [(30, 1), (None, 2)]
    assert [stop for stop, _ in at(Annealing(over=3, temperature_cluster=(1, 5)))] == [1, 2, 3, None]


def test_shares_of_phases_are_those_of_constant_temperatures() -> None:
    phases = phases_of(UNITS, Rates(anneal=Annealing("steps", over=10, temperature_cluster=(1, 2))))
    assert phases[0].shares == pytest.approx([0.2, 0.8])
    assert phases[1].shares == pytest.approx([1 / 3, 2 / 3])
    assert mean_shares(phases, 10) == pytest.approx([(0.2 + 1 / 3) / 2, (0.8 + 2 / 3) / 2])


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ("anneal: {}", "must change a temperature"),
        ("anneal: {temprature_cluster: [1, 2]}", r"rates\.anneal.*Did you mean: temperature_cluster"),
        ("aneal: {temperature_cluster: [1, 2]}", "`aneal`.*anneal"),
        ("anneal: {temperature_cluster: [1, 2, 3]}", "from one value to another.*steps"),
        ("anneal: {temperature_cluster: 2}", "from one value to another"),
        ("anneal: {temperature_cluster: [1, 0]}", "list of positive numbers"),
        ("anneal: {shape: round, temperature_cluster: [1, 2]}", "linear, cosine, steps"),
        ("anneal: {shape: steps, phases: 3, temperature_cluster: [1, 2]}", "`phases` goes with"),
        ("anneal: {until: [0.5], temperature_cluster: [1, 2]}", "`until` goes with"),
        ("anneal: {shape: steps, until: [0.5, 0.2], temperature_cluster: [1, 2, 3]}", "2 rising numbers"),
        ("anneal: {shape: steps, until: [0.5], temperature_cluster: [1, 2, 3]}", "2 rising numbers"),
        (
            "anneal: {shape: steps, temperature_cluster: [1, 2, 3], temperature_language: [1, 2]}",
            "as many for each",
        ),
        ("anneal: {over: 0, temperature_cluster: [1, 2]}", "`over` must be a whole number"),
        ("anneal: {phases: 5000, temperature_cluster: [1, 2]}", "`phases` must be in"),
        ("temperature_cluster: 2\n  anneal: {temperature_cluster: [1, 2]}", "constant or annealed, not both"),
        ("kind: weights\n  anneal: {temperature_cluster: [1, 2]}", "Explicit weights fix the totals"),
        ("max_repetition: 3\n  anneal: {temperature_cluster: [1, 2]}", "goes without `anneal`"),
        (
            "kind: unimax\n  max_repetition: 3\n  unimax_by: task\n  anneal: {temperature_language: [1, 2]}",
            "anneal",
        ),
        ("over: 9\n  anneal: {temperature_cluster: [1, 2]}", "stands in `anneal`"),
        ("unimax_by: task", "kind: unimax"),
        ("kind: unimax", "how often a row may be met"),
    ],
)
def test_refused(world: World, rates: str, message: str) -> None:
    with pytest.raises(MixtureError, match=message) as caught:
        world.spec(f"{SPEC}rates:\n  {rates}\n")
    assert "rates" in str(caught.value)


def test_a_tasks_own_bound_is_refused_beside_annealing(world: World) -> None:
    with pytest.raises(MixtureError, match="task mood, max_repetition: 2"):
        world.mixture(ANNEALED.replace("[mood, thing]", "[{task: mood, max_repetition: 2}, thing]"))
