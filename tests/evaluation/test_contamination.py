"""Evaluated items that the training text holds: planted overlaps, flagged item by item, scores with and without."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtft.evaluation import EvalExample, EvaluationResults, ModelInfo, Sample, cells_of, with_contamination
from mtft.evaluation.aggregate import Resampling, template_cells
from mtft.evaluation.contamination import contamination_rows
from mtft.evaluation.evaluator import sample_of
from mtft.evaluation.sample_table import read_samples, write_samples
from mtft.evaluation.summaries import summarise
from mtft.mixing import Mixture, OverlapIndex
from mtft.mixing.text_hashes import text_hashes
from tests.evaluation.small_world import SmallWorld, make

LONG = "the ferry that crosses the wide river at noon carries {} crates of {} to the market on the hill"
CHINESE = "河水很宽船也很旧孩子们每天早上都从桥上走过去上学晚上再走回来"
RIDDLE = "what has a bed but never sleeps and a mouth but never eats and runs all day, it says here"
# id → the text of a test row, and what training has of it
PLANTED = {
    200: (LONG.format("forty", "salt") + " before dark", "ngram", LONG.format("forty", "salt")),
    201: ("A short one, planted HERE!", "exact", "a short one planted here"),
    202: ("nothing of this text", "item_group", "mood 202 in German"),
    203: (f"看：{CHINESE}。", "ngram", CHINESE),
    204: (LONG.format("fifty", "rice"), "", LONG.format("sixty", "figs")),
    205: ("Tiny thing", "exact", "tiny thing"),
    206: ("A short one, planted there!", "", "another short one planted"),
    207: ("Good or bad? Mood: Good or bad?", "", "entirely different words"),
}


def planted(root: Path, wording: str = "") -> tuple[SmallWorld, OverlapIndex]:
    """The small world with overlaps: English test rows, German training rows; `wording` stands in all rows."""
    world = make(root)
    rows = [{"id": n, "text": text, "kind": wording, "label": n % 2} for n, (text, _, _) in PLANTED.items()]
    world.write("mood/en/test", rows)
    trained = [
        {"id": n if kind == "item_group" else n + 1000, "text": text, "kind": wording, "label": 0}
        for n, (_, kind, text) in PLANTED.items()
    ]
    world.write("mood/de/train", trained)
    for side in ("valid", "test"):
        world.write(f"mood/de/{side}", [{"id": 5000, "text": f"{side} text", "kind": "", "label": 0}])
    built = world.mixture("tasks: [{task: mood, languages: [de]}]")
    return world, Mixture(built, built.index()).overlap()


def suite(world: SmallWorld) -> list[EvalExample]:
    return world.examples(world.suite("tasks: [{task: mood, languages: [en]}]"))


def flags(examples: list[EvalExample]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for e in examples:
        found.setdefault(int(e.example.row_id), set()).add(e.contamination)
    return found


def answered(examples: list[EvalExample], model: str = "model") -> list[Sample]:
    """Right where the item was planted, wrong elsewhere."""
    return [
        sample_of(
            e,
            "accuracy",
            [-1.0, -2.0] if (e.example.target == "good") == bool(e.contamination) else [-2.0, -1.0],
            "",
            model,
        )
        for e in examples
    ]


def test_every_planted_overlap_is_found_and_nothing_else(tmp_path: Path) -> None:
    world, index = planted(tmp_path)
    found = flags(with_contamination(suite(world), index))
    assert found == {n: {kind} for n, (_, kind, _) in PLANTED.items()}  # under every template


def test_several_kinds_are_joined(tmp_path: Path) -> None:
    world, index = planted(tmp_path)
    first = suite(world)[0]
    both = replace(
        first,
        texts=(PLANTED[200][0], PLANTED[201][0]),
        example=replace(first.example, item_group="mood:202"),
    )
    assert with_contamination([both], index)[0].contamination == "ngram+exact+item_group"


def test_the_templates_wording_alone_is_no_overlap(tmp_path: Path) -> None:
    """Prompts share their wording with training by design; the rows' own texts are what is looked up."""
    world, index = planted(tmp_path)
    examples = suite(world)
    assert {t for e in examples for t in e.texts} == {text for text, _, _ in PLANTED.values()}
    wording = _ngrams(" ".join(e.example.inputs.removeprefix(e.texts[0]) for e in examples))
    assert not index.ngrams(wording).any()


def _ngrams(text: str) -> Any:
    return text_hashes([(text,)]).ngrams


