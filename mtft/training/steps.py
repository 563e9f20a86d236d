"""What each optimiser step learns from: rows, or packs of rows, dealt out to processes and micro-batches."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np

from mtft.encoding import (
    EMPTY,
    SAMPLE,
    Batch,
    Capacities,
    Collator,
    Encoded,
    Encoder,
    LengthSource,
    PackedCollator,
    PackPlan,
    PackWindows,
    Positions,
    StepPlan,
    UnevenPlan,
    filling,
    fillings,
    in_words,
    sizes_of,
)
from mtft.errors import ConfigError
from mtft.training.arguments import MultitaskArguments

logger = logging.getLogger(__name__)

NOWHERE: Positions = np.empty(0, dtype=np.int64)


class Steps(Protocol):
    """The slots of every step: each takes one row of the forward pass, and holds no example, one, or a pack.

    Attributes:
        kind: `rows` or `packs`, what a slot holds.
        per_step: Slots of one optimiser step over all processes.
    """

    kind: str
    per_step: int

    @property
    def count(self) -> int | None:
        """Optimiser steps in all, or None without an end."""

    @property
    def identity(self) -> dict[str, str]:
        """What a resumed run must share, by name."""

    def deal(
        self, step: int, *, processes: int, accumulation: int, micro_batch: int, rank: int, part: int
    ) -> list[Positions]:
        """The slots of one process's micro-batch, (micro_batch) arrays of positions, empty ones included."""

    def collate(self, slots: Sequence[Sequence[Encoded]]) -> Batch:
        """The tensors of these slots."""

    def examples(self, steps: int) -> int:
        """Examples of the first `steps` steps."""

    def dropped(self, steps: int) -> int:
        """Examples that the first `steps` steps passed over because no slot holds them."""

    def state(self, step: int) -> dict[str, Any]:
        """What `restore` needs to continue at this step; JSON holds it."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""


@runtime_checkable
class SteppedSource(Protocol):
    """A source that says which of its rows make each step.

    Attributes:
        steps_identity: What that follows from, for resuming; None where it leaves it to the settings.
    """

    @property
    def steps_identity(self) -> str | None:
        """See above."""

    def step_starts(self, steps: int) -> Positions:
        """(steps + 1,) int64: the position that each step begins with, and the end of the last."""


class RowSteps:
    """Steps of so many rows, one example each."""

    kind = "rows"

    def __init__(self, plan: StepPlan, encoder: Encoder) -> None:
        self.plan, self.per_step, self.count = plan, plan.rows_per_step, plan.steps
        self._collator = Collator(encoder)

    @property
    def identity(self) -> dict[str, str]:
        """The rows of a step."""
        return {"rows_per_step": self.plan.identity}

    def deal(
        self, step: int, *, processes: int, accumulation: int, micro_batch: int, rank: int, part: int
    ) -> list[Positions]:
        """See `Steps`."""
        dealt = self.plan.deal(step, processes=processes, accumulation=accumulation, micro_batch=micro_batch)[
            part, rank
        ]
        return [NOWHERE if position == EMPTY else np.array([position]) for position in dealt.tolist()]

    def collate(self, slots: Sequence[Sequence[Encoded]]) -> Batch:
        """See `Collator`."""
        return self._collator([next(iter(slot), None) for slot in slots])

    def examples(self, steps: int) -> int:
        """See `Steps`."""
        return self.plan.rows(steps)

    def dropped(self, steps: int) -> int:
        """None: a row of its own holds any example."""
        return 0

    def state(self, step: int) -> dict[str, Any]:
        """Nothing: steps follow from their number."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to do."""


