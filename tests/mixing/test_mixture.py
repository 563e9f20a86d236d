"""The order over real records: rates, epochs, templates, random access, fingerprints."""

from __future__ import annotations

import json
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtft.errors import ConfigError, MixtureError
from mtft.mixing import Mixture, Rates, summed
from tests.mixing.conftest import SPEC, World


@pytest.fixture
def mixture(world: World) -> Mixture:
    return world.mixture()


def test_every_prefix_is_within_two_rows_of_every_share(mixture: Mixture) -> None:
    n = 5000
    units, _, _ = mixture.at(range(n))
    seen = np.cumsum(np.eye(len(mixture.sizes))[units], axis=0)
    promised = np.arange(1, n + 1)[:, None] * mixture.shares
    assert np.abs(seen - promised).max() < 2
    assert mixture.shares == pytest.approx(mixture.sizes / mixture.sizes.sum())


def test_no_row_repeats_before_all_were_used_and_epochs_differ(mixture: Mixture) -> None:
    units, rows, _ = mixture.at(range(3 * len(mixture)))
    for unit, size in enumerate(mixture.sizes):
        of_unit = rows[units == unit]
        epochs = [of_unit[i : i + size].tolist() for i in range(0, 2 * size, size)]
        assert [sorted(epoch) for epoch in epochs] == [list(range(size))] * 2
        assert epochs[0] != epochs[1]
        assert epochs[0] != sorted(epochs[0])


def test_a_row_shows_all_its_templates_before_one_again_and_only_valid_ones(mixture: Mixture) -> None:
    units, rows, templates = mixture.at(range(8 * len(mixture)))
    first = units == 0
    shown: dict[int, list[int]] = {}
    for row, template in zip(rows[first].tolist(), templates[first].tolist(), strict=True):
        shown.setdefault(row, []).append(template)
    for row, seen in shown.items():
        valid = 3 if row % 2 == 0 else 2  # the third template leaves out every second row
        assert sorted(seen[:valid]) == list(range(valid))
        assert seen[valid : 2 * valid] == seen[:valid]
    starts = Counter(seen[0] for seen in shown.values())
    assert len(starts) == 3  # an epoch uses all templates


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(positions=st.lists(st.integers(0, 2**40), min_size=1, max_size=30))
def test_random_access_equals_sequential(mixture: Mixture, positions: list[int]) -> None:
    together = mixture.examples(positions)
    assert together == [mixture.example(position) for position in positions]
    units, rows, templates = mixture.at(positions)
    again = mixture.at(positions[::-1])
    for ahead, back in zip((units, rows, templates), again, strict=True):
        assert ahead.tolist() == back[::-1].tolist()
    for example, unit, template in zip(together, units, templates, strict=True):
        task = mixture.built.cells[unit].task
        assert (example.task, example.config) == (task.name, task.config)
        assert example.template_id == task.templates[template].id


def test_one_example_reads_one_shard(world: World) -> None:
    mixture = world.mixture()
    fresh = pickle.loads(pickle.dumps(mixture.built))  # no file is mapped yet
    reader = Mixture(fresh, mixture.index)
    assert reader.example(0) == mixture.example(0)
    mapped = [shard for shard in fresh.shards if "_file" in shard.__dict__]
    assert len(mapped) == 1


def test_lengths_are_those_of_the_texts(mixture: Mixture) -> None:
    positions = np.array([0, 5, 999, 12345])
    inputs, targets = mixture.lengths(positions)
    examples = mixture.examples(positions)
    assert inputs.tolist() == [len(example.inputs.split()) for example in examples]
    assert targets.tolist() == [len(example.target.split()) for example in examples]
    assert inputs.dtype == targets.dtype == np.int32


def test_a_seed_names_one_order(world: World) -> None:
    one, again, other = world.mixture(), world.mixture(), world.mixture(seed=11)
    assert one.examples(range(50)) == again.examples(range(50))
    assert one.fingerprint == again.fingerprint
    assert one.examples(range(50)) != other.examples(range(50))
    assert one.fingerprint != other.fingerprint


