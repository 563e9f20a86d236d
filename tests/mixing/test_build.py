"""Rows are rendered once, every drop is counted, and no trained item is an evaluated one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mtft.errors import MixtureError, MtftError
from mtft.mixing import BuiltMixture, Mixture, groups_on_two_sides
from mtft.tasks import Problems, Row, Task
from tests.mixing.conftest import ROWS, SPEC, World, count_words


def dropped(built: BuiltMixture, unit: str) -> dict[str, int]:
    index = built.index(count_words)
    for shard, each in zip(built.shards, index.units, strict=True):
        if shard.summary.unit == unit:
            return {**shard.summary.dropped, **each.dropped}
    raise KeyError(unit)


def test_every_row_and_template_becomes_one_record_with_its_provenance(world: World) -> None:
    built = world.build()
    assert [shard.summary.unit for shard in built.shards] == ["mood:en", "mood:de", "thing:en", "thing:de"]
    mood = built.shards[0]
    assert mood.summary.rows == ROWS
    assert len(mood) == ROWS * 2 + ROWS // 2  # the third template skips half of the rows
    first = mood.example(0)
    assert (first.inputs, first.target) == ("en words number 0 Good or bad?", "good")
    assert (first.dataset, first.config, first.split, first.task) == ("mood", "en", "train", "mood")
    assert (first.row_id, first.item_group, first.language, first.prompt_language) == (
        "0",
        "sentence:0",
        "en",
        "en",
    )
    assert first.answer_choices == ("good", "bad")
    assert first.template_id.endswith("1")
    assert first.source_revision
    assert mood.example(len(mood) - 1).row_id == str(ROWS - 1)


def test_held_out_languages_do_not_train(world: World) -> None:
    assert not any(" sw words" in f" {text}" for text in world.build().texts())


def test_a_second_build_renders_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = world.build()
    monkeypatch.setattr(Task, "render", lambda *_: pytest.fail("rendered again"))
    second = world.build()
    assert [shard.key for shard in second.shards] == [shard.key for shard in first.shards]
    assert list(second.texts()) == list(first.texts())


def test_a_killed_build_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = world.build(cache="whole")
    rendered: list[str] = []
    true_render = Task.render

    def render(self: Task, row: Row, *more: Any) -> Any:
        rendered.append(self.key)
        if len(rendered) == ROWS * 3 + 40:  # in the midst of the second cell
            raise KeyboardInterrupt
        return true_render(self, row, *more)

    monkeypatch.setattr(Task, "render", render)
    with pytest.raises(KeyboardInterrupt):
        world.build(cache="killed")
    left = [path.suffix for path in (world.root / "killed").iterdir()]
    assert sorted(left) == [".arrow", ".json"]  # one whole shard, nothing half
    killed_at = len(rendered)
    again = world.build(cache="killed")
    assert "mood:en" not in rendered[killed_at:]
    assert list(again.texts()) == list(whole.texts())


@pytest.mark.parametrize("change", ["data", "card", "template", "seed", "sample"])
def test_what_decides_the_rows_renders_anew_and_nothing_else_does(world: World, change: str) -> None:
    before = {shard.summary.unit: shard.key for shard in world.build().shards}
    text, touched = SPEC, {"mood:en", "mood:de"}
    if change == "data":
        world.append("mood/en/train.jsonl", json.dumps({"id": 77, "text": "one more", "label": 0}))
        touched = {"mood:en"}
    if change == "card":
        path = world.prompts / "mood" / "task.yaml"
        path.write_text(path.read_text(encoding="utf-8") + "notes: changed\n", encoding="utf-8")
    if change == "template":
        path = world.prompts / "mood" / "templates.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("Mood of", "The mood of"), encoding="utf-8")
    if change == "seed":
        text, touched = SPEC.replace("seed: 3", "seed: 4"), set(before)
    if change == "sample":
        text = SPEC.replace("tasks: [mood, thing]", "tasks: [{task: mood, sample: {count: 5}}, thing]")
    after = {shard.summary.unit: shard.key for shard in world.build(text).shards}
    assert {unit for unit in before if before[unit] != after[unit]} == touched


def test_rates_and_held_out_cells_render_nothing_anew(world: World) -> None:
    before = {shard.summary.unit: shard.key for shard in world.build().shards}
    text = SPEC.replace("[sw]", "[sw], tasks: [thing]") + "rates: {cap: 3}\n"
    for shard in world.build(text).shards:
        assert before[shard.summary.unit] == shard.key


def test_exact_duplicates_are_dropped_and_counted(world: World) -> None:
    row = {"id": 50, "text": "en words number 4", "label": 0}  # item 4 again, under another number
    other_label = {"id": 51, "text": "en words number 4", "label": 1}
    world.append("mood/en/train.jsonl", json.dumps(row), json.dumps(other_label))
    assert dropped(world.build(), "mood:en")["duplicate"] == 3
    assert world.build().shards[0].summary.rows == ROWS + 1  # the other label is no duplicate


def test_duplicates_in_another_unit_are_dropped_and_counted(world: World) -> None:
    world.append("mood/de/train.jsonl", json.dumps({"id": 54, "text": "en words number 4", "label": 0}))
    built = world.build()
    assert dropped(built, "mood:de")["duplicate"] == 3
    assert "duplicate" not in dropped(built, "mood:en")
    texts = list(built.texts())
    assert texts.count("en words number 4 Good or bad?") == 1


def test_bad_rows_are_counted_with_their_place(world: World) -> None:
    world.append(
        "mood/en/train.jsonl",
        json.dumps({"id": 60, "text": "", "label": 0}),
        json.dumps({"id": 61, "text": "half \ud83d", "label": 1}),
        '{"id": 62, "text": "cut o',
    )
    built = world.build()
    drops = dropped(built, "mood:en")
    assert drops["not_unicode"] >= 1
    assert any("train.jsonl:33" in sample for sample in built.problems.as_dict()["samples"])
    assert len(built.problems) == len(world.build().problems) > 0  # a shard from the cache still tells
    # Every prompted row is kept or has a reason; the two rows that could not be read have one each.
    assert sum(drops.values()) + len(built.shards[0]) == (ROWS + 1) * 3 + 2


def test_strict_makes_a_bad_row_fatal_in_the_cache_too(world: World) -> None:
    world.append("mood/en/train.jsonl", '{"id": 62, "text": "cut o')
    with pytest.raises(MtftError, match=r"train\.jsonl"):
        world.build(strict=True)
    world.build()
    with pytest.raises(MtftError, match=r"train\.jsonl"):
        world.build(strict=True)


def test_a_mixture_without_a_single_row_is_refused(world: World) -> None:
    for language in ("en", "de"):
        world.write(f"mood/{language}/train.jsonl", [])
    with pytest.raises(MixtureError, match="at least one row"):
        world.build("name: x\ntasks: [{task: mood, languages: [en, de]}]")


def test_a_sample_draws_the_same_items_in_every_language_and_counts_the_rest(world: World) -> None:
    built = world.build("name: x\ntasks: [{task: mood, sample: {count: 7}}]")
    drawn = [{shard.example(i).item_group for i in range(len(shard))} for shard in built.shards]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 7
    assert dropped(built, "mood:en")["not_sampled"] == ROWS - 7


def test_no_group_of_a_trained_row_is_evaluated(world: World) -> None:
    # Item 5 of the German train file is a test item in Swahili, which the mixture reports.
    world.append("mood/sw/test.jsonl", json.dumps({"id": 5, "text": "leaked", "label": 0}))
    spec = world.spec()
    cells = world.cells(spec)
    leaked = groups_on_two_sides(cells.evaluated, world.sources())
    assert set(leaked) == {"sentence:5"}
    assert set(leaked["sentence:5"]) == {"mood:en/train", "mood:de/train", "mood:sw/train", "mood:sw/test"}
    built = world.build()
    assert dropped(built, "mood:en")["group_on_evaluation_side"] == 2
    assert not any("words number 5 " in f"{text} " for text in built.texts())
    assert 5 not in {
        int(e.row_id) for e in Mixture(built, built.index()).examples(range(300)) if e.task == "mood"
    }


def test_an_honest_division_has_no_group_on_two_sides(world: World) -> None:
    built = world.build()
    assert groups_on_two_sides(built.cells.evaluated, world.sources()) == {}
    assert "group_on_evaluation_side" not in dropped(built, "mood:en")
    groups = {side: set() for side in ("train", "validation", "test")}
    for task in built.cells.evaluated:
        for side, found in groups.items():
            found.update(row.item_group for row in task.rows(side, world.sources(), Problems()))
    assert all(groups.values())
    assert groups["train"].isdisjoint(groups["test"] | groups["validation"])


def test_over_long_rows_are_dropped_by_the_limits_and_counted(world: World) -> None:
    world.append("mood/en/train.jsonl", json.dumps({"id": 70, "text": "a " * 30, "label": 1}))
    text = SPEC + "limits: {max_input_tokens: 20, max_target_tokens: 3}\n"
    built = world.build(text)
    drops = dropped(built, "mood:en")
    assert drops["input_too_long"] == 2
    assert drops["target_too_long"] == ROWS // 2  # `only the good` repeats four words
    unmeasured = built.index()
    assert unmeasured.length_unit == "bytes"
    assert unmeasured.units[0].examples == len(built.shards[0])


def test_lengths_are_measured_once_per_measure(world: World) -> None:
    built = world.build()
    built.index(count_words)
    calls = count_words.calls
    again = world.build().index(count_words)
    assert count_words.calls == calls
    assert again.units[0].lengths[0, 0] == 7


def test_records_are_found_over_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = world.build(cache="whole").shards[0]
    monkeypatch.setattr("mtft.mixing.shard_writer.BATCH_ROWS", 8)
    cut = world.build(cache="cut").shards[0]
    monkeypatch.undo()
    assert [cut.example(i) for i in range(len(cut))] == [whole.example(i) for i in range(len(whole))]
    assert cut.column("row").tolist() == whole.column("row").tolist()
    assert [part[0] for part in cut.texts()][:3] == [0, 8, 16]
