"""A linear classifier over the tokens of a prompt, blind to their order: what a shared vocabulary alone
transfers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from mtft.statistics import FloatArray

Tokens = Sequence[int]


@dataclass(frozen=True)
class ChoiceProblem:
    """Prompts with choices, as tokens.

    Attributes:
        prompts: Tokens of each prompt.
        choices: Tokens of each prompt's choices.
        fixed: All prompts have the same choices: labels, told apart by their place.
    """

    prompts: Sequence[Tokens]
    choices: Sequence[Sequence[Tokens]]
    fixed: bool

    def features(self, vocabulary: int) -> tuple[sparse.csr_matrix, NDArray[np.int64]]:
        """One row per choice, and the prompt each row belongs to.

        Labels: the prompt's token frequencies, in a block of their own per label. Choices that differ from
        prompt to
        prompt: the choice's tokens, how often each of them stands in the prompt (summed), its length and
        place.
        """
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        owners: list[int] = []
        for prompt, (tokens, choices) in enumerate(zip(self.prompts, self.choices, strict=True)):
            counts = Counter(tokens)
            for place, choice in enumerate(choices):
                made = (
                    self._labelled(counts, place, vocabulary)
                    if self.fixed
                    else _own(counts, choice, place, vocabulary)
                )
                columns += made.keys()
                values += made.values()
                rows += [len(owners)] * len(made)
                owners.append(prompt)
        width = vocabulary * (max(map(len, self.choices), default=1) if self.fixed else 1) + _EXTRA
        table = sparse.csr_matrix((values, (rows, columns)), shape=(len(owners), width))
        return table, np.array(owners, dtype=np.int64)

    @staticmethod
    def _labelled(counts: Counter[int], place: int, vocabulary: int) -> dict[int, float]:
        scale = sum(counts.values()) ** -0.5 if counts else 0.0
        return {place * vocabulary + token: n * scale for token, n in counts.items()}


_EXTRA = 12  # overlap, length and up to ten places, in the last columns


def _own(counts: Counter[int], choice: Tokens, place: int, vocabulary: int) -> dict[int, float]:
    found = dict.fromkeys(choice, 1.0)
    found[vocabulary] = float(sum(np.log1p(counts[token]) for token in set(choice))) / max(
        1, len(set(choice))
    )
    found[vocabulary + 1] = len(choice) ** 0.5
    found[vocabulary + 2 + min(place, 9)] = 1.0
    return found


def _log_softmax(scores: FloatArray, owners: NDArray[np.int64]) -> FloatArray:
    """Log-probabilities of each prompt's choices, (rows,)."""
    top = np.full(owners[-1] + 1, -np.inf)
    np.maximum.at(top, owners, scores)
    shifted = scores - top[owners]
    return np.asarray(shifted - np.log(np.bincount(owners, np.exp(shifted)))[owners])


def fit(
    table: sparse.csr_matrix, owners: NDArray[np.int64], right: NDArray[np.bool_], penalty: float = 1e-3
) -> FloatArray:
    """Weights (features,) of a conditional logit: P(choice) ∝ exp(w · x), with a squared penalty.

    Args:
        table: (rows, features), one row per choice.
        owners: (rows,) the prompt of each row, ascending.
        right: (rows,) whether the row is its prompt's answer; one per prompt.
        penalty: Per prompt, on half the squared norm.

    Source: McFadden 1974, "Conditional logit analysis of qualitative choice behavior", eq. 12.
    """
    n = float(owners[-1] + 1)
    wanted = right.astype(np.float64)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        log_p = _log_softmax(table @ weights, owners)
        value = -float(log_p @ wanted) / n + penalty / 2 * float(weights @ weights)
        gradient = table.T @ (np.exp(log_p) - wanted) / n + penalty * weights
        return value, np.asarray(gradient)

    start = np.zeros(table.shape[1])
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 80})
    return np.asarray(found.x, dtype=np.float64)


def choose(table: sparse.csr_matrix, owners: NDArray[np.int64], weights: FloatArray) -> list[list[float]]:
    """Log-probability of every choice of every prompt."""
    log_p = _log_softmax(table @ weights, owners)
    starts = np.flatnonzero(np.diff(owners)) + 1
    return [part.tolist() for part in np.split(log_p, starts)]
