"""Score functions: the value by which answer choices are ranked, all from the same log-likelihoods.

| function    | value of a choice                            | in lm-evaluation-harness                        |
|-------------|----------------------------------------------|-------------------------------------------------|
| `sum`       | Σ log p(token)                               | `acc`                                           |
| `token`     | the sum over the number of scored tokens     |                                                 |
| `character` | the sum over the choice's characters         | `acc_norm` (documented as bytes, issue #3278)   |
| `byte`      | the sum over the choice's UTF-8 bytes        | `acc_bytes`                                     |
| `pmi`       | the sum − log p(choice) after an empty prompt | `acc_mutual_info`                               |

Lengths are those of the choice as the template writes it, without a protocol's space; scored tokens include an end
token where the protocol scores one. Characters differ from bytes by a factor of three between scripts, so the two
rank choices in mixed scripts differently.

Source: `token`: Brown et al. 2020, arXiv 2005.14165, section 2.4; `byte`: Gao 2021, "Multiple Choice Normalization in
LM Evaluation", https://blog.eleuther.ai/multiple-choice-normalization/; `pmi`: Holtzman et al. 2021, "Surface Form
Competition", arXiv 2104.08315, section 3, with an empty domain premise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtft.errors import SuiteError, nearest
from mtft.evaluation.judgement import Unscorable

FloatArray = NDArray[np.float64]
SUM, PMI = "sum", "pmi"


class ChoiceScores(NamedTuple):
    """What one pass over an example's choices says of them, or over n examples of k choices each.

    Attributes:
        loglikelihoods: (k,) or (n, k), natural logarithms.
        tokens: Scored tokens of each choice; None where they are not known.
        characters: Unicode characters of each choice.
        bytes: UTF-8 bytes of each choice.
        priors: Log-likelihood of each choice after an empty prompt; None where it was not asked for.
    """

    loglikelihoods: FloatArray
    tokens: FloatArray | None
    characters: FloatArray
    bytes: FloatArray
    priors: FloatArray | None


def _by_token(scores: ChoiceScores) -> FloatArray:
    if scores.tokens is None:
        raise Unscorable("the number of the choices' tokens is not known")
    return scores.loglikelihoods / scores.tokens


def _pmi(scores: ChoiceScores) -> FloatArray:
    if scores.priors is None:
        raise Unscorable("the choices' unconditional log-likelihoods are not known")
    return scores.loglikelihoods - scores.priors


SCORE_FUNCTIONS: dict[str, Callable[[ChoiceScores], FloatArray]] = {
    SUM: lambda scores: scores.loglikelihoods,
    "token": _by_token,
    "character": lambda scores: scores.loglikelihoods / scores.characters,
    "byte": lambda scores: scores.loglikelihoods / scores.bytes,
    PMI: _pmi,
}
# Those that ask nothing more of the model.
FREE = tuple(name for name in SCORE_FUNCTIONS if name != PMI)


def check_score_function(name: str, where: object = None) -> None:
    """Checks a name.

    Raises:
        SuiteError: No score function has it.
    """
    if name not in SCORE_FUNCTIONS:
        raise SuiteError(
            "A score function must be one of the known ones.",
            found=f"`{name}`",
            where=where,
            remedy=nearest(name, SCORE_FUNCTIONS),
        )


@lru_cache(maxsize=2**16)
def _lengths(choices: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(map(len, choices)), tuple(len(choice.encode("utf-8")) for choice in choices)


def choice_scores(
    choices: Sequence[tuple[str, ...]],
    loglikelihoods: Sequence[tuple[float, ...]],
    tokens: Sequence[tuple[int, ...]],
    priors: Sequence[tuple[float, ...]],
) -> ChoiceScores:
    """The scores of n examples that have as many choices each, as arrays (n, k).

    Args:
        choices: Of each example.
        loglikelihoods: Likewise.
        tokens: Likewise; an empty one says that they are not known.
        priors: Likewise.
    """
    lengths = [_lengths(each) for each in choices]
    return ChoiceScores(
        np.array(loglikelihoods, dtype=np.float64),
        _array_if_all(tokens),
        np.array([characters for characters, _ in lengths], dtype=np.float64),
        np.array([size for _, size in lengths], dtype=np.float64),
        _array_if_all(priors),
    )


def _array_if_all(rows: Sequence[Sequence[float]]) -> FloatArray | None:
    return np.array(rows, dtype=np.float64) if all(rows) else None


def score_values(
    function: str,
    choices: tuple[str, ...],
    loglikelihoods: tuple[float, ...],
    tokens: tuple[int, ...] = (),
    priors: tuple[float, ...] = (),
) -> tuple[float, ...]:
    """The values that rank one example's choices.

    Example: with "no" at -2 and "perhaps" at -3.5, `sum` prefers "no" (-2), `character` "perhaps" (-1 and -0.5).

    Raises:
        Unscorable: The function needs what the example does not have.
    """
    if function == SUM:
        return loglikelihoods
    values = SCORE_FUNCTIONS[function](choice_scores([choices], [loglikelihoods], [tokens], [priors]))
    found: tuple[float, ...] = tuple(values[0].tolist())
    return found
