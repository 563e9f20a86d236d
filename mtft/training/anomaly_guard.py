"""Looks at every step's loss and gradient before the weights change, and stops all processes together."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from mtft.errors import DivergedError
from mtft.modeling import TargetLoss
from mtft.training.anomalies import Anomaly, RowLoss, SpikeDetector, name_of, worst
from mtft.training.checkpoints import find_checkpoint
from mtft.training.step_data import ExampleSource
from mtft.training.watching import WatchSettings

logger = logging.getLogger(__name__)

ANOMALIES_FILE = "anomalies.jsonl"
_NOT_A_NUMBER = (
    "Lower --learning_rate or --max_grad_norm, train in bf16 or float32 in place of fp16, "
    "or leave the rows out."
)
_SPIKE = "Look at the rows; --stop_on_spike false goes on, a larger --spike_factor allows more."


class _Kept(NamedTuple):
    """What is kept of a micro-batch until its step is judged; all but the loss in the shape of `row_weights`."""

    loss: Tensor
    row_losses: Tensor
    row_counts: Tensor
    row_weights: Tensor
    positions: Sequence[int]


class AnomalyGuard:
    """Keeps what the micro-batches of a step lost, and judges the step when it is whole.

    A loss or gradient that is not finite always ends the run; a spike is told, or ends it where asked. Nothing
    is saved from then on, so every checkpoint on disk is one from before. All processes see the same loss
    and norm, and stop at the same step. Every anomaly is a line of `anomalies.jsonl` in the run's folder.

    The judgement costs one number per step from the device, in place of the library's own one per micro-batch
    (`logging_nan_inf_filter`, which hides such losses from the log).

    Where groups are balanced, a step's loss is a weighted sum over the groups that it holds: it is then judged by
    the weighted mean, since a sum is larger in every step that holds a rare group.

    Args:
        settings: When a loss is a spike, and what follows.
        folder: The run's, with its checkpoints.
        accelerator: The trainer's.
        source: Names the rows.
    """

    def __init__(
        self, settings: WatchSettings, folder: Path, accelerator: Accelerator, source: ExampleSource
    ) -> None:
        self.settings, self.folder = settings, folder
        self.accelerator, self.source = accelerator, source
        self.detector = SpikeDetector(settings.spike_window, settings.spike_factor)
        self._pending: list[_Kept] = []
        self._was_spike = False

    def add(self, output: TargetLoss, row_weights: Tensor, positions: Sequence[int]) -> None:
        """Keep one micro-batch until the step is judged.

        Args:
            output: Of the forward.
            row_weights: (rows,) or (packs, segments); with the step's denominator in them.
            positions: Of the examples, in the order of the flattened weights; -1 for none.
        """
        loss, row_losses, row_counts = output.loss, output.row_losses, output.row_counts
        assert loss is not None and row_losses is not None and row_counts is not None  # noqa: PT018
        self._pending.append(_Kept(loss.detach(), row_losses, row_counts, row_weights, positions))

    def judge(self, step: int, grad_norm: Tensor | float | None, *, scale: float = 1.0) -> None:
        """Judge the step whose micro-batches were added.

        Args:
            step: Counted from 1.
            grad_norm: Over all processes, before clipping.
            scale: What the step's loss is divided by before it is compared with other steps': the sum of its
                groups' weights.

        Raises:
            DivergedError: The loss or the gradient is not finite, or the loss is a spike and spikes stop the run.
        """
        pending, self._pending = self._pending, []
        loss, norm = self._step_values(pending, grad_norm)
        limit = self.detector.limit
        if not math.isfinite(loss):
            kind = "non-finite loss"
        elif norm is not None and not math.isfinite(norm) and not self._scales_loss():
            kind = "non-finite gradient"
        elif loss and self.detector.see(loss / scale):  # a step without an example loses exactly 0
            kind = "" if self._was_spike else "spike"  # one that lasts is told once
            self._was_spike = True
        else:
            kind, self._was_spike = "", False
        if kind:
            shown, others = worst(self._rows(pending))
            limit = limit * scale if kind == "spike" and limit is not None else None
            self._tell(Anomaly(kind, step, loss, norm, limit, shown, others))

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {"losses": list(self.detector.losses), "was_spike": self._was_spike}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state: a resumed run calls the same steps spikes."""
        self.detector.losses.extend(float(loss) for loss in state.get("losses", ()))
        self._was_spike = bool(state.get("was_spike", False))

    def _step_values(
        self, pending: Sequence[_Kept], grad_norm: Tensor | float | None
    ) -> tuple[float, float | None]:
        """The step's loss and gradient norm over all processes, read from the device at once."""
        share = torch.stack([kept.loss.float() for kept in pending]).sum()
        loss = self.accelerator.reduce(share, reduction="mean")
        if isinstance(grad_norm, Tensor):
            values = torch.stack([loss, _whole(grad_norm).to(loss)]).tolist()
            return values[0], values[1]
        return float(loss), grad_norm

    def _scales_loss(self) -> bool:
        """Whether the loss is scaled for float16: steps of infinite gradient are then skipped, and nothing unusual."""
        return str(self.accelerator.mixed_precision) == "fp16"

    def _rows(self, pending: Sequence[_Kept]) -> list[RowLoss]:
        """Every example of the step, of all processes."""
        rows = [row for kept in pending for row in _row_losses(kept)]
        gathered: list[RowLoss] = gather_object(rows)
        return gathered

    def _tell(self, anomaly: Anomaly) -> None:
        examples = self.source.examples(np.array([row.position for row in anomaly.rows], dtype=np.int64))
        names = [name_of(example) for example in examples]
        folder = self.folder
        if self.accelerator.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / ANOMALIES_FILE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(anomaly.as_dict(names), ensure_ascii=False) + "\n")
        if anomaly.kind == "spike" and not self.settings.stop_on_spike:
            logger.warning("%s", anomaly.found(names))
            return
        saved = find_checkpoint(folder)
        raise DivergedError(
            "A step's loss and gradient must be finite."
            if anomaly.kind != "spike"
            else "A step's loss must be near those before it.",
            found=anomaly.found(names) + "\n",
            where=folder / ANOMALIES_FILE,
            remedy=f"{_SPIKE if anomaly.kind == 'spike' else _NOT_A_NUMBER} "
            + (
                f"The last checkpoint before it is {saved.name}." if saved else "No checkpoint was saved yet."
            ),
        )


def _row_losses(kept: _Kept) -> list[RowLoss]:
    """The examples of one micro-batch."""
    losses = kept.row_losses.flatten()
    shares = (losses * kept.row_weights.flatten()).tolist()
    values = zip(kept.positions, losses.tolist(), kept.row_counts.flatten().tolist(), shares, strict=True)
    return [RowLoss(*each) for each in values if each[0] >= 0]


def _whole(value: Tensor) -> Tensor:
    """A plain tensor, also of one that is spread over devices."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value
