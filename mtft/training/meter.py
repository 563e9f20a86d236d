"""What training gets done: tokens and examples per second, how full batches are, utilisation of the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor

from mtft.training.flops import ModelCost
from mtft.training.normalization import target_tokens

Batch = Mapping[str, Any]


@dataclass
class Counts:
    """What micro-batches hold; all of it is counted before they go to the device.

    Attributes:
        examples: Those with a weight.
        inputs: Prompt tokens; of a causal model prompt and target tokens together.
        targets: An encoder-decoder's target tokens; 0 for a causal model.
        input_places: Places of the tensors that inputs could take, padding included.
        target_places: The same for targets.
        input_room: Tokens that would fit: packs times capacity, or the places where rows have no capacity.
        target_room: The same for targets.
        flops: Operations of the model; see `ModelCost`.
    """

    examples: float = 0.0
    inputs: float = 0.0
    targets: float = 0.0
    input_places: float = 0.0
    target_places: float = 0.0
    input_room: float = 0.0
    target_room: float = 0.0
    flops: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def tokens(self) -> float:
        """Useful tokens: prompts and targets, no padding."""
        return self.inputs + self.targets


def count(batch: Batch, cost: ModelCost, capacities: Sequence[int] = ()) -> Counts:
    """The counts of one micro-batch.

    Args:
        batch: From the collator, on the CPU, with `shifted` (whether the model is causal) beside the tensors.
        cost: The model's.
        capacities: Of a pack: tokens, for an encoder-decoder input and target tokens; none without packing.

    Example: rows of 3 and 2 prompt tokens padded to [2, 3] have 5 inputs in 6 places.
    """
    present = (batch["row_weights"] > 0).flatten()
    inputs = _input_lengths(batch).flatten()[present]
    targets = target_tokens(batch).flatten()[present]  # type: ignore[arg-type]  # a Mapping will do
    rows, width = batch["input_ids"].shape
    separate = not batch["shifted"]
    places = [rows * width, batch["labels"].numel() if separate else 0]
    room = [rows * capacity for capacity in capacities] or places
    return Counts(
        examples=float(present.sum()),
        inputs=float(inputs.sum()),
        targets=float(targets.sum()) if separate else 0.0,
        input_places=float(places[0]),
        target_places=float(places[1]),
        input_room=float(room[0]),
        target_room=float(room[1]) if separate else 0.0,
        flops=cost.flops(inputs, targets),
    )


def _input_lengths(batch: Batch) -> Tensor:
    """Tokens of each example's input, int64 in the shape of `row_weights`."""
    if "segments" not in batch:
        lengths: Tensor = batch["attention_mask"].sum(dim=1)
        return lengths
    segments: Tensor = batch["segments"].long()
    counts = torch.zeros(len(segments), batch["row_weights"].shape[1] + 1, dtype=torch.int64)
    counts.scatter_add_(1, segments, torch.ones_like(segments))
    return counts[:, 1:]


class Meter:
    """Counts from one log line to the next, and turns the counts into rates.

    The clock runs from the fetch of a step's rows (`resume`) to the log line or to a save (`pause`): writing
    checkpoints, validation and trackers are left out of the rates, waiting for data is not. It is read when the
    library has just waited for the device in order to log the loss; nothing here waits for it again.

    Args:
        cost: The model's.
        device_rate: Operations per second of all devices together; 0 leaves utilisation of them out.
        capacities: Of a pack; none without packing.
        clock: Seconds.
    """

    def __init__(
        self,
        cost: ModelCost,
        *,
        device_rate: float = 0.0,
        capacities: Sequence[int] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.cost, self.device_rate, self.capacities = cost, device_rate, tuple(capacities)
        self._clock = clock
        self._counts = Counts()
        self._seconds = 0.0
        self._since: float | None = None
        self._begin: float | None = None
        self._steps = 0

    def resume(self) -> None:
        """A step begins: its rows are about to be fetched."""
        self._since = self._clock() if self._since is None else self._since
        self._begin = self._since if self._begin is None else self._begin

    def add(self, batches: Sequence[Batch]) -> None:
        """Count the micro-batches of one step."""
        self._steps += 1
        for batch in batches:
            self._counts += count(batch, self.cost, self.capacities)

    def pause(self) -> None:
        """What comes now is not training."""
        if self._since is not None:
            self._seconds += self._clock() - self._since
            self._since = None

    def read(self, steps_left: int, add_up: Callable[[list[float]], list[float]]) -> dict[str, float]:
        """The values of a log line; the counts begin anew, and the clock stands until the next step.

        Args:
            steps_left: Optimiser steps to come.
            add_up: Adds lists of numbers up over processes.

        Returns:
            `tokens_per_second` and `examples_per_second` over all processes, `utilization` (share of capacity, or
            of places, that hold tokens; for an encoder-decoder also `utilization_encoder` and `…_decoder`),
            `padding` (share of places that hold none), `mfu` and `time_left` in seconds, saving and
            validation included. Without a step since the last reading, nothing.
        """
        self.pause()
        total = Counts(*add_up(list(astuple(self._counts))))
        seconds, self._seconds, self._counts = self._seconds, 0.0, Counts()
        if seconds <= 0 or not total.input_places or self._begin is None:
            return {}
        values = {
            "tokens_per_second": total.tokens / seconds,
            "examples_per_second": total.examples / seconds,
            **_shares(total),
            "time_left": steps_left * (self._clock() - self._begin) / self._steps,
        }
        if self.device_rate:
            values["mfu"] = total.flops / seconds / self.device_rate
        return values


def _shares(total: Counts) -> dict[str, float]:
    places = total.input_places + total.target_places
    shares = {
        "utilization": total.tokens / (total.input_room + total.target_room),
        "padding": 1.0 - total.tokens / places,
    }
    if total.target_places:
        shares["utilization_encoder"] = total.inputs / total.input_room
        shares["utilization_decoder"] = total.targets / total.target_room
    return shares
