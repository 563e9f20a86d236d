"""Controls: what a held-out cell must beat before it counts as crosslingual generalisation."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from mtft.encoding import TokenLengths
from mtft.evaluation import EvalExample, EvaluationResults, ModelInfo, cells_of, control_samples
from mtft.mixing import Mixture
from mtft.tasks import Example

_PARTNERS = 20_000
_TRAINING_ROWS = 60_000


class ShuffledTargets:
    """A mixture whose targets no longer follow from its inputs: prompts, formats and label words stay.

    An example with answer choices gets one of them at random, any other the target of another row of its
    cell. Both are functions of the position, so the order of processes does not matter.

    Args:
        mixture: The mixture.
        seed: Of the shuffling.
        measure: Tokens of prompts and targets, for packing: another target has another length.
    """

    def __init__(self, mixture: Mixture, seed: int, measure: TokenLengths) -> None:
        self._mixture, self._seed, self._measure = mixture, seed, measure
        units, _, _ = mixture.at(np.arange(min(_PARTNERS, 4 * len(mixture))))
        self._partners: dict[int, npt.NDArray[np.int64]] = {
            int(unit): np.flatnonzero(units == unit) for unit in np.unique(units)
        }

    def __len__(self) -> int:
        return len(self._mixture)

    @property
    def fingerprint(self) -> str:
        """The mixture's, marked as shuffled."""
        return f"{self._mixture.fingerprint}-shuffled-{self._seed}"

    @property
    def parts(self) -> dict[str, Any]:
        """What the fingerprint stands for; see `Mixture.parts`."""
        return {**self._mixture.parts, "shuffled with seed": self._seed}

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        """See `Mixture.groups`."""
        return self._mixture.groups(by)

    def examples(self, positions: npt.NDArray[np.int64]) -> list[Example]:
        """The examples at these positions, each with a target that is not its own doing."""
        units, _, _ = self._mixture.at(positions)
        found = self._mixture.examples(positions)
        return [
            self._shuffled(example, int(position), int(unit))
            for example, position, unit in zip(found, positions, units, strict=True)
        ]

    def lengths(
        self, positions: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Tokens of prompt and shuffled target at each position, both (n,) int32."""
        found = self.examples(positions)
        return self._measure([example.inputs for example in found], [example.target for example in found])

    def _shuffled(self, example: Example, position: int, unit: int) -> Example:
        draw = _draw(f"{self._seed}\t{position}")
        if example.answer_choices:
            return replace(example, targets=(example.answer_choices[draw % len(example.answer_choices)],))
        partners = self._partners.get(unit)
        if partners is None:
            return example
        return replace(example, targets=self._mixture.example(int(partners[draw % len(partners)])).targets)


def _draw(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def bag_of_tokens(
    mixture: Mixture, examples: list[EvalExample], tokenizer: PreTrainedTokenizerBase
) -> EvaluationResults:
    """Results of the classifier over shared tokens, trained on one pass of the mixture's seen languages."""
    train = mixture.examples(np.arange(min(_TRAINING_ROWS, len(mixture))))
    samples = control_samples(train, examples, tokenizer)
    return EvaluationResults(tuple(samples), (ModelInfo("bag_of_tokens"),), cells_of(examples))
