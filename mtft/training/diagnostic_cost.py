"""What diagnostics cost, in passes of one example through the model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_FORWARDS_OF_A_BACKWARD = 2  # a backward pass takes about two forward passes' work


@dataclass(frozen=True)
class Passes:
    """Forward and backward passes of single examples."""

    forward: int = 0
    backward: int = 0

    def __add__(self, other: Passes) -> Passes:
        return Passes(self.forward + other.forward, self.backward + other.backward)

    def times(self, count: int) -> Passes:
        """So many of them."""
        return Passes(self.forward * count, self.backward * count)

    @property
    def work(self) -> int:
        """In forward passes."""
        return self.forward + _FORWARDS_OF_A_BACKWARD * self.backward


def passes_of(
    quantities: Collection[str], *, examples: int, in_batches: int, sharpness_steps: int, scored: int
) -> Passes:
    """The passes of one measurement over all processes together.

    Args:
        quantities: What is measured.
        examples: Training examples of all tasks.
        in_batches: Those of them that equal batches hold.
        sharpness_steps: Steps of the ascent.
        scored: Sequences that the development metric scores.

    Example: the loss and the conflict of 10 examples are 20 forward and 10 backward passes.
    """
    total = Passes()
    if "train_loss" in quantities:
        total += Passes(examples)
    if "dev_metric" in quantities:
        total += Passes(scored)
    if {"conflict", "gradient_norm", "coherence"} & set(quantities):
        total += Passes(in_batches, in_batches)
    if "fisher_trace" in quantities:
        total += Passes(in_batches, in_batches)
    if "sharpness" in quantities:
        total += Passes(in_batches, in_batches).times(sharpness_steps + 1)
    return total


def cost_line(one: Passes, measurements: int, training_examples: int, kept_bytes: int) -> str:
    """What is told before the first measurement.

    Args:
        one: Of one measurement.
        measurements: How many are to come.
        training_examples: Examples of the steps to come, each one forward and one backward pass.
        kept_bytes: Memory of the gradients that are kept at once.
    """
    own = Passes(training_examples, training_examples)
    share = one.times(measurements).work / max(own.work, 1)
    return (
        f"Diagnostics: {measurements} measurements of {one.forward:,} forward and {one.backward:,} backward passes of "
        f"an example each, in all {share:.1%} of the training's own {own.forward:,} forward and {own.backward:,} "
        f"backward passes (a backward counted as two forwards); {kept_bytes / 2**20:,.0f} MiB of gradients at once."
    )
