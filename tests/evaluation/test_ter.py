"""TER: equal to sacrebleu on any corpus, additive, with its signature."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import TER

from mtft.evaluation.aggregate import Resampling, template_cells
from mtft.evaluation.metrics import METRICS
from mtft.evaluation.metrics.ter import corpus_ter, ter_score
from mtft.evaluation.sample_columns import SampleRows
from tests.evaluation.corpora import ROWS, Row, samples_of, shuffled, turned, value

TER_METRIC = METRICS["ter"][0]


@given(ROWS)
def test_equal_to_sacrebleu(rows: list[Row]) -> None:
    predictions, references = turned(rows)
    theirs = TER()
    expected = theirs.corpus_score(predictions, references).score
    found = corpus_ter(predictions, [r for _, r in rows])
    assert found.value == pytest.approx(expected)
    assert found.signature == theirs.get_signature().format()


@given(ROWS, st.randoms())
def test_order_is_nothing_and_groups_add_up(rows: list[Row], draw: random.Random) -> None:
    samples = samples_of(rows)
    whole = value(TER_METRIC, samples)
    assert value(TER_METRIC, samples_of(shuffled(rows, draw))) == pytest.approx(whole)
    found = TER_METRIC.rows(samples)
    part = np.array([g == "g0" for g in SampleRows.of(samples).names("item_group", found.groups)])
    expected = corpus_ter([p for p, _ in rows[:2]], [r for _, r in rows[:2]]).value
    assert float(TER_METRIC.value(found.statistics[part].sum(axis=0))) == pytest.approx(expected)


def test_by_hand() -> None:
    # One shift; a mean length of (4 + 6) / 2, the nearer reference needing one edit; nothing said.
    assert corpus_ter(["sank the old boat"], [["the old boat sank"]]).value == pytest.approx(25)
    assert corpus_ter(["a b c d"], [["a b c x", "q r s t u v"]]).value == pytest.approx(100 / 5)
    assert corpus_ter([""], [["a b"]]).value == 100
    assert ter_score(np.array([[0.0, 0.0], [3.0, 0.0]])).tolist() == [0, 100]


def test_more_edits_than_words_have_an_interval() -> None:
    samples = samples_of([("a b c d e", ["x"])] * 6, "ter")
    (cell,) = template_cells(samples)
    found = cell.interval(Resampling(s.item_group for s in samples))
    assert found.value == 500
    assert found.low < found.value <= found.high