def test_another_task_does_not_change_the_order_within_a_unit(world: World) -> None:
    alone = world.mixture("name: x\nseed: 3\ntasks: [{task: mood, languages: [en]}]")
    both = world.mixture()
    order = [
        example.row_id
        for example in both.examples(range(len(both)))
        if example.task == "mood" and example.language == "en"
    ]
    assert [example.row_id for example in alone.examples(range(len(order)))] == order


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("rates", {"rate"}),
        ("limits", {"records that train"}),
        ("data", {"data", "records that train", "rate"}),
    ],
)
def test_a_fingerprint_follows_whatever_changes_the_order(world: World, change: str, named: set[str]) -> None:
    before = world.mixture()
    text = SPEC
    if change == "rates":
        text += "rates: {temperature_cluster: 2}\n"
    if change == "limits":
        text += "limits: {max_target_tokens: 3}\n"
    if change == "data":
        world.append("mood/en/train.jsonl", json.dumps({"id": 80, "text": "more", "label": 1}))
    after = world.mixture(text)
    assert after.fingerprint != before.fingerprint
    parts = {
        name
        for unit, found in before.parts.items()
        if isinstance(found, dict)
        for name, value in found.items()
        if after.parts[unit][name] != value
    }
    assert parts
    assert parts <= named


def test_the_horizon_bounds_repetition(world: World) -> None:
    text = SPEC.replace("thing]", "{task: thing, weight: 3}]", 1) + "rates: {kind: weights}\n"
    rates = Rates(kind="weights", max_repetition=1)
    free = world.mixture(text, horizon=90)
    assert max(line.epochs for line in free.proportions(90)) > 1.2
    bound = world.mixture(text, rates=rates, horizon=90)
    assert max(line.epochs for line in bound.proportions(90)) <= 1.1
    with pytest.raises(MixtureError, match="maximum repetition"):
        world.mixture(text, rates=rates, horizon=1000)


BOUND = (
    SPEC.replace("thing]", "{task: thing, weight: 3}]", 1) + "rates: {kind: weights, max_repetition: 2%s}\n"
)


def test_a_bound_holds_for_the_positions_that_the_rates_say(world: World) -> None:
    mixture = world.mixture(BOUND % ", over: 140")
    assert mixture.horizon == 140
    assert max(line.epochs for line in mixture.proportions(140)) <= 2.1
    mixture.check_repetition(140)
    assert mixture.manifest()["rates"]["over"] == 140
    assert "at most 2.0 repetitions within 140 positions" in mixture.describe(width=300)
    assert "over" not in world.mixture(BOUND % "").manifest()["rates"]


def test_positions_in_which_rows_repeat_too_often_are_refused_and_warned_of(world: World) -> None:
    mixture = world.mixture(BOUND % "")
    one_pass, allowed = len(mixture), int(mixture.most.sum())
    assert mixture.horizon == one_pass < 140 < allowed
    assert "Warning" not in mixture.describe(one_pass)
    with pytest.raises(ConfigError, match=rf"140 positions.*over {one_pass}: .*thing:.* `over: 140`") as told:
        mixture.check_repetition(140)
    assert mixture.describe(140, width=80).splitlines()[-1] == f"Warning: {told.value}"
    with pytest.raises(ConfigError, match=rf"may come {allowed} times: train fewer steps"):
        mixture.check_repetition(allowed + 9)


def test_positions_beyond_the_horizon_are_no_matter_where_nothing_repeats_too_often(world: World) -> None:
    wide = world.mixture((BOUND % "").replace("max_repetition: 2", "max_repetition: 50"))
    wide.check_repetition(10 * len(wide))
    world.mixture().check_repetition(10**9)  # no bound at all


