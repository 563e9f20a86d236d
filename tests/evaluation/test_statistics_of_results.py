"""Spread over templates, groups, transfer gaps, comparisons per item and consistency, from samples to results."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtft.errors import RunError
from mtft.evaluation import EvalCell, EvaluationResults, ModelInfo, Sample
from mtft.evaluation.aggregate import Resampling, template_cells
from mtft.evaluation.examples import Seen
from mtft.evaluation.metrics import METRICS
from mtft.evaluation.summaries import summarise
from mtft.evaluation.transfer import transfer_rows
from mtft.reporting.wording import LESS_IS_BETTER

N = 60


def cell(language: str, seen: Seen = "seen", task: str = "nli", **other: Any) -> EvalCell:
    status = {"en": "trained", "sw": "pretrained_only", "th": "unseen"}[language]
    trained = {"cluster_trained": task == "nli", "language_status": status}
    return EvalCell(task, language, f"{task} cluster", language, seen, ("accuracy",), **{**trained, **other})


CELLS = (
    cell("en"),
    cell("sw", "held_out_language"),
    cell("th", "held_out_language"),
    cell("en", "held_out_cluster", "copa"),
    cell("th", "held_out_cluster", "copa"),
)


def sample(where: EvalCell, item: int, right: bool, *, model: str = "m", template: str = "one") -> Sample:
    """Choices are worded per template, as where one asks yes or no and another true or false."""
    choices = (f"no {template}", f"yes {template}")
    gold = item % 2
    answer = choices[gold if right else 1 - gold]
    return Sample(
        model=model, task=where.task, dataset=where.task, config=where.config, cluster=where.cluster,
        language=where.language, prompt_language="en", metric="accuracy", template=template, template_id=template,
        id=f"row {item}", item_group=f"{where.task} {item}", inputs="p", choices=choices,
        loglikelihoods=(-1.0, -2.0), prediction=answer, target=choices[gold], targets=(choices[gold],),
        scores={"accuracy": float(right)},
    )  # fmt: skip


def answered(
    model: str, skill: dict[str, float], templates: Sequence[str] = ("one", "two", "three")
) -> list[Sample]:
    """Items are equally hard in every language and under every template, but for a tenth of luck."""
    draw, luck = random.Random(1), random.Random(model)
    hardness = [draw.random() for _ in range(N)]
    return [
        sample(
            where, item, hard + luck.uniform(-0.1, 0.1) < skill[where.language], model=model, template=name
        )
        for where in CELLS
        for name in templates
        for item, hard in enumerate(hardness)
    ]


BASE, TUNED = {"en": 0.5, "sw": 0.5, "th": 0.5}, {"en": 0.95, "sw": 0.8, "th": 0.6}


def results(samples: Sequence[Sample], cells: Sequence[EvalCell] = CELLS) -> EvaluationResults:
    models = tuple(ModelInfo(name) for name in sorted({s.model for s in samples}))
    return EvaluationResults(tuple(samples), models, tuple(cells), {"name": "toy"})


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [*answered("base", BASE), *answered("finetuned", TUNED)]


@pytest.fixture(scope="module")
def content(samples: list[Sample]) -> dict[str, Any]:
    return results(samples).as_dict()


def only(rows: list[dict[str, Any]], **wanted: object) -> dict[str, Any]:
    (found,) = [row for row in rows if all(row[k] == v for k, v in wanted.items())]
    return found


def test_the_spread_over_templates_is_that_of_their_values(content: dict[str, Any]) -> None:
    found = only(content["summary"], model="finetuned", task="nli", language="sw")
    values = [
        row["value"]
        for row in content["cells"]
        if (row["model"], row["task"], row["language"]) == ("finetuned", "nli", "sw")
    ]
    expected = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    assert [found[k] for k in ("min", "q1", "median", "q3", "max")] == pytest.approx(expected.tolist())
    assert found["n_templates"] == 3


def test_cells_that_so_few_items_cannot_tell_from_chance_say_so(content: dict[str, Any]) -> None:
    for row in (*content["summary"], *content["cells"]):
        assert row["indistinguishable"] == (row["low"] <= row["chance"] <= row["high"])
        value = row["median"] if "median" in row else row["value"]
        if value > row["chance"]:
            assert (value > row["detectable"]) == (not row["indistinguishable"])
    weak = only(content["summary"], model="base", task="nli", language="en")
    assert weak["indistinguishable"]
    assert 0.55 < weak["detectable"] < 0.8
    assert not only(content["summary"], model="finetuned", task="nli", language="en")["indistinguishable"]


def test_text_without_a_chance_level_is_neither(samples: list[Sample]) -> None:
    text = [
        replace(s, metric="qa", choices=(), scores={"f1": 0.3, "exact_match": 0.0})
        for s in samples
        if s.task == "nli"
    ]
    found = results(text, [replace(c, metrics=("qa",)) for c in CELLS]).as_dict()["summary"]
    assert {(r["indistinguishable"], r["detectable"], r["consistency"]) for r in found} == {
        (None, None, None)
    }


def test_averages_by_what_training_saw_of_languages_and_tasks(content: dict[str, Any]) -> None:
    found = {
        r["group"]: (r["n_cells"], r["n_tasks"])
        for r in content["averages"]
        if (r["model"], r["metric"]) == ("base", "accuracy")
    }
    assert found["language_trained"] == (2, 2)
    assert found["language_pretrained_only"] == (1, 1)
    assert found["language_unseen"] == (2, 2)
    assert found["cluster_trained"] == (3, 1)
    assert found["cluster_held_out"] == (2, 1)
    assert found["language_unseen_cluster_trained"] == found["language_unseen_cluster_held_out"] == (1, 1)
    assert "language_pretrained_only_cluster_held_out" not in found


def test_without_a_mixture_no_group_but_all_is_known(samples: list[Sample]) -> None:
    unknown = [replace(c, seen="unknown", cluster_trained=False, language_status="unseen") for c in CELLS]
    assert {r["group"] for r in results(samples, unknown).as_dict()["averages"]} == {"all"}


def test_both_ways_to_average_are_named(samples: list[Sample]) -> None:
    """Thai has a third of the items of English: its cell counts a third in the micro average."""
    fewer = [s for s in samples if s.language != "th" or int(s.id.split()[1]) < N // 3]
    found = results(fewer).as_dict()
    row = only(found["averages"], model="base", group="cluster_held_out", metric="accuracy")
    medians = {
        r["language"]: r["median"] for r in found["summary"] if (r["model"], r["task"]) == ("base", "copa")
    }
    assert row["value"] == pytest.approx((medians["en"] + medians["th"]) / 2)
    assert row["micro"] == pytest.approx((3 * medians["en"] + medians["th"]) / 4)
    assert "macro average" in row["rule"]
    assert "micro average" in row["micro_rule"]


def test_averages_over_different_cells_are_marked(samples: list[Sample], content: dict[str, Any]) -> None:
    assert all(row["same_cells"] for row in content["averages"])
    partial = [s for s in samples if (s.model, s.language) != ("base", "sw")]
    found = {r["group"]: r["same_cells"] for r in results(partial).as_dict()["averages"]}
    assert not found["all"]
    assert found["cluster_held_out"]


def test_the_gap_to_english_is_paired_by_item(samples: list[Sample], content: dict[str, Any]) -> None:
    found = only(content["transfer"], model="finetuned", task="nli", language="th")
    medians = {
        r["language"]: r["median"]
        for r in content["summary"]
        if (r["model"], r["task"]) == ("finetuned", "nli")
    }
    assert found["gap"] == pytest.approx(medians["en"] - medians["th"])
    assert (found["english"], found["value"]) == pytest.approx((medians["en"], medians["th"]))
    assert found["ratio"] == pytest.approx((medians["th"] - 0.5) / (medians["en"] - 0.5))
    assert found["gap_low"] < found["gap"] < found["gap_high"]
    assert found["parallel"]
    # As if Thai had other items: the same gap, less certain.
    apart = [replace(s, item_group=f"{s.item_group} {s.language}") for s in samples]
    other = only(results(apart).as_dict()["transfer"], model="finetuned", task="nli", language="th")
    assert other["gap"] == pytest.approx(found["gap"])
    assert not other["parallel"]
    assert other["gap_high"] - other["gap_low"] > 1.15 * (found["gap_high"] - found["gap_low"])


def test_the_gap_is_on_the_items_that_both_languages_have(samples: list[Sample]) -> None:
    """English has 60 items and Thai the first 40: the gap is not that of easier and harder items."""
    fewer = [s for s in samples if s.language != "th" or int(s.id.split()[1]) < 40]
    found = only(results(fewer).as_dict()["transfer"], model="finetuned", task="nli", language="th")
    shared = [s for s in fewer if int(s.id.split()[1]) < 40]
    expected = only(results(shared).as_dict()["transfer"], model="finetuned", task="nli", language="th")
    assert found["english"] == pytest.approx(expected["english"])
    assert (found["gap"], found["n_groups"]) == (pytest.approx(expected["gap"]), 40)


def test_xtremes_gap_is_english_less_the_mean_of_the_others(content: dict[str, Any]) -> None:
    found = only(content["transfer_tasks"], model="finetuned", task="nli")
    medians = {
        r["language"]: r["median"]
        for r in content["summary"]
        if (r["model"], r["task"]) == ("finetuned", "nli")
    }
    assert found["gap"] == pytest.approx(medians["en"] - (medians["sw"] + medians["th"]) / 2)
    assert (found["n_languages"], found["prompt_language"]) == (2, "en")
    assert found["gap_low"] < found["gap"] < found["gap_high"]


def test_translated_prompts_are_measured_against_english_ones(samples: list[Sample]) -> None:
    translated = [replace(s, prompt_language=s.language) for s in samples if s.task == "nli"]
    found = results(translated).as_dict()
    assert {r["prompt_language"] for r in found["transfer"]} == {"sw", "th"}
    assert {r["prompt_language"] for r in found["transfer_tasks"]} == {"translated"}


def test_mcnemar_counts_items_and_says_which(samples: list[Sample], content: dict[str, Any]) -> None:
    row = only(content["comparisons"], task="nli", language="sw")
    won, lost = 0, 0
    for item in range(N):
        points = {
            model: sum(
                s.scores["accuracy"]
                for s in samples
                if (s.model, s.task, s.language, s.id) == (model, "nli", "sw", f"row {item}")
            )
            for model in ("finetuned", "base")
        }
        won += points["finetuned"] > points["base"]
        lost += points["base"] > points["finetuned"]
    assert (row["a_only"], row["b_only"]) == (won, lost)
    assert row["mcnemar_p"] <= row["mcnemar_p_holm"] < 0.05
    assert row["n"] == 3 * N
    assert "McNemar per item" in row["rule"]


def test_the_report_and_the_metrics_agree_on_what_is_an_error_rate() -> None:
    flagged = {metric.name for metrics in METRICS.values() for metric in metrics if metric.less_is_better}
    assert flagged == LESS_IS_BETTER


def test_errors_that_rise_are_lost_in_transfer(samples: list[Sample]) -> None:
    """The gap is positive where a language has more of them, and there is no share of skill that is kept."""
    cells = template_cells(s for s in samples if s.task == "nli")
    resampling = Resampling(s.item_group for s in samples)
    (right,) = [r for r in transfer_rows(summarise(cells, resampling), resampling) if _is_tuned_sw(r)]
    errors = [replace(c, metric=replace(c.metric, less_is_better=True)) for c in cells]
    (wrong,) = [r for r in transfer_rows(summarise(errors, resampling), resampling) if _is_tuned_sw(r)]
    assert wrong["gap"] == pytest.approx(-right["gap"])
    assert (wrong["gap_low"], wrong["gap_high"]) == pytest.approx((-right["gap_high"], -right["gap_low"]))
    assert wrong["ratio"] is None


def _is_tuned_sw(row: dict[str, Any]) -> bool:
    return (row["model"], row["language"], row["prompt_language"]) == ("finetuned", "sw", "en")


def test_all_ways_to_compare_agree_on_a_clear_gain(content: dict[str, Any]) -> None:
    row = only(content["comparisons"], task="nli", language="en")
    assert max(row["p_value"], row["p_bootstrap"], row["mcnemar_p"]) < 0.01
    assert row["low"] > 0


def test_consistency_compares_places_not_wordings(samples: list[Sample], content: dict[str, Any]) -> None:
    found = only(content["summary"], model="finetuned", task="nli", language="sw")
    right = np.array(
        [
            [s.scores["accuracy"] for s in samples if (s.model, s.task, s.language, s.template) == key]
            for key in (("finetuned", "nli", "sw", name) for name in ("one", "two", "three"))
        ]
    )
    pairs = [(right[a] == right[b]).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert found["consistency"] == pytest.approx(np.mean(pairs))
    # One template has no pair, and one whose choices stand the other way round has no comparable one.
    alone = results([s for s in samples if s.template == "one"]).as_dict()["summary"]
    assert {r["consistency"] for r in alone} == {None}
    turned = [replace(s, choices=s.choices[::-1]) if s.template == "two" else s for s in samples]
    skipped = only(
        results([s for s in turned if s.template != "three"]).as_dict()["summary"],
        model="finetuned", task="nli", language="sw",
    )  # fmt: skip
    assert skipped["consistency"] is None


def test_everything_comes_back_from_the_files_without_the_prompts(
    samples: list[Sample], content: dict[str, Any], tmp_path: Path
) -> None:
    results(samples).save(tmp_path)
    for prompts in (True, False):
        loaded = EvaluationResults.load(tmp_path, prompts=prompts)
        again = loaded.as_dict()
        for name in ("cells", "summary", "averages", "comparisons", "transfer", "transfer_tasks", "unscored"):
            assert again[name] == content[name], name
        assert loaded.samples[0].inputs == ("p" if prompts else "")
        assert len(loaded.samples) == len(samples)
    assert list(EvaluationResults.load(tmp_path).samples) == samples


def test_samples_read_without_prompts_are_not_written_over_those_with(
    samples: list[Sample], tmp_path: Path
) -> None:
    results(samples).save(tmp_path)
    bare = EvaluationResults.load(tmp_path, prompts=False)
    for bad in (bare, bare.merge(results(answered("other", BASE)))):
        with pytest.raises(RunError, match="must have their prompts"):
            bad.save(tmp_path)
    assert EvaluationResults.load(tmp_path).samples[0].inputs == "p"
