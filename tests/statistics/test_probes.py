"""Classifiers on frozen vectors, against scikit-learn where it is at hand and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest

from mtft.statistics.probes import linear_probe, majority, nearest_neighbours, standardised


def clouds(seed: int, classes: int = 3, each: int = 40, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(classes, width))
    labels = np.repeat(np.arange(classes), each)
    return centres[labels] + 0.9 * draw.normal(size=(len(labels), width)), labels


def test_the_linear_probe_is_the_regression_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    (known, labels), (asked, _) = clouds(1), clouds(2)
    inside, outside = standardised(known, asked)
    theirs = sklearn.LogisticRegression(C=0.5, tol=1e-8, max_iter=1000).fit(inside, labels).predict(outside)
    assert np.mean(linear_probe(known, labels, asked, penalty=2.0) == theirs) > 0.99


def test_neighbours_are_those_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.neighbors", reason="scikit-learn is not installed")
    (known, labels), (asked, _) = clouds(1, classes=2), clouds(2, classes=2)
    inside, outside = standardised(known, asked)
    theirs = sklearn.KNeighborsClassifier(5, metric="cosine").fit(inside, labels).predict(outside)
    assert np.array_equal(nearest_neighbours(known, labels, asked, neighbours=5), theirs)


@pytest.mark.parametrize("classify", [linear_probe, nearest_neighbours])
def test_probes_find_classes_and_know_no_order(classify: object) -> None:
    (known, labels), (asked, true) = clouds(1), clouds(2)
    found = classify(known, labels, asked)  # type: ignore[operator]
    assert np.mean(found == true) > 0.8
    order = np.random.default_rng(3).permutation(len(known))
    assert np.array_equal(classify(known[order], labels[order], asked), found)  # type: ignore[operator]
    assert np.array_equal(classify(known, labels * 5, asked), found * 5)  # type: ignore[operator]
    wide = np.column_stack([known, np.ones(len(known))]), np.column_stack([asked, np.ones(len(asked))])
    assert np.array_equal(classify(wide[0], labels, wide[1]), found)  # type: ignore[operator]
    assert set(classify(known, labels * 0 + 4, asked)) == {4}  # type: ignore[operator]


def test_few_neighbours_and_ties() -> None:
    known = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0], [-0.9, 0.3]])
    labels = np.array([0, 0, 1, 1])
    assert nearest_neighbours(known, labels, known, neighbours=99).tolist() == [0, 0, 1, 1]
    assert majority(np.array([2, 1, 1]), 2).tolist() == [1, 1]