def test_proportions_are_what_the_positions_hold(mixture: Mixture) -> None:
    n = 200
    lines = mixture.proportions(n)
    seen = Counter((e.task, e.config) for e in mixture.examples(range(n)))
    assert {(line.task, line.config): line.positions for line in lines} == seen
    assert sum(line.share for line in lines) == pytest.approx(1)
    inputs, targets = mixture.lengths(range(n))
    assert sum(line.input_tokens for line in lines) == pytest.approx(inputs.sum(), rel=0.05)
    assert sum(line.target_tokens for line in lines) == pytest.approx(targets.sum(), rel=0.2)
    assert lines[0].epochs == lines[0].positions / 30
    by_task = summed(lines, lambda line: line.task)
    assert by_task["mood"].rows == 60
    assert by_task["mood"].language == ""
    assert by_task["mood"].cluster == "sentiment"
    assert by_task["mood"].epochs == by_task["mood"].positions / 60


def test_the_description_tells_sources_sides_and_proportions(mixture: Mixture) -> None:
    text = mixture.describe(120, width=150)
    for part in (
        "mood: 60 rows, 150 prompted with 3 templates, CC0-1.0: en de",
        "held out for the report: 1 cells",
    ):
        assert part in text
    for head in ("positions", "share", "epochs", "input tokens", "target tokens"):
        assert head in text
    assert "skipped_by_template 30" in text
    assert mixture.fingerprint in text
    assert max(map(len, text.splitlines())) <= 150
    unmeasured = Mixture(mixture.built, mixture.built.index())
    assert "input bytes" in unmeasured.describe()


def test_the_manifest_is_json_and_accounts_for_every_row(mixture: Mixture) -> None:
    manifest = json.loads(json.dumps(mixture.manifest()))
    assert manifest["fingerprint"] == mixture.fingerprint
    assert manifest["rows"] == len(mixture)
    assert manifest["rows"] == sum(unit["rows"] for unit in manifest["units"])
    assert [unit["key"] for unit in manifest["units"]] == ["mood:en", "mood:de", "thing:en", "thing:de"]
    mood = manifest["units"][0]
    assert mood["dropped"] == {"skipped_by_template": 15}
    assert mood["examples"] + 15 == 30 * 3
    assert [template["name"] for template in mood["templates"]] == ["ask", "tell", "only the good"]
    assert mood["sources"]
    assert manifest["held_out"]["report"][0]["language"] == "sw"
    assert sum(unit["weight"] for unit in manifest["units"]) == pytest.approx(2**30, rel=1e-6)


def test_rates_may_count_prompted_rows(world: World) -> None:
    # mood: 30 rows, two templates for all and one for half of them; thing: the rows of its train side, one.
    rates = "\nrates: {unit: examples, cap_per_template: 20}\n"
    mixture = world.mixture(SPEC + rates)
    sizes = [20 + 20 + 15 if task == "mood" else min(rows, 20) for task, rows in _units(mixture)]
    assert mixture.shares == pytest.approx(np.array(sizes) / sum(sizes))
    plain = world.mixture(SPEC + "\nrates: {unit: examples}\n")
    examples = [unit.examples for unit in plain.index.units]
    assert plain.shares == pytest.approx(np.array(examples) / sum(examples))


def _units(mixture: Mixture) -> list[tuple[str, int]]:
    return [(line.task, line.rows) for line in mixture.proportions()]


def test_a_cell_that_filtering_empties_is_told_and_takes_no_part(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"id": i, "text": f"{i} is far too long " * 9, "label": 0} for i in range(3)]
    world.write("mood/de/train.jsonl", rows)
    mixture = world.mixture(SPEC + "limits: {max_input_tokens: 20}\n")
    assert "mood:de: input_too_long 9" in caplog.text
    assert "1 cells have no row left" in caplog.text
    assert "nothing left to train on: 1 cells" in mixture.describe()
    found = {(each.task, each.language) for each in mixture.examples(range(200))}
    assert ("mood", "de") not in found
