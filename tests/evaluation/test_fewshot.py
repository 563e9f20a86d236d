"""k-shot prompts: what stands in them, where it comes from, what does not fit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mtft.errors import SuiteError
from mtft.evaluation import (
    EngineSettings,
    EvalExample,
    EvaluationResults,
    ModelInfo,
    Suite,
    cells_of,
    evaluate,
    examples_fingerprint,
)
from mtft.evaluation.fewshot import SEPARATOR, shot_text
from mtft.evaluation.sample_table import read_samples, write_samples
from tests.evaluation.conftest import Tiny
from tests.evaluation.small_world import SmallWorld, make, mood_rows

Place = tuple[str, str, str]
NUMBER = re.compile(r"(?:text|word) (\d+)")


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return make(tmp_path)


def shots_of(examples: list[EvalExample]) -> dict[Place, tuple[str, ...]]:
    return {(e.cell.config, e.template, e.example.row_id): e.shots for e in examples}


def numbers(shots: tuple[str, ...]) -> list[int]:
    return [int(NUMBER.findall(shot)[0]) for shot in shots]


def test_the_format_is_that_of_the_guide(world: SmallWorld) -> None:
    found = world.examples(world.suite("tasks: [mood]\nshots: 2"))
    by_place = {(e.cell.config, e.template): e for e in found}
    ask = by_place["en", "ask"]
    assert all(re.fullmatch(r"en text \d+ Good or bad\? (good|bad)", shot) for shot in ask.shots)
    tell = by_place["de", "tell"]
    assert all(re.fullmatch(r"de text \d+\nMood: (good|bad)", shot) for shot in tell.shots)
    for e in found:
        for shot in e.shots:  # the answer is the row's own
            number = numbers((shot,))[0]
            assert shot.endswith("bad" if number % 4 == 0 else "good")


@pytest.mark.parametrize(
    ("inputs", "target", "text"),
    [
        ("2 + 2 =", "4", "2 + 2 = 4"),
        ("Answer:\n", "4", "Answer:\n4"),
        ("So", " it is", "So it is"),
        ("", "x", " x"),
    ],
)
def test_one_space_where_there_is_none(world: SmallWorld, inputs: str, target: str, text: str) -> None:
    example = world.examples(world.suite())[0].example
    assert shot_text(replace(example, inputs=inputs, targets=(target, "another"))) == text


def test_shots_come_from_the_train_side_and_differ_from_row_to_row_and_template_to_template(
    world: SmallWorld,
) -> None:
    found = shots_of(world.examples(world.suite("tasks: [mood]\nshots: 4")))
    assert len(found) == 2 * 2 * 8
    for shots in found.values():
        assert len(set(shots)) == 4
        assert set(numbers(shots)) <= set(range(40))
    chosen = {tuple(numbers(shots)) for (language, *_), shots in found.items() if language == "en"}
    assert len(chosen) == 16


def test_parallel_languages_get_the_same_items(world: SmallWorld) -> None:
    found = shots_of(world.examples(world.suite("tasks: [mood]\nshots: 4")))
    for (language, *place), shots in found.items():
        if language == "en":
            assert numbers(shots) == numbers(found["de", place[0], place[1]])


def test_a_shot_is_never_of_the_rows_own_item_in_whatever_language(world: SmallWorld) -> None:
    # Items 200 to 207 stand in the German train file too, and nearly nothing else does.
    world.write("mood/de/train", mood_rows("de", [1, 2, *range(200, 208)]))
    world.write("mood/en/train", mood_rows("en", [3, *range(200, 208)]))
    for (_, _, row), shots in shots_of(world.examples(world.suite("tasks: [mood]\nshots: 20"))).items():
        assert int(row) not in numbers(shots)
        assert len(shots) >= 8  # all other items


def test_a_shot_is_never_of_the_same_prompt_nor_twice_of_one_item(world: SmallWorld) -> None:
    rows = [*mood_rows("en", range(6)), {**mood_rows("en", [205])[0], "id": 77}]
    rows += [{**row, "text": row["text"] + " again"} for row in mood_rows("en", range(6))]
    card = (world.root / "prompts" / "mood" / "task.yaml").read_text(encoding="utf-8")
    (world.root / "prompts" / "mood" / "task.yaml").write_text(
        card.replace('row_id: "{id}"', 'row_id: "{id}-{text}"'), encoding="utf-8"
    )
    world.write("mood/en/train", rows)
    found = world.examples(world.suite("tasks: [{task: mood, languages: [en]}]\nshots: 20"))
    for e in found:
        assert e.example.inputs not in "".join(e.shots)
        assert len(e.shots) == len(set(numbers(e.shots))) == (6 if "text 205" in e.example.inputs else 7)


def test_the_choice_depends_on_seed_row_and_template_alone(world: SmallWorld) -> None:
    whole = shots_of(world.examples(world.suite("tasks: [mood]\nshots: 3")))
    few = shots_of(
        world.examples(
            world.suite(
                "tasks: [{task: mood, languages: [de], templates: [tell], shots: 3}]\nmax_items_per_cell: 2"
            )
        )
    )
    assert few.items() <= whole.items()
    lines = (world.root / "mood" / "de" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    (world.root / "mood" / "de" / "train.jsonl").write_text("\n".join(lines[::-1]) + "\n", encoding="utf-8")
    assert shots_of(world.examples(world.suite("tasks: [mood]\nshots: 3"))) == whole
    other = shots_of(world.examples(world.suite("tasks: [mood]\nshots: 3\nshots_seed: 1")))
    assert sum(other[place] == whole[place] for place in whole) < 4


def test_fewer_shots_are_the_nearest_of_more(world: SmallWorld) -> None:
    many, few = (shots_of(world.examples(world.suite(f"tasks: [mood]\nshots: {k}"))) for k in (5, 2))
    assert all(many[place][-2:] == few[place] for place in many)


def test_another_process_with_another_hash_seed_chooses_the_same(world: SmallWorld) -> None:
    suite = world.suite("tasks: [mood]\nshots: 3\nshots_balanced: true")
    code = (
        "import sys; from pathlib import Path; from mtft.evaluation import Suite, examples_fingerprint\n"
        "from tests.evaluation.small_world import SmallWorld\n"
        "w = SmallWorld(Path(sys.argv[1])); s = Suite.load(w.root / 'suite.yaml')\n"
        "print(examples_fingerprint(w.examples(s)))"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(world.root)],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout.strip() == examples_fingerprint(world.examples(suite))


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_balanced_shots_have_every_answer_as_often(world: SmallWorld, count: int) -> None:
    found = world.examples(world.suite(f"tasks: [mood]\nshots: {count}\nshots_balanced: true"))
    for e in found:
        answers = Counter(shot.rpartition(" ")[2].split("\n")[-1] for shot in e.shots)
        assert max(answers.values()) - min(answers.values()) <= 1
        assert answers.total() == count
    firsts = Counter(e.shots[-1].endswith("bad") for e in found)
    assert min(firsts.values()) > 5  # the odd one is not always the same answer


def test_balance_goes_as_far_as_the_pool(world: SmallWorld) -> None:
    world.write("mood/en/train", mood_rows("en", [0, 1, 2, 3, 5, 6]))  # one `bad`
    found = world.examples(
        world.suite("tasks: [{task: mood, languages: [en]}]\nshots: 4\nshots_balanced: true")
    )
    assert {sum(shot.endswith("bad") for shot in e.shots) for e in found} == {1}
    texts = world.examples(
        world.suite("tasks: [{task: say, shots: 3, shots_from: validation, shots_balanced: true}]")
    )
    assert {len(e.shots) for e in texts} == {3}


def test_without_train_rows_nothing_begins_unless_another_side_is_named(world: SmallWorld) -> None:
    with pytest.raises(SuiteError, match=r"say:en.*none in train.*shots_from: either"):
        world.examples(world.suite("tasks: [mood, say]\nshots: 2"))
    text = "tasks: [mood, {task: say, shots_from: validation}]\nshots: 2"
    found = world.examples(world.suite(text))
    from_validation = [e.shots for e in found if e.cell.task == "say"]
    assert len(from_validation) == 8
    assert all(set(numbers(shots)) <= set(range(100, 105)) for shots in from_validation)
    by_flag = world.examples(
        world.suite("tasks: [mood, {task: say, shots_from: train}]").with_shots(2, "validation")
    )
    assert [e.shots for e in by_flag if e.cell.task == "say"] == from_validation
    either = world.examples(world.suite("tasks: [mood, say]\nshots: 2\nshots_from: either"))
    assert [e.shots for e in either] == [e.shots for e in found]
    none = world.examples(world.suite("tasks: [mood, {task: say, shots: 0}]\nshots: 2"))
    assert {(e.cell.task, len(e.shots), e.cell.shots) for e in none} == {("mood", 2, 2), ("say", 0, 0)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shots: -1", "at least 0"),
        ("shots: many", "whole number"),
        ("shots: 1\nshots_from: test", "train, validation or either"),
        ("shots: 1\nshots_from: either\nside: validation", "not from the side"),
        ("shots: 1\nshots_from: tran", "train"),
        ("shots: 1\nshots_from: validation\nside: validation", "not from the side"),
        ("shot: 1", "shots"),
    ],
)
def test_what_cannot_be_is_refused(world: SmallWorld, text: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        world.suite(f"tasks: [mood]\n{text}")
    with pytest.raises(SuiteError, match="at least 0"):
        world.suite().with_shots(-1)


def test_no_shots_leave_everything_as_it_was(world: SmallWorld, tiny: Tiny, tmp_path: Path) -> None:
    plain, none = (
        world.suite(),
        world.suite("tasks: [{task: mood, shots: 0}]\nshots: 3\nshots_seed: 4").with_shots(0),
    )
    assert replace(none, path=plain.path).fingerprint == plain.fingerprint
    assert plain.with_shots(2).fingerprint != plain.fingerprint
    assert world.suite("tasks: [mood]\nshots: 2").fingerprint == plain.with_shots(2).fingerprint
    one, two = world.examples(plain), world.examples(none)
    assert examples_fingerprint(one) == examples_fingerprint(two)
    assert examples_fingerprint(one) != examples_fingerprint(world.examples(plain.with_shots(1)))
    content = results(evaluate(*tiny, one, "trained"), one)
    assert content["title"].startswith("Zero-shot")
    assert "shots" not in content
    assert all("shots" not in cell for cell in content["eval_cells"])


def results(samples: list[Any], examples: list[EvalExample]) -> dict[str, Any]:
    return EvaluationResults(
        tuple(samples), (ModelInfo("model"),), cells_of(examples), {"name": "small"}
    ).as_dict()


def everything(world: SmallWorld, shots: int) -> list[EvalExample]:
    return world.examples(
        world.suite(f"tasks: [mood, {{task: say, shots_from: validation}}]\nshots: {shots}")
    )


def test_ranking_and_generation_read_the_whole_prompt(world: SmallWorld, tiny: Tiny) -> None:
    examples = everything(world, 2)[::5]
    samples = evaluate(*tiny, examples, "trained", EngineSettings(self_check=2))
    assert {s.metric for s in samples} == {"accuracy", "chrf"}
    by_hand = [
        replace(e, shots=(), example=replace(e.example, inputs=SEPARATOR.join([*e.shots, e.example.inputs])))
        for e in examples
    ]
    for sample, other in zip(samples, evaluate(*tiny, by_hand, "trained"), strict=True):
        assert (sample.inputs, sample.prediction) == (other.inputs, other.prediction)
        assert sample.loglikelihoods == pytest.approx(other.loglikelihoods, abs=1e-5)
        assert (sample.shots, sample.dropped_shots) == (2, 0)
    plain = evaluate(*tiny, [replace(e, shots=()) for e in examples], "trained")
    assert plain[0].loglikelihoods != samples[0].loglikelihoods


@pytest.mark.parametrize("protocol", ["trained", None])
def test_shots_that_do_not_fit_go_from_the_far_end_and_are_counted(
    world: SmallWorld, tiny: Tiny, protocol: str | None
) -> None:
    examples = everything(world, 4)
    full = evaluate(*tiny, examples, protocol)
    lengths = sorted(len(tiny.tokenizer(s.inputs)["input_ids"]) for s in full)
    limit = lengths[-1] * 2 // 3
    samples = evaluate(*tiny, examples, protocol, EngineSettings(max_input_tokens=limit))
    assert {s.dropped_shots for s in samples} > {1}
    for e, s in zip(examples, samples, strict=True):
        assert s.shots + s.dropped_shots == 4
        assert s.inputs == SEPARATOR.join([*e.shots[s.dropped_shots :], e.example.inputs])
        assert not s.unscored_reason
        if s.dropped_shots:  # one more would not have fitted
            more = SEPARATOR.join([*e.shots[s.dropped_shots - 1 :], e.example.inputs])
            assert len(tiny.tokenizer(more)["input_ids"]) > limit - 1
    rows = {row["task"]: row for row in results(samples, examples)["shots"]}
    mood = [s for s in samples if s.task == "mood"]
    assert rows["mood"] == {
        "model": "model", "task": "mood", "shots": 4, "prompts": 32,
        "mean_shots": round(sum(s.shots for s in mood) / 32, 3),
        "dropped_shots": sum(s.dropped_shots for s in mood),
    }  # fmt: skip
    assert rows["mood"]["dropped_shots"] > 0


def test_a_prompt_too_long_by_itself_is_unscored_as_ever(world: SmallWorld, tiny: Tiny) -> None:
    examples = everything(world, 2)[:3]
    samples = evaluate(*tiny, examples, "trained", EngineSettings(max_input_tokens=2))
    assert {(s.shots, s.dropped_shots, s.unscored_reason) for s in samples} == {
        (0, 2, "the prompt is longer than 2 tokens")
    }


def test_stored_outputs_are_those_of_the_same_shots(world: SmallWorld, tiny: Tiny, tmp_path: Path) -> None:
    settings = EngineSettings(cache_folder=tmp_path / "outputs")
    for shots in (0, 2, 1, 2):
        examples = everything(world, shots)[::7]
        kept, fresh = evaluate(*tiny, examples, "trained", settings), evaluate(*tiny, examples, "trained")
        for one, two in zip(kept, fresh, strict=True):
            assert (one.inputs, one.prediction) == (two.inputs, two.prediction)
            assert one.loglikelihoods == pytest.approx(two.loglikelihoods, abs=1e-5)


def test_samples_keep_their_shots_and_older_files_are_read(
    world: SmallWorld, tiny: Tiny, tmp_path: Path
) -> None:
    examples = everything(world, 2)[:4]
    samples = evaluate(*tiny, examples, "trained")
    path = tmp_path / "samples.parquet"
    write_samples(samples, path)
    assert read_samples(path) == samples
    pq.write_table(pq.read_table(path).drop_columns(["shots", "dropped_shots", "slices"]), path)
    assert read_samples(path) == [replace(s, shots=0, dropped_shots=0, slices={}) for s in samples]


def test_results_go_through_their_file_with_shots(world: SmallWorld, tiny: Tiny, tmp_path: Path) -> None:
    examples = everything(world, 1)[:6]
    made = EvaluationResults(
        tuple(evaluate(*tiny, examples, "trained")),
        (ModelInfo("model"),),
        cells_of(examples),
        {"name": "small"},
    )
    content = made.save(tmp_path)
    assert content["title"] == "Few-shot evaluation on small"
    again = EvaluationResults.load(tmp_path)
    assert again.cells == made.cells
    assert "shots" not in again.extras
    assert again.as_dict()["shots"] == content["shots"]


def test_shots_of_the_micro_world_are_of_other_items() -> None:
    from mtft.prompting import TemplateCollection
    from mtft.resources import builtin_folder
    from mtft.tasks import CardIndex, Problems, Sources

    index = CardIndex.load([builtin_folder("prompts")])
    suite = Suite.load("mini_d2t").with_items(2).with_shots(3)
    found = suite.examples(index, TemplateCollection.builtin(), Sources(), Problems())
    assert {len(e.shots) for e in found} == {3}
    assert not any(e.example.inputs in shot for e in found for shot in e.shots)
