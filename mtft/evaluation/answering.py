"""How a suite wants answers made and ranked, for all its tasks or for one."""

from __future__ import annotations

from dataclasses import dataclass

from mtft.errors import SuiteError
from mtft.evaluation.score_functions import FREE, SUM, check_score_function


@dataclass(frozen=True)
class Answering:
    """What decides an answer beside the model and the scoring protocol.

    Attributes:
        score_function: Ranks the choices (`mtft.evaluation.score_functions`); published protocols sum.
        score_functions: Those whose accuracy is reported too; `pmi` costs requests of its own.
        min_new_tokens: A generation does not end before it has so many tokens.
    """

    score_function: str = SUM
    score_functions: tuple[str, ...] = FREE
    min_new_tokens: int = 0

    def check(self, where: str) -> None:
        """Checks the settings.

        Raises:
            SuiteError: A score function is unknown, or the number of tokens is below zero.
        """
        for name in (self.score_function, *self.score_functions):
            check_score_function(name, where)
        if self.min_new_tokens < 0:
            raise SuiteError("`min_new_tokens` must be at least 0.", found=self.min_new_tokens, where=where)

    def check_length(self, max_new_tokens: int, where: str) -> None:
        """Checks the shortest answer against the longest.

        Raises:
            SuiteError: It is longer.
        """
        if self.min_new_tokens > max_new_tokens:
            raise SuiteError(
                "`min_new_tokens` must be at most the card's `max_new_tokens`.",
                found=f"{self.min_new_tokens}, and at most {max_new_tokens}",
                where=where,
            )


PLAIN = Answering()
