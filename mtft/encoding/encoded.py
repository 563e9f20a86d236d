"""The encoded example, and the limits it must keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as token ids.

    Attributes:
        input_ids: (input tokens,) int32; the prompt. Not trained on.
        target_ids: (target tokens,) int32; what the model learns to write, end-of-sequence included.
    """

    input_ids: Ids
    target_ids: Ids

    def __len__(self) -> int:
        """Tokens in all."""
        return len(self.input_ids) + len(self.target_ids)


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """How long an example may be; a longer one is dropped whole and counted, never cut.

    A cut prompt may have lost the question, a cut target teaches the model to stop early.

    Attributes:
        max_input_tokens: Longest prompt, in tokens; None for any.
        max_target_tokens: Longest target, end-of-sequence included; None for any.
    """

    max_input_tokens: int | None = None
    max_target_tokens: int | None = None

    def drop_reason(self, input_tokens: int, target_tokens: int) -> str | None:
        """Why an example of these lengths is dropped, or None.

        Example: `TokenLimits(512, 64).drop_reason(600, 10)` is `"input_too_long"`.
        """
        if self.max_input_tokens is not None and input_tokens > self.max_input_tokens:
            return "input_too_long"
        if self.max_target_tokens is not None and target_tokens > self.max_target_tokens:
            return "target_too_long"
        return None
