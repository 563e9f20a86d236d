"""Ranking quality of one query's candidates; candidates with equal scores count as in every order alike."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray


def _tied_runs(scores: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """Candidates in order of falling score, those of equal score together."""
    order = np.argsort(-scores, kind="stable")
    breaks = np.flatnonzero(np.diff(scores[order])) + 1
    return list(np.split(order, breaks))


def ndcg(gains: ArrayLike, scores: ArrayLike) -> float:
    """Normalised discounted cumulative gain over all candidates, expected over the orders of ties.

    Gain enters linearly, rank r is discounted by 1 / log2(r + 1). Without any gain it is undefined: nan.

    Args:
        gains: (n,) relevance, 0 for none.
        scores: (n,) the ranking's scores, higher first.

    Source: Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20;
    ties: McSherry & Najork 2008, "Computing information retrieval performance measures efficiently in the
    presence of tied scores", ECIR, section 3.
    """
    relevance = np.asarray(gains, dtype=np.float64)
    discounts = 1.0 / np.log2(np.arange(len(relevance)) + 2)
    ideal = float(np.sort(relevance)[::-1] @ discounts)
    if not ideal > 0:
        return float("nan")
    total, at = 0.0, 0
    for run in _tied_runs(np.asarray(scores, dtype=np.float64)):
        total += float(relevance[run].mean() * discounts[at : at + len(run)].sum())
        at += len(run)
    return total / ideal


def reciprocal_rank(gains: ArrayLike, scores: ArrayLike) -> float:
    """1 / rank of the first relevant candidate, expected over the orders of ties; nan without a relevant one.

    With r relevant ones among m tied candidates after s others, the first relevant one is the j-th of the
    tie with probability C(m − j, r − 1) / C(m, r).

    Source: McSherry & Najork 2008, as above, section 3 (reciprocal rank).
    """
    relevant, at = np.asarray(gains, dtype=np.float64) > 0, 0
    for run in _tied_runs(np.asarray(scores, dtype=np.float64)):
        m, r = len(run), int(relevant[run].sum())
        if r:
            return sum(comb(m - j, r - 1) / comb(m, r) / (at + j) for j in range(1, m - r + 2))
        at += m
    return float("nan")


def auc(gains: ArrayLike, scores: ArrayLike) -> float:
    """The share of pairs, one relevant and one not, whose relevant candidate scores higher; a tie counts 1/2.

    The area under the ROC curve; any gain above 0 is relevant. nan where there is no such pair.

    Source: Hanley & McNeil 1982, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", Radiology 143 (Wilcoxon statistic).
    """
    relevant = np.asarray(gains, dtype=np.float64) > 0
    wins = placements(relevant, np.asarray(scores, dtype=np.float64))
    return float(wins[relevant].mean()) if relevant.any() and not relevant.all() else float("nan")


def placements(relevant: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each candidate, the share of the other kind that it is on the right side of; ties count 1/2.

    Args:
        relevant: (n,) bool.
        scores: (n,) float64.

    Returns:
        (n,) float64; 0 where there is none of the other kind. Both kinds' means are the AUC.

    Source: DeLong, DeLong & Clarke-Pearson 1988, "Comparing the areas under two or more correlated receiver
    operating characteristic curves", Biometrics 44 (structural components).
    """
    found = np.zeros(len(scores))
    for kind in (True, False):
        others = np.sort(scores[relevant != kind])
        own = scores[relevant == kind]
        below, up_to = np.searchsorted(others, own, "left"), np.searchsorted(others, own, "right")
        wins = (below + up_to) / 2 if kind else len(others) - (below + up_to) / 2
        found[relevant == kind] = wins / max(len(others), 1)
    return found
