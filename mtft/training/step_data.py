"""The train dataloader: micro-batch after micro-batch of one process, straight from the step plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset

from mtft.encoding import EMPTY, Collator, Encoded, Encoder, StepPlan


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


class ExampleSource(Protocol):
    """Where examples come from: a mixture, or anything that has examples at positions."""

    @property
    def fingerprint(self) -> str:
        """Changes when any position holds another example."""

    def examples(self, positions: npt.NDArray[np.int64]) -> Sequence[TrainExample]:
        """The examples at these positions, in this order."""


class StepDataset(Dataset):  # type: ignore[type-arg]
    """One process's micro-batches: item i is micro-batch i % accumulation of step i // accumulation.

    Args:
        source: The examples.
        encoder: Text to ids; an example over its limits leaves its slot empty and is counted.
        plan: Rows of each step.
        steps: Optimiser steps in all.
        rank: This process.
        processes: All processes.
        accumulation: Micro-batches per step.
        micro_batch: Rows per micro-batch.
    """

    def __init__(
        self,
        source: ExampleSource,
        encoder: Encoder,
        plan: StepPlan,
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
        self.collate = Collator(encoder)

    def __len__(self) -> int:
        """Micro-batches in all."""
        return self.steps * self.accumulation

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The collator's tensors with `tasks` (a name per row), `shifted` and `dropped` (over the limits)."""
        step, part = divmod(index, self.accumulation)
        slots = self.plan.deal(
            step, processes=self.processes, accumulation=self.accumulation, micro_batch=self.micro_batch
        )[part, self.rank]
        filled = slots != EMPTY
        examples = self.source.examples(slots[filled]) if filled.any() else []
        encoded = self.encoder.encode_batch([e.inputs for e in examples], [e.target for e in examples])
        kept = [row if self.encoder.drop_reason(row) is None else None for row in encoded]
        rows: list[Encoded | None] = [None] * len(slots)
        tasks = [""] * len(slots)
        for slot, row, example in zip(np.flatnonzero(filled), kept, examples, strict=True):
            rows[slot], tasks[slot] = row, example.task
        batch: dict[str, Any] = dict(self.collate(rows))
        return batch | {"tasks": tasks, "shifted": self.encoder.kind == "causal", "dropped": kept.count(None)}


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