def test_wording_in_the_rows_themselves_is_no_overlap(tmp_path: Path) -> None:
    """A column with one long question for all items, which the templates read, says nothing of an item."""
    world = make(tmp_path)
    text = (world.root / "prompts" / "mood" / "templates.yaml").read_text()
    (world.root / "prompts" / "mood" / "templates.yaml").write_text(
        text.replace("{{text}}", "{{kind}} {{text}}")
    )
    for place, numbers in (("de/train", range(40)), ("en/test", range(200, 208))):
        rows = [{"id": n, "text": f"{place} text {n}", "kind": RIDDLE, "label": 0} for n in numbers]
        world.write(f"mood/{place}", rows)
    built = world.mixture("tasks: [{task: mood, languages: [de]}]")
    index = Mixture(built, built.index()).overlap()
    assert index.ngrams(_ngrams(RIDDLE)).all()
    assert set().union(*flags(with_contamination(suite(world), index)).values()) == {""}


def test_flags_go_to_samples_files_and_results(tmp_path: Path) -> None:
    world, index = planted(tmp_path)
    examples = with_contamination(suite(world), index)
    samples = answered(examples)
    write_samples(samples, tmp_path / "samples.parquet")
    assert read_samples(tmp_path / "samples.parquet") == samples
    results = EvaluationResults(
        tuple(samples), (ModelInfo("model"),), cells_of(examples), {"name": "small", "fingerprint": "f"}
    )
    assert "contamination" not in results.as_dict()  # nothing was looked up
    looked_up = results.with_extras(contamination_index=index.describe())
    (row,) = json.loads(json.dumps(looked_up.save(tmp_path / "out")))["contamination"]
    assert row == {
        "task": "mood",
        "config": "en",
        "language": "en",
        "n_items": 8,
        "n_ngram": 2,
        "n_exact": 2,
        "n_item_group": 1,
        "n_any": 5,
        "models": [
            {
                "model": "model",
                "prompt_language": "en",
                "metric": "accuracy",
                "score_all": 0.625,
                "score_clean": 0.0,
                "n_clean": 3,
            }
        ],
    }
    again = EvaluationResults.load(tmp_path / "out")
    assert again.as_dict()["contamination"] == [row]
    merged = looked_up.merge(
        replace(looked_up, models=(ModelInfo("other"),), samples=tuple(answered(examples, "other")))
    )
    assert [m["model"] for m in merged.as_dict()["contamination"][0]["models"]] == ["model", "other"]


def test_scores_without_flags_are_the_summarys(tmp_path: Path) -> None:
    world = make(tmp_path)
    examples = suite(world)
    samples = [sample_of(e, "accuracy", [-1.0, -2.0], "", "model") for e in examples]
    cells = template_cells(samples)
    (row,) = contamination_rows(cells, {(c.task, c.config): c for c in cells_of(examples)})
    (summary,) = summarise(cells, Resampling(s.item_group for s in samples))
    assert row["models"][0]["score_all"] == row["models"][0]["score_clean"] == summary.interval.value
    assert row["n_any"] == 0
    some = [replace(s, contamination="ngram" if s.id == samples[0].id else "") for s in samples]
    older = [replace(s, model="older") for s in samples]  # scored before there were flags
    (row,) = contamination_rows(template_cells([*some, *older]), {("mood", "en"): cells_of(examples)[0]})
    assert [(m["model"], m["n_clean"]) for m in row["models"]] == [("model", 7), ("older", 7)]
    everything = [replace(s, contamination="ngram") for s in samples]
    (row,) = contamination_rows(template_cells(everything), {("mood", "en"): cells_of(examples)[0]})
    assert (row["n_any"], row["models"][0]["score_clean"], row["models"][0]["n_clean"]) == (8, None, 0)


@pytest.mark.parametrize("flagged", [0, 3])
def test_a_ranking_loses_whole_queries(tmp_path: Path, flagged: int) -> None:
    world = make(tmp_path)
    examples = [
        replace(
            e,
            cell=replace(e.cell, metrics=("ndcg",)),
            example=replace(e.example, item_group=f"query {int(e.example.row_id) // 4}"),
        )
        for e in suite(world)
        if e.template == "ask"
    ]
    samples = [sample_of(e, "ndcg", [-1.0, -float(n)], "", "model") for n, e in enumerate(examples)]
    samples[flagged] = replace(samples[flagged], contamination="exact")
    rows = contamination_rows(template_cells(samples), {("mood", "en"): examples[0].cell})
    assert rows[0]["n_any"] == 1
    assert rows[0]["models"][0]["n_clean"] == 1  # of two queries
    everything = [replace(s, contamination="ngram") for s in samples]
    (row,) = contamination_rows(template_cells(everything), {("mood", "en"): examples[0].cell})
    assert (row["models"][0]["score_clean"], row["models"][0]["n_clean"]) == (None, 0)
