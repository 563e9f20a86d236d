"""A step's examples regrouped, so that every micro-batch holds one group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from mtft.encoding import sizes_of
from mtft.encoding.packing import members, pack
from mtft.training.groups import NO_GROUP, Groups
from mtft.training.normalization import group_amounts, group_shares
from mtft.training.step_data import SlotExamples, StepDataset
from mtft.training.steps import PackSteps

Batch = dict[str, Any]


class GroupedSteps(Dataset):  # type: ignore[type-arg]
    """A process's examples of each step in micro-batches of one group, all with the step's last item.

    Which examples make a step and which process computes them stays as it was; only what shares a micro-batch changes.
    With packing, each group's examples are packed anew within the step and the process, so packs are less
    full than those of the plan, and as exact.

    Args:
        steps: The dataset whose steps these are.
        groups: Of the source.
    """

    def __init__(self, steps: StepDataset, groups: Groups) -> None:
        self.steps, self.groups = steps, groups

    def __len__(self) -> int:
        """As many items as before, so that the library's counting holds."""
        return len(self.steps)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`micro_batches` of the whole step at its last index, before that none.

        Each is as `StepDataset` makes it with the number of its `group`. A process without an example has one
        micro-batch of empty slots, of `NO_GROUP`.
        """
        step, part = divmod(index, self.steps.accumulation)
        if part < self.steps.accumulation - 1:
            return {"micro_batches": []}
        parts = range(self.steps.accumulation)
        read = self.steps.read([slot for each in parts for slot in self.steps.slots(step, each)])
        batches = self._empty(read) if not any(read.filled) else self._batches(read)
        for batch in batches[1:]:
            batch["dropped"] = 0
        return {"micro_batches": batches}

    def _empty(self, read: SlotExamples) -> list[Batch]:
        return [self.steps.batch(read._replace(filled=[[]])) | {"group": NO_GROUP}]

    def _batches(self, read: SlotExamples) -> list[Batch]:
        found: list[Batch] = []
        for group, numbers in self._members(read).items():
            slots = self._slots(read, numbers)
            for first in range(0, len(slots), self.steps.micro_batch):
                filled = slots[first : first + self.steps.micro_batch]
                found.append(self.steps.batch(read._replace(filled=filled)) | {"group": group})
        return found

    def _members(self, read: SlotExamples) -> dict[int, list[int]]:
        """The numbers of the examples of each group, groups ascending."""
        kept = sorted(number for slot in read.filled for number in slot)
        examples = [read.examples[number] for number in kept]
        groups = self.groups.numbers([e.task for e in examples], [e.language for e in examples])
        found: dict[int, list[int]] = {}
        for number, group in sorted(zip(kept, groups, strict=True), key=lambda pair: pair[::-1]):
            found.setdefault(group, []).append(number)
        return found

    def _slots(self, read: SlotExamples, numbers: list[int]) -> list[list[int]]:
        """Slots that hold these examples."""
        plan = self.steps.plan
        if not isinstance(plan, PackSteps):
            return [[number] for number in numbers]
        rows = [read.encoded[number] for number in numbers]
        inputs = np.array([len(row.input_ids) for row in rows])
        targets = np.array([len(row.target_ids) for row in rows])
        sizes = sizes_of(self.steps.encoder.kind, inputs, targets)
        packs = members(pack(sizes, plan.plan.windows.capacities))
        return [[numbers[place] for place in each.tolist()] for each in packs]


def weigh_groups(
    batches: Sequence[Batch],
    kind: str,
    *,
    count: int,
    processes: int,
    add_up: Callable[[list[float]], list[float]],
    target_length_exponent: float = 0.0,
) -> list[int]:
    """The groups of the step in any process, ascending; `row_weights` are scaled in place.

    Each group's loss is the group's own mean over all processes (see `group_shares`). The sum over a process's
    micro-batches, averaged over processes, is the sum of the groups' losses.

    Args:
        batches: This process's micro-batches, each with its `group`.
        kind: The normalisation inside a group: `token`, `target` or `sample`.
        count: All groups.
        processes: Data-parallel processes.
        add_up: Sums lists of numbers over processes.
        target_length_exponent: See `weigh_rows`.
    """
    exponent, amounts = target_length_exponent, torch.zeros(count, dtype=torch.float64)
    numbers = [torch.full((batch["row_weights"].numel(),), batch["group"]) for batch in batches]
    for batch, group in zip(batches, numbers, strict=True):
        amounts += group_amounts(batch, kind, group, count, exponent)
    totals = torch.tensor(add_up(amounts.tolist()), dtype=torch.float64)
    for batch, group in zip(batches, numbers, strict=True):
        batch["row_weights"] = (group_shares(batch, kind, group, totals, exponent) * processes).float()
    return [int(group) for group in torch.nonzero(totals)]
