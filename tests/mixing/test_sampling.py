"""Few-shot training: nested, stratified samples of whole items."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import MixtureError
from mtft.mixing import BuiltMixture, Mixture, MixtureSpec, Sampling
from mtft.mixing.sampling import sampled
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Row, Sources
from tests.mixing.conftest import ROWS, World

STRATA = st.dictionaries(st.text(min_size=1, max_size=4), st.sampled_from("abcde"), min_size=1, max_size=60)


def items(built: BuiltMixture, unit: int = 0) -> set[str]:
    """The item groups that a unit trains on."""
    shard = built.shards[unit]
    return {shard.example(i).item_group for i in range(len(shard))}


def build(world: World, entry: str, more: str = "") -> BuiltMixture:
    return world.build(f"name: x\ntasks: [{{task: mood, languages: [en, de], {entry}}}]\n{more}")


@settings(max_examples=200, deadline=None)
@given(STRATA, st.integers(1, 70), st.integers(1, 70), st.integers(0, 3))
def test_a_larger_sample_holds_every_smaller_one(strata: dict[str, str], a: int, b: int, seed: int) -> None:
    small, large = (Sampling(count=n).draw(strata, seed) for n in sorted((a, b)))
    assert small.items <= large.items
    assert len(large.items) == min(max(a, b), len(strata))


@settings(max_examples=200, deadline=None)
@given(STRATA, st.integers(1, 60))
def test_every_stratum_has_one_item_where_there_is_room_and_its_share_of_the_rest(
    strata: dict[str, str], count: int
) -> None:
    found = Sampling(count=count).draw(strata, 0)
    assert len(found.drawn) == min(count, len(found.sizes))
    # Webster's quotient (k - 1/2) / n of a taken item is nowhere above that of one left, but for first ones.
    taken = [(found.drawn[s] - 0.5) / n for s, n in found.sizes.items() if found.drawn.get(s, 0) > 1]
    left = [(found.drawn.get(s, 0) + 0.5) / n for s, n in found.sizes.items() if found.drawn.get(s, 0) < n]
    assert not taken or not left or max(taken) <= min(left) + 1e-9


def test_shares_by_hand() -> None:
    strata = {
        f"{name}{n}": name for name, size in (("a", 60), ("b", 30), ("c", 9), ("d", 1)) for n in range(size)
    }
    assert Sampling(count=10).draw(strata, 0).drawn == {"a": 5, "b": 3, "c": 1, "d": 1}
    assert Sampling(count=2).draw(strata, 0).drawn == {"a": 1, "b": 1}  # the largest first
    assert Sampling(percent=50.0).draw(strata, 0).drawn == {"a": 30, "b": 15, "c": 4, "d": 1}


@pytest.mark.parametrize(
    ("percent", "of", "size"), [(1.0, 250, 2), (1.0, 20, 1), (100.0, 7, 7), (0.01, 0, 0), (7, 100, 7)]
)
def test_percentages_round_and_are_never_nothing(percent: float, of: int, size: int) -> None:
    assert Sampling(percent=percent).size(of) == size


def test_the_order_of_items_changes_nothing() -> None:
    strata = {f"g{n}": str(n % 3) for n in range(40)}
    turned = dict(reversed(strata.items()))
    assert Sampling(count=9).draw(strata, 1) == Sampling(count=9).draw(turned, 1)


def test_samples_nest_and_are_the_same_items_in_every_language(world: World) -> None:
    builds = {n: build(world, f"sample: {{count: {n}}}") for n in (3, 8, 20)}
    assert items(builds[3]) < items(builds[8]) < items(builds[20])
    assert items(builds[8]) == items(builds[8], 1)
    assert len(items(builds[8])) == 8


def test_percentages_and_seeds(world: World) -> None:
    tenth, third = (items(build(world, f"sample: {{percent: {p}}}")) for p in (10, 33.3))
    assert (len(tenth), len(third)) == (ROWS // 10, ROWS // 3)
    assert tenth < third
    other = items(build(world, "sample: {percent: 33.3}, sample_seed: 5"))
    assert len(other) == ROWS // 3
    assert other != third


def test_a_sample_seed_stands_whatever_the_mixtures_seed(world: World) -> None:
    one, two = (items(build(world, "sample: {count: 9}, sample_seed: 7", f"seed: {n}")) for n in (1, 2))
    three, four = (items(build(world, "sample: {count: 9}", f"seed: {n}")) for n in (1, 2))
    assert one == two
    assert three != four


@pytest.mark.parametrize("column", ["label", "kind"])
def test_strata_of_a_column_are_counted_in_the_manifest(world: World, column: str) -> None:
    for language in ("en", "de"):
        rows = [
            {"id": i, "text": f"{language} {i}", "label": i % 2, "kind": "abc"[i % 10 // 5 + (i == 7)]}
            for i in range(30)
        ]
        world.write(f"mood/{language}/train.jsonl", rows)
    built = build(world, f"sample: {{count: 6}}, stratify: {column}, sample_seed: 1")
    mixture = Mixture(built, built.index())
    assert "a sample of 12 from 60 items" in mixture.describe(width=200)
    unit = mixture.manifest()["units"][0]
    assert (unit["sample"]["items"], unit["sample"]["drawn"]) == (30, 6)
    wanted = {"label": {"0": (15, 3), "1": (15, 3)}, "kind": {"a": (15, 3), "b": (14, 2), "c": (1, 1)}}[
        column
    ]
    assert {k: (v["items"], v["drawn"]) for k, v in unit["sample"]["strata"].items()} == wanted
    assert {name: unit["sample"][name] for name in ("count", "percent", "stratify", "seed")} == {
        "count": 6, "percent": None, "stratify": column, "seed": 1,
    }  # fmt: skip
    assert unit["dropped"]["not_sampled"] == 24
    json.dumps(unit)
    again = build(world, f"sample: {{count: 6}}, stratify: {column}, sample_seed: 1")
    assert again.shards[0].summary.sample == built.shards[0].summary.sample


def test_label_without_such_a_column_is_the_target_of_the_first_template(world: World) -> None:
    entry = "sample: {count: 4}, stratify: label"
    card = (world.prompts / "mood" / "task.yaml").read_text(encoding="utf-8")
    (world.prompts / "mood" / "task.yaml").write_text(
        card + "transforms: [{rename: {label: mood}}]\n", encoding="utf-8"
    )
    path = world.prompts / "mood" / "templates.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("label", "mood"), encoding="utf-8")
    strata = build(world, entry).shards[0].summary.sample["strata"]
    assert {name: found["drawn"] for name, found in strata.items()} == {"good": 2, "bad": 2}


def test_an_item_of_several_rows_stays_whole_in_one_stratum(world: World) -> None:
    task = world.cells(world.spec()).train[0].task
    rows = [Row({"kind": "ab"[n % 2]}, str(n), f"g{n // 2}", "en", f"f:{n}") for n in range(20)]
    found = sampled(Sampling(count=4, stratify="kind"), task, rows, 0)
    assert found.sizes == {"a": 10}
    assert len(found.items) == 4
    assert found == sampled(Sampling(count=4, stratify="kind"), task, rows[::-1], 0)
    many = [Row({"kind": str(n)}, str(n), f"g{n}", "en", f"f:{n}") for n in range(1001)]
    with pytest.raises(MixtureError, match=r"1,001 in `kind`"):
        sampled(Sampling(count=4, stratify="kind"), task, many, 0)


def test_rows_of_a_sampled_item_all_train(world: World) -> None:
    rows = [{"id": i // 2, "text": f"en {i}", "label": 0} for i in range(20)]
    card = (world.prompts / "mood" / "task.yaml").read_text(encoding="utf-8")
    text = card.replace('row_id: "{id}"', 'row_id: "{text}"')
    (world.prompts / "mood" / "task.yaml").write_text(text, encoding="utf-8")
    world.write("mood/en/train.jsonl", rows)
    built = build(world, "sample: {count: 3}")
    shard = built.shards[0]
    prompted = Counter(shard.example(i).item_group for i in range(len(shard)))
    assert len(prompted) == 3
    assert set(prompted.values()) == {6}  # two rows under three templates


def test_an_unknown_column_is_named_with_the_nearest(world: World) -> None:
    with pytest.raises(MixtureError, match=r"(?s)`txt`.*text"):
        build(world, "sample: {count: 3}, stratify: txt")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("sample: {}", "A sample must be"),
        ("sample: {count: 3, percent: 5}", "A sample must be"),
        ("sample: {percent: 101}", "A sample must be"),
        ("sample: {percent: 0}", "positive number"),
        ("sample: {count: 1.5}", "whole number"),
        ("sample: {rows: 5}", "Every key must be known"),
        ("sample: 5", "A mapping is expected"),
        ("stratify: label", "must be given too"),
        ("sample_seed: 1", "must be given too"),
        ("max_rows: 5", "Every key must be known"),
    ],
)
def test_what_makes_no_sample_is_refused(world: World, entry: str, message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        world.spec(f"name: x\ntasks: [{{task: mood, {entry}}}]")


def test_a_size_in_words() -> None:
    assert Sampling.parse("32") == Sampling(count=32)
    assert Sampling.parse("0.5%") == Sampling(percent=0.5)
    for text in ("0", "-1", "0%", "200%", "many", "", "%", "nan%", "1.5"):
        with pytest.raises(MixtureError, match="A sample must be"):
            Sampling.parse(text)


def test_a_sample_for_all_tasks(world: World) -> None:
    spec = world.spec()
    assert spec.with_sample(None) is spec
    whole = spec.with_sample(Sampling.parse("10%"))
    assert [entry.sample for entry in whole.entries] == [Sampling(percent=10.0)] * 2
    assert whole.fingerprint != spec.fingerprint


def test_real_categories_share_a_sample(data_root: Path) -> None:
    cards, templates = CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin()
    task = MixtureSpec.load("d2t_webnlg").resolve(cards, templates).train[0].task
    rows = list(task.rows("train", Sources(data_root=data_root), Problems()))
    found = sampled(Sampling(count=32, stratify="category"), task, rows, 0)
    assert len(found.sizes) == len(found.drawn) == 10
    assert sum(found.drawn.values()) == len(found.items) == 32
    assert max(found.drawn, key=lambda name: found.drawn[name]) == max(
        found.sizes, key=lambda name: found.sizes[name]
    )
