"""The train dataloader: micro-batch after micro-batch of one process, straight from the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset

from mtft.encoding import Encoded, Encoder, Positions
from mtft.training.steps import Steps


class TrainExample(Protocol):
    """What training reads of an example."""

    @property
    def inputs(self) -> str:
        """The prompt."""

    @property
    def target(self) -> str:
        """The target that trains."""

    @property
    def task(self) -> str:
        """The task's name."""

    @property
    def language(self) -> str:
        """Code of the row's language."""


class ExampleSource(Protocol):
    """Where examples come from: a mixture, or anything that has examples at positions."""

    @property
    def fingerprint(self) -> str:
        """Changes when any position holds another example."""

    def examples(self, positions: npt.NDArray[np.int64], /) -> Sequence[TrainExample]:
        """The examples at these positions, in this order."""


class StepDataset(Dataset):  # type: ignore[type-arg]
    """One process's micro-batches: item i is micro-batch i % accumulation of step i // accumulation.

    Args:
        source: The examples.
        encoder: Text to ids; an example over its limits is left out and counted.
        plan: Slots of each step.
        steps: Optimiser steps in all.
        rank: This process.
        processes: All processes.
        accumulation: Micro-batches per step.
        micro_batch: Slots per micro-batch.
    """

    def __init__(
        self,
        source: ExampleSource,
        encoder: Encoder,
        plan: Steps,
        *,
        steps: int,
        rank: int,
        processes: int,
        accumulation: int,
        micro_batch: int,
    ) -> None:
        self.source, self.encoder, self.plan = source, encoder, plan
        self.steps, self.rank, self.processes = steps, rank, processes
        self.accumulation, self.micro_batch = accumulation, micro_batch

    def __len__(self) -> int:
        """Micro-batches in all."""
        return self.steps * self.accumulation

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The collator's tensors, and what is known of each example beside its ids.

        `positions`, `tasks` and `languages` are lists as long as `row_weights` has entries, in its order (row by
        row), with -1 and empty names where there is no example. `shifted` says whether position p is
        predicted from p - 1; `dropped` counts the examples over the limits.
        """
        return self.batch(self.read(self.slots(*divmod(index, self.accumulation))))

    def slots(self, step: int, part: int) -> list[Positions]:
        """The positions in each slot of one micro-batch of this process."""
        return self.plan.deal(
            step,
            processes=self.processes,
            accumulation=self.accumulation,
            micro_batch=self.micro_batch,
            rank=self.rank,
            part=part,
        )

    def read(self, slots: Sequence[Positions]) -> SlotExamples:
        """The examples of these slots, encoded."""
        positions = np.concatenate(slots)
        examples = list(self.source.examples(positions)) if len(positions) else []
        encoded = self.encoder.encode_batch([e.inputs for e in examples], [e.target for e in examples])
        kept = [self.encoder.drop_reason(row) is None for row in encoded]
        owner = np.repeat(np.arange(len(slots)), [len(slot) for slot in slots])
        filled: list[list[int]] = [[] for _ in slots]
        for number in np.flatnonzero(kept).tolist():
            filled[owner[number]].append(number)
        return SlotExamples(positions.tolist(), examples, encoded, filled, dropped=kept.count(False))

    def batch(self, read: SlotExamples) -> dict[str, Any]:
        """The tensors of what was read; see `__getitem__`."""
        batch: dict[str, Any] = dict(self.plan.collate(_taken(read.encoded, read.filled)))
        width = batch["row_weights"].numel() // len(read.filled)
        return batch | {
            "positions": _flat(read.positions, read.filled, width, -1),
            "tasks": _flat([example.task for example in read.examples], read.filled, width, ""),
            "languages": _flat([example.language for example in read.examples], read.filled, width, ""),
            "shifted": self.encoder.kind == "causal",
            "dropped": read.dropped,
        }


class SlotExamples(NamedTuple):
    """Encoded examples, and which slots hold them.

    Attributes:
        positions: Of each example in the source.
        examples: Likewise.
        encoded: Likewise.
        filled: The numbers of the examples in each slot, those over the limits left out.
        dropped: How many are over the limits.
    """

    positions: list[int]
    examples: list[TrainExample]
    encoded: list[Encoded]
    filled: list[list[int]]
    dropped: int


def _taken(encoded: Sequence[Encoded], filled: Sequence[Sequence[int]]) -> list[list[Encoded]]:
    return [[encoded[number] for number in slot] for slot in filled]


def _flat(values: Sequence[Any], filled: Sequence[Sequence[int]], width: int, nothing: Any) -> list[Any]:
    """The values slot by slot, each slot filled up to `width`."""
    found: list[Any] = []
    for slot in filled:
        found += [values[number] for number in slot] + [nothing] * (width - len(slot))
    return found


class _InOrder:
    """Batches of one index each, 0 and on."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        return ([index] for index in range(self.count))


def _only(items: list[dict[str, Any]]) -> dict[str, Any]:
    """The one micro-batch that the sampler asked for."""
    return items[0]


def step_loader(dataset: StepDataset, *, workers: int = 0, pin_memory: bool = False) -> DataLoader[Any]:
    """A loader of the dataset's micro-batches in order.

    It has a batch sampler of single indices, so the library resumes by leaving out indices: no example of a
    skipped step is read.
    """
    return DataLoader(
        dataset,
        batch_sampler=_InOrder(len(dataset)),
        collate_fn=_only,
        num_workers=workers,
        pin_memory=pin_memory,
    )
