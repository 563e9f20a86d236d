"""Token lengths of many texts, for a mixture's index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mtft.encoding.encoded import Encoded


class BatchEncoder(Protocol):
    """What is asked of an encoder here."""

    @property
    def fingerprint(self) -> str:
        """Changes when any text gets other ids."""

    def encode_batch(self, inputs: Sequence[str], targets: Sequence[str]) -> list[Encoded]:
        """Many examples' ids."""


class TokenLengths:
    """Lengths as an encoder gives them: what the mixture's index stores is what the trainer will see.

    Args:
        encoder: The encoder of the run.
    """

    def __init__(self, encoder: BatchEncoder) -> None:
        self._encoder = encoder
        self.fingerprint = encoder.fingerprint

    def __call__(
        self, inputs: Sequence[str], targets: Sequence[str]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Tokens of each prompt and of each target, both (rows,) int32, special tokens included.

        Example: `(["2 + 2 ="], ["4"])` under a seq2seq encoder of words is `([5], [2])`.
        """
        encoded = self._encoder.encode_batch(inputs, targets)
        input_tokens = np.fromiter((len(e.input_ids) for e in encoded), dtype=np.int32, count=len(encoded))
        target_tokens = np.fromiter((len(e.target_ids) for e in encoded), dtype=np.int32, count=len(encoded))
        return input_tokens, target_tokens
