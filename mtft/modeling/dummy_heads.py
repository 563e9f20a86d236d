"""Random linear heads that nothing trains: what Dummy Gradient norm Regularization looks at a representation with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Words = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

# Weights of heads that are kept from step to step, in numbers: 2**24 are 64 MB.
_KEPT_NUMBERS = 2**24


def scrambled(words: Words) -> Words:
    """Each word as another one, without collisions; uint64 of any shape.

    Source: SplitMix64's finaliser: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators",
        OOPSLA, figure 16.
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    made: Words = words ^ (words >> np.uint64(31))
    return made


class DummyHeads:
    """A linear layer without bias per task and number, each with its own reading of targets as classes.

    Everything follows from seed, task, number and, where heads are drawn anew, step: it is the same in every process,
    on every device and after a resume. Heads are constants: no parameters, not saved, not optimised. No dataclass
    either, since FSDP takes those among a forward's arguments apart.

    Args:
        seed: Of all heads.
        count: Heads of each task.
        classes: Outputs of each head.
        step: Where heads are drawn for each step, its number.
    """

    def __init__(self, seed: int, count: int, classes: int, step: int | None = None) -> None:
        self.seed, self.count, self.classes, self.step = seed, count, classes, step
        self._kept: dict[tuple[object, ...], Tensor] = {}

    def weights(self, tasks: Sequence[str], width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """The heads of these tasks, (tasks, count, classes, width), without gradient.

        Entries are uniform in ±1/sqrt(width), PyTorch's default for a linear layer, as in the paper's code.
        """
        return torch.stack([self._of_task(task, width, device, dtype) for task in tasks])

    def labels(self, tasks: Sequence[str], words: Words) -> Integers:
        """The class of each word under each head.

        Args:
            tasks: Names.
            words: (tasks, examples) uint64: a token, or what `target_words` says of a whole target.

        Returns:
            (tasks, examples, count) int64, below `classes`.
        """
        keys = np.array([[self._key(task, n) for n in range(self.count)] for task in tasks], dtype=np.uint64)
        found = scrambled(words[:, :, None] ^ keys.reshape(len(tasks), 1, self.count))
        classes: Integers = (found % np.uint64(self.classes)).astype(np.int64)
        return classes

    def _of_task(self, task: str, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        place = (task, width, device, dtype)
        if place not in self._kept:
            if len(self._kept) >= max(1, _KEPT_NUMBERS // (self.count * self.classes * width)):
                self._kept.clear()
            drawn = [self._drawn(task, number, width) for number in range(self.count)]
            self._kept[place] = torch.stack(drawn).to(device, dtype)
        return self._kept[place]

    def _drawn(self, task: str, number: int, width: int) -> Tensor:
        """One head, (classes, width) float32; drawn on the CPU, whose numbers are those of every machine."""
        generator = torch.Generator().manual_seed(self._key(task, number) >> 1)
        drawn: Tensor = (torch.rand(self.classes, width, generator=generator) * 2 - 1) / width**0.5
        return drawn

    def _key(self, task: str, number: int) -> int:
        """64 bits of one head."""
        text = "\0".join(map(str, (self.seed, task, number, "" if self.step is None else self.step)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