class PackSteps:
    """Steps of so many packs; see `PackPlan`."""

    kind = "packs"

    def __init__(self, plan: PackPlan, encoder: Encoder) -> None:
        self.plan, self.per_step = plan, plan.packs_per_step
        self._collator = PackedCollator(encoder, plan.windows.capacities)

    @property
    def count(self) -> int | None:
        """Steps in all; the first call packs every window there is."""
        return self.plan.steps

    @property
    def identity(self) -> dict[str, str]:
        """The packs of a step, and what decides them."""
        return {"packs_per_step": str(self.per_step), "packs": self.plan.windows.fingerprint}

    def deal(
        self, step: int, *, processes: int, accumulation: int, micro_batch: int, rank: int, part: int
    ) -> list[Positions]:
        """See `Steps`."""
        packs = self.plan.packs(step)
        dealt = self.plan.deal(step, processes=processes, accumulation=accumulation, micro_batch=micro_batch)[
            part, rank
        ]
        return [NOWHERE if number == EMPTY else packs[number] for number in dealt.tolist()]

    def collate(self, slots: Sequence[Sequence[Encoded]]) -> Batch:
        """See `PackedCollator`."""
        return self._collator(slots)

    def examples(self, steps: int) -> int:
        """See `Steps`."""
        return self.plan.examples(steps)

    def dropped(self, steps: int) -> int:
        """Examples larger than a pack; see `PackPlan.dropped`."""
        return self.plan.dropped(steps)

    def state(self, step: int) -> dict[str, Any]:
        """Where the packs of this step lie."""
        return self.plan.state(step)

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `PackPlan.restore`."""
        self.plan.restore(state)


def plan_steps(
    args: MultitaskArguments, source: Any, encoder: Encoder, *, own_forward: bool
) -> tuple[RowSteps | PackSteps, int]:
    """The steps, and how many there are.

    Args:
        args: `max_steps` or `num_train_epochs`, the batch, and the packing.
        source: An `ExampleSource`; for packing also a `LengthSource`. One that says which of its rows make a step
            (`SteppedSource`) decides that, and the batch only how they are shared out.
        encoder: Of the run.
        own_forward: Whether the model's forward understands packs; with one that does not, steps are of rows.

    Raises:
        ConfigError: There is no end, packing lacks lengths, or no example fits.
    """
    slots = args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
    per_step = args.global_batch_size or slots
    if args.packing and not own_forward:
        logger.warning(
            "Packing is for BLOOM and mT5: this model trains unpacked, %d rows per step instead of packs.",
            per_step,
        )
    if (uneven := uneven_plan(args, source)) is not None:
        return RowSteps(uneven, encoder), args.max_steps
    total = _total_rows(args, source)
    steps: RowSteps | PackSteps
    if args.packing and own_forward:
        steps = PackSteps(PackPlan(_windows(args, source, encoder, total), per_step), encoder)
    else:
        if total is None:
            total = args.max_steps * per_step
        steps = RowSteps(StepPlan(per_step, total), encoder)
    return steps, args.max_steps if args.max_steps > 0 else int(steps.count or 0)


def expected_examples(args: MultitaskArguments, source: Any, encoder: Encoder, *, own_forward: bool) -> int:
    """How many positions of the source the training will take; of packs, as those of the first positions hold.

    `args.pack_capacity` is settled by this where it was left to the data.

    Raises:
        ConfigError: As `plan_steps`.
    """
    per_step = args.global_batch_size or (
        args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size
    )
    if (uneven := uneven_plan(args, source)) is not None:
        return uneven.rows(args.max_steps)
    total = _total_rows(args, source)
    if total is not None:
        return total
    if not (args.packing and own_forward):
        return int(args.max_steps * per_step)
    windows = _windows(args, source, encoder, total)
    args.pack_capacity = list(windows.capacities)
    sizes = sizes_of(encoder.kind, *windows.source.lengths(np.arange(SAMPLE)))
    packs = filling(sizes, windows.capacities, args.pack_window)
    rows: int = round(packs.examples_per_pack * per_step * args.max_steps)
    return rows


def uneven_plan(args: MultitaskArguments, source: Any) -> UnevenPlan | None:
    """The steps of a source that says itself what each of them holds; None of any other.

    Raises:
        ConfigError: Packing, a global batch, or epochs would say it too, or no step has a row.
    """
    if not isinstance(source, SteppedSource) or source.steps_identity is None:
        return None
    given = {
        "packing": args.packing,
        "global_batch_size": args.global_batch_size,
        "num_train_epochs in place of max_steps": args.max_steps < 1,
    }
    if others := [name for name, there in given.items() if there]:
        raise ConfigError(
            "Where a run takes from each step of a mixture its tasks' rows, nothing else can decide its steps.",
            found=", ".join(others),
            remedy="Give --max_steps and --per_device_train_batch_size.",
        )
    return UnevenPlan(source.step_starts(args.max_steps), source.steps_identity)


def _total_rows(args: MultitaskArguments, source: Any) -> int | None:
    """Positions in all where epochs say it, None where steps do."""
    if args.max_steps > 0:
        return None
    if not isinstance(source, Sized):
        raise ConfigError(
            "Training needs an end: `max_steps`, or a mixture with a length.",
            found=f"max_steps={args.max_steps}",
            remedy="Give --max_steps.",
        )
    rows: int = math.ceil(args.num_train_epochs * len(source))
    return rows


def _windows(args: MultitaskArguments, source: Any, encoder: Encoder, total: int | None) -> PackWindows:
    if not _has_lengths(source):
        raise ConfigError(
            "Packing needs every example's length before it is read.",
            found=f"a {type(source).__name__} without `lengths`",
            remedy="Train on a mixture, give the source a `lengths(positions)`, or set --packing false.",
        )
    _check_measure(source, encoder)
    capacities = tuple(args.pack_capacity) or _proposed(args, source, encoder, total)
    return PackWindows(
        source,
        encoder.kind,
        capacities,
        total_rows=total,
        window=args.pack_window,
        seed=args.data_seed if args.data_seed is not None else args.seed,
        over_capacity=args.over_capacity,  # type: ignore[arg-type]
    )


def _proposed(
    args: MultitaskArguments, source: LengthSource, encoder: Encoder, total: int | None
) -> Capacities:
    """The capacity that `mtft mixture describe --packing` proposes for the first positions."""
    rows = SAMPLE if total is None else min(SAMPLE, total)
    _, chosen = fillings(source, encoder.kind, rows, args.pack_window)
    logger.info(
        "Packs of %s, proposed from the data: %s %% full, %.1f examples each.",
        in_words(chosen.capacities),
        " and ".join(f"{100 * share:.1f}" for share in chosen.utilisation),
        chosen.examples_per_pack,
    )
    return chosen.capacities


def _has_lengths(source: Any) -> TypeGuard[LengthSource]:
    return callable(getattr(source, "lengths", None))


def _check_measure(source: Any, encoder: Encoder) -> None:
    """Refuse lengths in bytes or in another tokenizer's tokens, where the source says what measured them."""
    measure = getattr(getattr(source, "index", None), "measure", None)
    if measure is not None and measure != encoder.measure.fingerprint:
        raise ConfigError(
            "Packing needs lengths in the tokens of the encoder that trains.",
            found=f"lengths measured by {measure}, the encoder is {encoder.measure.fingerprint}",
            remedy="Index the mixture with it: `built.index(encoder.measure)`.",
        )
