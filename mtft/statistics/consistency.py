"""Whether a model answers an item alike however it is asked."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike


def consistency(answers: ArrayLike, kinds: ArrayLike) -> float:
    """The share of template pairs that give the same answer to an item, over all items; nan without a pair.

    Args:
        answers: (items, templates) int, the place of the chosen answer; negative where there is none.
        kinds: (items, templates) int; a pair of templates counts for an item only where these are equal, such
            as the number of choices and the place of the right one: else equal places are not equal answers.

    Example: answers [[0, 0, 1]] of one kind agree in one of three pairs: 1/3.

    Source: consistency rate as in lm-evaluation-harness's SCORE tasks (Nalbandyan et al. 2025, "SCORE", arXiv
    2503.00137): agreement over all pairs of prompts.
    """
    given, kind = np.asarray(answers), np.asarray(kinds)
    same = counted = 0
    for one, two in combinations(range(given.shape[1]), 2):
        comparable = (given[:, one] >= 0) & (given[:, two] >= 0) & (kind[:, one] == kind[:, two])
        counted += int(comparable.sum())
        same += int((comparable & (given[:, one] == given[:, two])).sum())
    return same / counted if counted else float("nan")
