"""Classifiers on frozen vectors: multinomial logistic regression and nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from mtft.statistics.intervals import FloatArray

IntArray = NDArray[np.int64]
_QUERIES = 1024  # whose similarities to all known vectors stand at once


def standardised(known: FloatArray, asked: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both with the mean of the known vectors taken away and divided by their standard deviation, column by column.

    Args:
        known: (n, width).
        asked: (m, width).
    """
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    scale = np.where(deviation > 1e-12, deviation, 1.0)
    return (known - mean) / scale, (asked - mean) / scale


def linear_probe(
    known: FloatArray, labels: IntArray, asked: FloatArray, *, penalty: float = 1.0, steps: int = 200
) -> IntArray:
    """The classes, (m,) int64, that a logistic regression fitted on the known vectors gives the asked ones.

    Minimises sum_i -log softmax(W x_i + b)[y_i] + penalty / 2 ||W||_F^2 on standardised vectors, by L-BFGS from 0;
    the problem is convex, so nothing depends on chance.

    Args:
        known: (n, width) float64.
        labels: (n,) int64, classes from 0.
        asked: (m, width) float64.
        penalty: Weight of the squared norm; scikit-learn's default 1/C.
        steps: Most iterations.

    Source: Alain & Bengio 2016, "Understanding intermediate layers using linear classifier probes", arXiv 1610.01644.
    """
    found, places = np.unique(labels, return_inverse=True)
    if len(found) == 1:
        return np.full(len(asked), found[0], dtype=np.int64)
    inside, outside = standardised(known, asked)
    inside = np.column_stack([inside, np.ones(len(inside))])
    one_hot = np.eye(len(found))[places]
    shrunk = np.ones((inside.shape[1], 1))
    shrunk[-1] = 0.0  # not the constant

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        weights = flat.reshape(inside.shape[1], len(found))
        scores = inside @ weights
        normalised = scores - special.logsumexp(scores, axis=1, keepdims=True)
        decayed = penalty * shrunk * weights
        loss = -(one_hot * normalised).sum() + 0.5 * (decayed * weights).sum()
        gradient = inside.T @ (np.exp(normalised) - one_hot) + decayed
        return float(loss) / len(inside), gradient.ravel() / len(inside)

    start = np.zeros(inside.shape[1] * len(found))
    solved: Any = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "gtol": 1e-6}
    )
    weights = solved.x.reshape(inside.shape[1], len(found))
    return np.asarray(found[(outside @ weights[:-1] + weights[-1]).argmax(axis=1)], dtype=np.int64)


def nearest_neighbours(
    known: FloatArray, labels: IntArray, asked: FloatArray, *, neighbours: int = 10
) -> IntArray:
    """The most frequent class, (m,) int64, among the known vectors with the largest cosine to each asked one.

    Vectors are standardised first; of classes as frequent, the one with the larger sum of cosines.

    Args:
        known: (n, width) float64.
        labels: (n,) int64, classes from 0.
        asked: (m, width) float64.
        neighbours: How many vote; all there are if there are fewer.
    """
    found, places = np.unique(labels, return_inverse=True)
    inside, outside = (_unit(each) for each in standardised(known, asked))
    count = min(neighbours, len(inside))
    answers = [np.empty(0, dtype=np.int64)]
    for start in range(0, len(outside), _QUERIES):
        cosines = outside[start : start + _QUERIES] @ inside.T
        near = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        # a sum of cosines lies within ± count: an eighth of a vote at most decides ties alone
        votes = 1 + np.take_along_axis(cosines, near, axis=1) / (8 * count)
        table = np.zeros((len(near), len(found)))
        np.add.at(table, (np.arange(len(near))[:, None], places[near]), votes)
        answers.append(found[table.argmax(axis=1)])
    return np.concatenate(answers)


def majority(labels: IntArray, asked: int) -> IntArray:
    """The most frequent class, the smallest of several, so many times."""
    found, counts = np.unique(labels, return_counts=True)
    return np.full(asked, found[counts.argmax()], dtype=np.int64)


def _unit(vectors: FloatArray) -> FloatArray:
    """Each of length 1; a zero vector stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)
