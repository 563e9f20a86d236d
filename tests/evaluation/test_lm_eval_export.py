"""The exported folder itself; that the harness runs it is tested in test_lm_eval.py."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import RunError
from mtft.evaluation import EvalCell, EvalExample, export_lm_eval
from mtft.evaluation.lm_eval_files import slug, texts_stay_texts
from mtft.tasks.records import Example

BASE = Example(
    inputs="Is it?", targets=("no",), answer_choices=("yes", "no"), dataset="toy", config="en", split="test",
    row_id="0", item_group="toy:0", template_id="t1", language="en", prompt_language="en", task="toy",
    source_revision="",
)  # fmt: skip
CELL = EvalCell("toy", "en", "sentiment", "en")


def made(cell: EvalCell = CELL, template: str = "ask", **values: object) -> EvalExample:
    example = replace(BASE, **values)  # type: ignore[arg-type]
    return EvalExample(example, template, replace(cell, config=example.config))


def rows(folder: Path) -> list[dict[str, object]]:
    return [
        json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.open(encoding="utf-8")
    ]


def test_a_row_has_the_prompt_with_its_shots_the_choices_and_the_place_of_the_right_one(
    tmp_path: Path,
) -> None:
    shot = replace(made(), shots=("Was it? yes",))
    found = export_lm_eval([shot], tmp_path / "out", "mine")
    assert rows(found.folder) == [
        {
            "id": "test/0",
            "item_group": "toy:0",
            "prompt": "Was it? yes\n\nIs it?",
            "choices": ["yes", "no"],
            "gold": 1,
        }
    ]
    task = yaml.safe_load((found.folder / "tasks/toy" / f"{found.tasks[0]}.yaml").read_text(encoding="utf-8"))
    assert task["task"] == "mtft_mine_toy_en_ask"
    assert task["target_delimiter"] == " "
    assert yaml.safe_load((found.folder / "_data").read_text()) == {
        "dataset_path": str(found.folder / "data")
    }


def test_gold_is_a_list_for_a_whole_cell_or_for_none_of_it(tmp_path: Path) -> None:
    several = made(targets=("yes", "no"), row_id="1")
    assert [row["gold"] for row in rows(export_lm_eval([made(), several], tmp_path / "a", "x").folder)] == [
        [1],
        [0, 1],
    ]


def test_what_the_harness_cannot_be_given_is_told_with_its_reason(tmp_path: Path) -> None:
    text = EvalCell("say", "en", "text", "en", metrics=("chrf", "rouge", "bleu"))
    thai = EvalCell("say", "th", "text", "th", metrics=("bleu",))
    ranks = EvalCell("rank", "en", "ranking", "en", metrics=("ndcg",))
    answers = EvalCell("qa", "en", "qa", "en", metrics=("qa",))
    examples = [
        made(),
        made(row_id="1", inputs=" \n"),
        made(row_id="2", answer_choices=("no", " ")),
        made(row_id="3", targets=("maybe",)),
        made(row_id="4", answer_choices=("no",)),
        made(text, answer_choices=None),
        made(text, answer_choices=None, targets=("a", "b"), template_id="t2", template="two"),
        made(thai, answer_choices=None, language="th", config="th"),
        made(ranks),
        made(answers, answer_choices=None, targets=("a", "b")),
    ]
    found = export_lm_eval(examples, tmp_path / "out", "x")
    told = {(e.task, e.config, e.template, e.reason): e.count for e in found.left_out}
    assert told == {
        ("toy", "en", "ask", "the prompt is white space"): 1,
        ("toy", "en", "ask", "an answer choice is empty"): 1,
        ("toy", "en", "ask", "the target is not among the answer choices"): 1,
        ("toy", "en", "ask", "there is only one answer choice"): 1,
        ("say", "en", "ask", "rouge: the harness has no such metric"): 1,
        ("say", "en", "two", "chrf: the harness takes one reference for it"): 1,
        ("say", "en", "two", "rouge: the harness has no such metric"): 1,
        ("say", "en", "two", "bleu: the harness takes one reference for it"): 1,
        ("say", "th", "ask", "bleu: the harness's tokeniser is not the one for this script"): 1,
        ("rank", "en", "ask", "ndcg: the harness has no such metric for choices"): 1,
    }
    assert set(found.tasks) == {"mtft_x_toy_en_ask", "mtft_x_say_en_ask", "mtft_x_qa_en_ask"}
    assert list(found.notes) == ["mtft_x_qa_en_ask"]
    listed = json.loads((found.folder / "export.json").read_text(encoding="utf-8"))
    assert len(listed["left_out"]) == len(told)
    assert listed["rows"] == found.rows == 3
    group = yaml.safe_load((found.folder / "mtft_x.yaml").read_text(encoding="utf-8"))
    assert group["task"] == ["mtft_x_toy_all", "mtft_x_say_all", "mtft_x_qa_all"]
    assert "aggregate_metric_list" not in group  # not all of it has an accuracy


def test_texts_that_look_like_dates_stay_texts(tmp_path: Path) -> None:
    dates = ("2019-01-02", "2020-02-03")
    assert not texts_stay_texts(json.dumps({"a": "x", "b": dates}))
    found = export_lm_eval([made(answer_choices=dates, targets=dates[:1])], tmp_path / "out", "x")
    [path] = found.folder.rglob("*.parquet")
    assert pq.read_table(path).to_pylist()[0]["choices"] == list(dates)
    task = yaml.safe_load(next(found.folder.glob("tasks/toy/mtft*.yaml")).read_text(encoding="utf-8"))
    assert task["dataset_kwargs"]["data_files"]["test"] == f"toy/{path.name}"


def test_names_are_unique_and_plain_whatever_the_templates_are_called(tmp_path: Path) -> None:
    names = ["C1 or C2?", "C1, or C2!", "ضع الجواب", "河", "x" * 200, "x" * 199, "*", "[a-z]"]
    examples = [made(template=name, template_id=f"t{n}") for n, name in enumerate(names)]
    found = export_lm_eval(examples, tmp_path / "out", "x")
    assert len(set(found.tasks)) == len(names)
    assert all(slug(name) == name and len(name) < 100 for name in found.tasks)


@given(st.text(max_size=40))
def test_slugs_are_plain_and_their_own(text: str) -> None:
    assert set(slug(text)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert slug(slug(text)) == slug(text)


def test_an_earlier_export_is_replaced_and_nothing_else_ever_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_lm_eval([made(), made(config="sw")], out, "first")
    found = export_lm_eval([made(config="de")], out, "second")
    assert found.tasks == ("mtft_second_toy_de_ask",)
    kept = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert kept == {
        "_data", "export.json", "mtft_second.yaml", "tasks/toy/group.yaml",
        "tasks/toy/mtft_second_toy_de_ask.yaml", "data/toy/mtft_second_toy_de_ask.jsonl",
    }  # fmt: skip
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match=r"thesis\.tex"):
        export_lm_eval([made()], own, "x")
    with pytest.raises(RunError, match="ndcg"):
        export_lm_eval([made(EvalCell("r", "en", "x", "en", metrics=("ndcg",)))], tmp_path / "n", "x")
