from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtft.errors import RunError
from mtft.evaluation import Sample
from mtft.evaluation.metrics import METRICS, chance_level, majority_share
from mtft.evaluation.sample_columns import SampleColumns, SampleRows
from mtft.evaluation.sample_table import read_table, table_of, write_samples


def sample(at: int, draw: random.Random) -> Sample:
    choices = tuple(draw.sample(["ja", "nein", "さあ", "כן", ""], draw.randint(2, 4)))
    target, said = draw.choice(choices), draw.choice([*choices, "other"])
    return Sample(
        model="m", task="t", dataset="t", config="c", cluster="k", language="de", prompt_language="en",
        metric="accuracy", template="x", template_id="x", id=str(at), item_group=f"g{at // 2}", inputs="",
        choices=choices, loglikelihoods=(-1.0,) * len(choices), prediction=draw.choice([said, None]),
        target=target, targets=tuple({target, draw.choice([target, "elsewhere"])}),
        scores={"accuracy": float(draw.random() < 0.5)},
        unscored_reason=draw.choice(["", "", "the prompt is too long"]),
    )  # fmt: skip


@pytest.fixture
def samples() -> list[Sample]:
    draw = random.Random(0)
    return [sample(at, draw) for at in range(300)]


def test_samples_come_back_as_they_were(samples: list[Sample]) -> None:
    rows = SampleRows.of(samples)
    assert list(rows) == samples
    assert (rows[3], rows[-1]) == (samples[3], samples[-1])
    assert list(rows[10:20:3]) == samples[10:20:3]
    assert SampleRows.of(rows) is rows
    with pytest.raises(IndexError):
        rows[len(samples)]
    assert list(SampleRows.joined([rows[:5], rows[7:9]])) == [*samples[:5], *samples[7:9]]
    assert list(SampleRows.of([])) == []


def test_columns_are_those_of_the_samples(samples: list[Sample]) -> None:
    rows = SampleRows.of(samples)
    assert rows.names("id", rows.codes("id")) == [s.id for s in samples]
    assert rows.distinct("item_group") == sorted({s.item_group for s in samples})
    # Codes sort as the texts do.
    assert np.argsort(rows.codes("id"), kind="stable").tolist() == sorted(
        range(300), key=lambda n: samples[n].id
    )
    assert rows.score("accuracy").tolist() == [s.scores["accuracy"] for s in samples]
    assert np.isnan(rows.score("f1")).all()
    assert list(rows.scored()) == [s for s in samples if not s.unscored_reason]
    assert {s.scores["margin"] for s in rows.with_score("margin", 0.0)[:9]} == {0.0}


def test_choices_are_matched_with_targets_and_answers(samples: list[Sample]) -> None:
    rows = SampleRows.of(samples)
    choices = rows.columns.choices
    assert choices.count(rows.rows).tolist() == [len(s.choices) for s in samples]
    assert choices.predicted.tolist() == [
        s.choices.index(s.prediction) if s.prediction in s.choices else -1 for s in samples
    ]
    first = [next((n for n, c in enumerate(s.choices) if c in s.targets), -1) for s in samples]
    assert choices.target.tolist() == first


def test_chance_equals_a_count_by_hand(samples: list[Sample]) -> None:
    wordings = [t for s in samples for t in set(s.targets) & set(s.choices)]
    places = [n for s in samples for n, c in enumerate(s.choices) if c in s.targets]
    largest = max(max(map(found.count, found)) for found in (wordings, places)) / len(samples)
    assert majority_share(samples) == pytest.approx(largest)
    assert majority_share(SampleRows.of(samples)[50:90]) == pytest.approx(majority_share(samples[50:90]))
    blind = np.mean([sum(c in s.targets for c in s.choices) / len(s.choices) for s in samples])
    assert chance_level(METRICS["accuracy"][0], samples) == pytest.approx(max(blind, largest))
    assert np.isnan(majority_share([]))


def test_samples_without_choices_or_scores(samples: list[Sample]) -> None:
    bare = [replace(s, choices=(), targets=(), scores={}, prediction=None) for s in samples[:4]]
    rows = SampleRows.of(bare)
    assert rows.columns.choices.count(rows.rows).tolist() == [0] * 4
    assert rows.counts("targets").tolist() == [0] * 4
    assert list(rows.parts("model", "id"))[2][0] == ("m", "2")


def test_tables_that_no_evaluation_wrote_are_a_message(samples: list[Sample], tmp_path: Path) -> None:
    path, table = tmp_path / "samples.parquet", table_of(samples)
    for wrong in (
        table.drop_columns(["model"]),
        table.set_column(0, "model", pa.array([[1]] * len(samples))),
        table.set_column(table.column_names.index("choices"), "choices", pa.array(range(len(samples)))),
    ):
        pq.write_table(wrong, path)
        with pytest.raises(RunError, match="a table that an evaluation wrote"):
            read_table(path)
    for text in ("{", "[1]", "3"):
        write_samples(samples, path)
        changed = read_table(path)
        at = changed.column_names.index("scores")
        with pytest.raises(RunError, match="must be JSON"):
            SampleColumns(changed.set_column(at, "scores", pa.array([text] * len(samples)))).score("accuracy")


def test_a_score_that_is_no_number_is_none(samples: list[Sample]) -> None:
    table = table_of(samples)
    texts = pa.array(['{"accuracy": "1"}', '{"accuracy": null}', '{"accuracy": 1}'] * 100)
    found = SampleColumns(table.set_column(table.column_names.index("scores"), "scores", texts)).score(
        "accuracy"
    )
    assert np.isnan(found[:2]).all()
    assert found[2] == 1.0
