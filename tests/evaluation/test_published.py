"""Published scores: read strictly, equal to the table they are from, and beside ours only where all agrees."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtft.errors import SuiteError
from mtft.evaluation import Suite
from mtft.evaluation.aggregate import Resampling, template_cells
from mtft.evaluation.comparability import published_rows
from mtft.evaluation.evaluator import sample_of
from mtft.evaluation.examples import EvalCell, Sample
from mtft.evaluation.published import Reference, references
from mtft.evaluation.results import EvaluationResults, ModelInfo, cells_of
from mtft.evaluation.summaries import summarise
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources

(BLOOMZ,) = (r for r in references() if r.name == "bloomz_mt0")
FIVE = ("a", "b", "c", "d", "e")
SUITE = {"protocol": "bloomz", "max_items_per_cell": None}


def sample(
    number: int, template: str, *, task: str, config: str, language: str, split: str, **more: Any
) -> Sample:
    values: dict[str, Any] = {
        "model": "ours", "task": task, "dataset": task, "config": config, "cluster": "c", "language": language,
        "prompt_language": "en", "metric": "accuracy", "template": template, "template_id": template,
        "id": f"{split}/{number}", "item_group": f"{task}/{number}", "inputs": "", "choices": ("x", "y"),
        "loglikelihoods": (0.0, 1.0), "prediction": "y", "target": "y", "targets": ("y",),
        "scores": {"accuracy": 1.0},
    }  # fmt: skip
    return Sample(**{**values, **more})


def cell_samples(
    n: int = 100, templates: tuple[str, ...] = FIVE, task: str = "xcopa", config: str = "et",
    language: str = "et", split: str = "val", **more: Any,
) -> list[Sample]:  # fmt: skip
    return [
        sample(number, template, task=task, config=config, language=language, split=split, **more)
        for template in templates
        for number in range(n)
    ]


def rows_of(
    samples: list[Sample], suite: dict[str, Any] = SUITE, known: list[Reference] | None = None, shots: int = 0
) -> list[dict[str, Any]]:
    made = {
        (s.task, s.config): EvalCell(s.task, s.config, "c", s.language, metrics=(s.metric,), shots=shots)
        for s in samples
    }
    summaries = summarise(template_cells(samples), Resampling(s.item_group for s in samples))
    return published_rows(summaries, suite, made, known)


def value_of(rows: list[dict[str, Any]], model: str, statistic: str = "median") -> float:
    (row,) = (r for r in rows if r["model"] == model and r["template_statistic"] == statistic)
    return float(row["value"])


# --- the figures


def test_every_figure_is_the_tables(data_root: Path) -> None:
    path = data_root.parent / "reference" / "bloomz_mt0_scores.tsv"
    if not path.is_file():
        pytest.skip("the published table is not beside the data")
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file, delimiter="\t")
    assert tuple(head[6:]) == BLOOMZ.models
    theirs = {tuple(line[1:6]): [None if v == "-" else float(v) for v in line[6:]] for line in lines}
    names = {"median": "Median acc.", "max": "Max acc."}
    ours = {
        (d.dataset, f.config or "None", d.split, f.prompts, names.get(f.statistic, f"Pass@{f.metric[8:]}")): [
            *f.values
        ]
        for d in BLOOMZ.datasets
        for f in d.figures
    }
    assert len(theirs) == 205
    assert ours == theirs


@pytest.mark.parametrize(
    ("task", "config", "language", "split", "n", "model", "median", "largest"),
    [
        ("xcopa", "et", "et", "val", 100, "mT0-13B", 72, None),
        ("xwinograd", "jp", "ja", "test", 959, "BLOOMZ", 57.5, None),
        ("xwinograd", "en", "en", "test", 2325, "BLOOMZ", 67.87, 69.08),
        ("winogrande", "winogrande_xl", "en", "validation", 1267, "mT0-13B", 62.27, 63.38),
        ("super_glue/rte", "rte", "en", "validation", 277, "BLOOMZ", 82.0, None),
        ("xnli", "sw", "sw", "validation", 2490, "BLOOMZ-7.1B", 43.9, None),
        ("xstory_cloze", "my", "my", "eval", 1511, "BLOOMZ", 50.0, None),
    ],
)
def test_golden_figures_stand_beside_ours(
    task: str,
    config: str,
    language: str,
    split: str,
    n: int,
    model: str,
    median: float,
    largest: float | None,
) -> None:
    rows = rows_of(cell_samples(n, task=task, config=config, language=language, split=split))
    assert {row["reason"] for row in rows} == {""}
    assert all(row["comparable"] and row["prompts"] == "EN" and row["n_items"] == n for row in rows)
    assert value_of(rows, model) == pytest.approx(median / 100, abs=0.0006)  # printed with one decimal
    if largest is not None:
        assert value_of(rows, model, "max") == pytest.approx(largest / 100)
    assert {row["model"] for row in rows} == set(BLOOMZ.models)
    assert all("2211.01786" in row["citation"] for row in rows)


def test_what_the_models_were_pretrained_on() -> None:
    """The authors' notebook leaves Thai out of XCOPA's unseen languages, which it is one of."""
    rows = {row["model"]: row["pretrained"] for row in rows_of(cell_samples(config="th", language="th"))}
    assert rows["BLOOMZ"] is False
    assert rows["mT0-13B"] is True
    assert rows["T0-11B"] is None
    seen = {row["model"]: row["pretrained"] for row in rows_of(cell_samples(config="qu", language="qu"))}
    assert seen["mT0-13B"] is seen["BLOOM"] is False
    assert "question" in rows_of(cell_samples(config="th", language="th"))[0]["note"]


# --- what is not comparable


@pytest.mark.parametrize(
    ("samples", "suite", "reason"),
    [
        (cell_samples(split="test"), SUITE, "split test here, val published"),
        (
            cell_samples(50) + [replace(s, id="test/1") for s in cell_samples(50)],
            SUITE,
            "split test and val here",
        ),
        (cell_samples(99), SUITE, "99 items here, 100 published"),
        (
            cell_samples(20),
            {**SUITE, "max_items_per_cell": 20},
            "20 items here (at most 20 are taken), 100 published",
        ),
        (cell_samples(templates=("a", "b", "c")), SUITE, "3 prompts here, 5 published"),
        (cell_samples(), {"protocol": "trained"}, "protocol trained here, bloomz and mt0 published"),
        (cell_samples(), {}, "protocol unknown here"),
        (
            cell_samples(prompt_language="et"),
            SUITE,
            "prompts of our own in et here, machine-translated ones published",
        ),
    ],
)
def test_each_reason(samples: list[Sample], suite: dict[str, Any], reason: str) -> None:
    rows = rows_of(samples, suite)
    assert rows
    assert not any(row["comparable"] for row in rows)
    assert all(reason in row["reason"] for row in rows)


def test_unscored_items_are_items_that_are_not_compared() -> None:
    made = cell_samples()
    made[0] = replace(made[0], scores={}, unscored_reason="the prompt is too long")
    assert {row["reason"] for row in rows_of(made)} == {"99 to 100 items here, 100 published"}


def test_shots_and_other_metrics() -> None:
    assert "4 shots here, none published" in rows_of(cell_samples(), shots=4)[0]["reason"]
    other = cell_samples(metric="qa", scores={"f1": 1.0, "exact_match": 1.0})
    reasons = {row["reason"] for row in rows_of(other)}
    assert reasons == {"f1 here, accuracy published", "exact match here, accuracy published"}


def test_the_local_chinese_winograd_is_a_small_part_of_the_published_one() -> None:
    made = cell_samples(16, task="xwinograd", config="zh", language="zh", split="test")
    for cap in (None, 100):  # which is not why there are so few
        rows = rows_of(made, {**SUITE, "max_items_per_cell": cap})
        assert {row["reason"] for row in rows} == {"16 items here, about 504 published"}


def test_a_number_of_items_that_is_not_known_is_no_match() -> None:
    (xcopa,) = BLOOMZ.of_task("xcopa")
    configs = tuple(replace(c, n_items=None) for c in xcopa.configs)
    unknown = replace(BLOOMZ, datasets=(replace(xcopa, configs=configs),))
    rows = rows_of(cell_samples(), known=[unknown])
    assert {row["reason"] for row in rows} == {"100 items here, a number that is not known published"}
    assert {row["n_items"] for row in rows} == {None}


def test_several_differences_are_all_told_and_one_model_of_ours_is_enough() -> None:
    shorter = [replace(s, model="other") for s in cell_samples(7)]
    rows = rows_of([*cell_samples(), *shorter], {"protocol": "lm_eval"})
    assert rows[0]["reason"].count(";") == 1
    assert "7 to 100 items here" in rows[0]["reason"]
    assert len(rows) == 2 * len(BLOOMZ.models)  # once per figure, whatever the number of our models


@pytest.mark.parametrize(("suffix", "kind"), [("mt", "MT"), ("ht", "HT")])
def test_translated_prompts_that_are_named_as_xp3s_meet_their_own_figures(suffix: str, kind: str) -> None:
    names = tuple(f"{name}_zh{suffix}" for name in FIVE)
    made = cell_samples(2490, names, "xnli", "zh", "zh", "validation", prompt_language="zh")
    rows = rows_of(made)
    assert {row["prompts"] for row in rows} == {kind}
    assert all(row["comparable"] for row in rows)
    english = rows_of(cell_samples(2490, FIVE, "xnli", "zh", "zh", "validation"))
    assert value_of(rows, "BLOOMZ") != value_of(english, "BLOOMZ")


def test_a_language_code_that_ends_like_a_mark_is_none() -> None:
    """Haitian is `ht`: a prompt of our own in it is not a human translation."""
    names = tuple(f"{name}_ht" for name in FIVE)
    rows = rows_of(cell_samples(100, names, config="ht", language="ht", prompt_language="ht"))
    assert {row["prompts"] for row in rows} == {"MT"}
    assert not any(row["comparable"] for row in rows)


def test_tasks_and_languages_without_figures_have_no_row() -> None:
    assert rows_of(cell_samples(task="sib200")) == []
    assert rows_of(cell_samples(config="en", language="en")) == []  # XCOPA has no English


# --- files


def written(folder: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "schema": 1, "name": "r", "citation": "c", "source": "s", "unit": "percent", "n_templates": 1,
        "protocols": ["bloomz"], "models": ["m", "n"],
        "datasets": [
            {
                "dataset": "d", "split": "test", "task": "d", "card_split": "test",
                "configs": [{"published": "en", "config": "en", "language": "en", "n_items": 2}],
                "figures": [{"config": "en", "prompts": "EN", "metric": "accuracy", "statistic": "median",
                             "values": [50.0, None]}],
            }
        ],
    }  # fmt: skip
    for place, value in changes.items():
        at: Any = content
        *keys, last = place.split("__")
        for key in keys:
            at = at[int(key) if key.isdigit() else key]
        at[last] = value
    path = folder / "reference.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


FIGURE = "datasets__0__figures__0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema 1"),
        ({"units": "percent"}, "Did you mean: unit"),
        ({"unit": "percents"}, "Did you mean: percent"),
        ({"models": ["m", "m"]}, "must stand once"),
        ({"models": ["m"]}, "2 values for 1 models"),
        ({f"{FIGURE}__values": [101.0, None]}, "between 0 and 100"),
        ({f"{FIGURE}__values": [float("nan"), None]}, "between 0 and 100"),
        ({f"{FIGURE}__values": ["50", None]}, "must be a number"),
        ({f"{FIGURE}__prompts": "en"}, "kind of prompts must be known"),
        ({f"{FIGURE}__statistic": "mean"}, "Did you mean: median"),
        ({f"{FIGURE}__config": "fr"}, "configuration must be known"),
        ({"datasets__0__configs": [{"published": "en", "config": "en"}]}, "`language` must be given"),
        ({"pretraining": [{"corpus": "x", "models": ["q"], "unseen": []}]}, "model must be known"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        Reference.load(written(tmp_path, **changes))


def test_broken_and_double_keys(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert Reference.load(path).fraction(50.0) == 0.5
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"schema": 1', '"schema": 1, "schema": 1'), encoding="utf-8")
    with pytest.raises(SuiteError, match="`schema` twice"):
        Reference.load(path)
    path.write_text(text[:-1], encoding="utf-8")
    with pytest.raises(SuiteError, match="readable JSON"):
        Reference.load(path)
    with pytest.raises(SuiteError, match="readable JSON"):
        Reference.load(tmp_path / "absent.json")


def test_the_guides_example_is_a_reference(tmp_path: Path) -> None:
    guide = Path(__file__).parents[2] / "docs" / "published.md"
    (tmp_path / "r.json").write_text(guide.read_text(encoding="utf-8").split("```")[1], encoding="utf-8")
    made = Reference.load(tmp_path / "r.json")
    rows = rows_of(cell_samples(), known=[replace(made, n_templates=5)])
    assert [(row["model"], row["value"], row["comparable"]) for row in rows] == [("A", 0.51, True)]


def test_every_reference_names_tasks_configurations_and_splits_that_exist() -> None:
    cards = CardIndex.load([builtin_folder("prompts")])
    found = 0
    for path in (builtin_folder("eval") / "reference").rglob("*.json"):
        for dataset in Reference.load(path).datasets:
            if dataset.task is None:
                continue
            card = cards.get(dataset.task)
            assert dataset.card_split in card.splits
            for config in dataset.configs:
                assert card.language_of(config.config) == config.language
                found += 1
            sizes = card.declared.sizes.rows
            for config in dataset.configs:  # where the card states a size it is the same
                for key in (dataset.card_split, f"{config.config}/{dataset.card_split}"):
                    assert config.n_items == sizes.get(key, config.n_items)
    assert found >= 50


# --- in results, and on real rows


def test_results_hold_the_published_rows(tmp_path: Path) -> None:
    cell = EvalCell("xcopa", "et", "c", "et", metrics=("accuracy",))
    results = EvaluationResults(tuple(cell_samples()), (ModelInfo("ours"),), (cell,), SUITE)
    content = results.save(tmp_path)
    assert len(content["published"]) == 2 * len(BLOOMZ.models)
    keys = {"task", "config", "language", "prompt_language", "template_statistic", "metric", "model", "value"}
    assert keys | {"n_items", "citation", "comparable", "reason"} <= set(content["published"][0])
    again = EvaluationResults.load(tmp_path)
    assert "published" not in again.extras
    assert again.as_dict()["published"] == content["published"]


@pytest.mark.data
def test_the_held_out_suite_meets_the_published_sizes_on_real_rows(data_root: Path) -> None:
    suite = Suite.load("xp3_heldout").restricted_to(["xcopa", "xwinograd"], ["et", "zh", "fr", "ja", "th"])
    index = CardIndex.load([builtin_folder("prompts")])
    problems = Problems()
    found = suite.examples(index, TemplateCollection.builtin(), Sources(data_root=data_root), problems)
    assert len(problems) == 0
    samples = [sample_of(e, "accuracy", [0.0, 1.0], "", "ours") for e in found]
    cells = {(c.task, c.config): c for c in cells_of(found)}
    summaries = summarise(template_cells(samples), Resampling(s.item_group for s in samples))
    rows = published_rows(summaries, {"protocol": "mt0", "max_items_per_cell": None}, cells)
    english = {(r["task"], r["config"]): r["reason"] for r in rows if r["prompts"] == "EN"}
    assert english.pop(("xwinograd", "zh")) == "16 items here, about 504 published"
    assert set(english) == {
        ("xcopa", "et"), ("xcopa", "zh"), ("xcopa", "th"), ("xwinograd", "fr"), ("xwinograd", "jp"),
    }  # fmt: skip
    assert set(english.values()) == {""}
    translated = [r["reason"] for r in rows if r["prompts"] != "EN" and r["config"] == "th"]
    assert translated
    assert all("prompts of our own in th" in reason for reason in translated)
