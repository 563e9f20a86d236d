"""One optimiser step under gradient balancing: a row of gradients per group, their weights, one update."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mtft.errors import ConfigError, RunError
from mtft.training.chosen_parameters import choose_parameters
from mtft.training.gradient_log import GradientLog
from mtft.training.gradient_methods import gradient_method, seeded
from mtft.training.gradient_rows import GradientRows
from mtft.training.gradient_step import GradientStep
from mtft.training.grouped_steps import Batch, weigh_groups
from mtft.training.groups import NO_GROUP, Groups

logger = logging.getLogger(__name__)

# an update this short beside the gradients it is made of is their rounding, and has no direction
_NOTHING = 1e-6


class GradientBalancer:
    """Balances the gradients of the groups of every step.

    Every process computes its own examples' share of each row; the rows are then averaged over processes, so that all
    of them see the same Gramian, weights and update. Parameters that are not balanced take the plain sum.

    Args:
        settings: `MultitaskArguments`, checked.
        groups: Of the mixture.
        model: The trained one, not wrapped for several processes.
        most: Most groups of one step.
        loss_scale: What the loss is multiplied by, as under float16.

    Attributes:
        passes: Backward passes of this process so far.

    Raises:
        ConfigError: There is no such trainable parameter, or the rows do not fit into memory.
        MissingExtraError: TorchJD or a solver is missing.
    """

    def __init__(
        self,
        settings: Any,
        groups: Groups,
        model: nn.Module,
        *,
        most: int,
        loss_scale: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.settings, self.groups, self.loss_scale = settings, groups, loss_scale
        self.method = gradient_method(settings, groups.names)
        chosen = choose_parameters(model, settings.balanced_parameters)
        self.parameters = list(chosen.values())
        balanced = {id(weight) for weight in self.parameters}
        self.others = [p for p in model.parameters() if p.requires_grad and id(p) not in balanced]
        self.most = min(len(groups.names), most)
        self.log = GradientLog(groups.names)
        self.passes = 0
        self._rows: GradientRows | None = None
        self._present: list[int] = []
        self._check_memory()

    def weigh(self, batches: Sequence[Batch], **gathering: Any) -> Tensor:
        """Scale the row weights of one step; see `weigh_groups` for the arguments."""
        self._present = weigh_groups(
            batches,
            self.settings.loss_normalization,
            count=len(self.groups.names),
            target_length_exponent=self.settings.target_length_exponent,
            **gathering,
        )
        return torch.ones(())

    @property
    def scale(self) -> float:
        """The groups of the step, 1 where there is none: its loss is a sum over so many."""
        return float(max(len(self._present), 1))

    def step(self, number: int, batches: Sequence[Batch], backward: Callable[[Batch], Tensor]) -> Tensor:
        """This process's share of the step's loss, its gradient left in the parameters.

        Args:
            number: Of the step; seeds what methods draw.
            batches: Of this process, weighed.
            backward: Runs a micro-batch forward and backward and returns its detached loss. It must not reduce
                gradients over processes.
        """
        if not self._present:  # no process has an example: weights of 0 keep the gradient at 0
            return torch.stack([backward(_without_group(batch)) for batch in batches]).sum()
        rows = self._started(len(self._present))
        losses, waiting = torch.zeros(len(self._present), device=rows.matrix.device), []
        for place, group in enumerate(self._present):
            rows.open(place)
            wanted = (group, NO_GROUP) if place == 0 else (group,)
            for batch in batches:
                if batch["group"] in wanted:
                    losses[place] += backward(_without_group(batch)).to(losses)
                    rows.close()
                    self.passes += 1
            waiting.append(_begin_sum(rows.matrix[place]))  # the next passes run meanwhile
        share = losses.sum()
        self._end_sums(waiting, losses)
        self._update(number, rows, losses)
        return share

    def state(self) -> dict[str, Any]:
        """What `restore` needs; JSON holds it."""
        return {"groups": list(self.groups.names), "method": self.method.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state.

        Raises:
            RunError: It is of other groups.
        """
        found, own = list(state.get("groups", ())), list(self.groups.names)
        if found != own:
            raise RunError(
                "Gradient balancing is resumed with the groups that it began with.",
                found=f"{', '.join(own)} now, {', '.join(map(str, found)) or 'none'} in the checkpoint",
                remedy="Restore the mixture, or start a new run in another output folder.",
            )
        self.method.restore(state.get("method", {}))

    def _started(self, count: int) -> GradientRows:
        """Rows of zeros; made in the first step, when the model is on its device."""
        if self._rows is None:
            self._rows = GradientRows(self.parameters, self.most)
        self._rows.start(count)
        for weight in self.others:
            weight.grad = None
        return self._rows

    def _end_sums(self, waiting: Sequence[Any], losses: Tensor) -> None:
        """Wait for the rows; the losses become those over all processes, the other gradients their average."""
        if not _distributed():
            return
        for weight in self.others:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad /= dist.get_world_size()
        others = [_begin_sum(weight.grad) for weight in self.others]
        dist.all_reduce(losses)
        losses /= dist.get_world_size()
        for work in (*waiting, *others):
            work.wait()

    def _update(self, number: int, rows: GradientRows, losses: Tensor) -> None:
        """From filled rows to the parameters' gradient."""
        processes = dist.get_world_size() if _distributed() else 1
        unit = self.loss_scale() * processes  # a row is that many times its group's gradient
        gramian = _agreed(rows.gramian() / unit**2, rows.matrix.device)
        kept = [place for place, value in enumerate(gramian.diagonal().tolist()) if value > 0]
        if not kept or not torch.isfinite(gramian).all():
            # nothing to balance; what is not finite goes on to the guard, or to the scaler of losses
            rows.write(torch.full((len(gramian),), 1.0 / processes))
            return
        part = GradientStep(
            gramian[kept][:, kept], losses.double().cpu()[kept], [self._present[place] for place in kept]
        )
        with seeded(self.settings.seed, number, rows.matrix.device):
            if self.method.coordinatewise:
                self._combine(rows, kept, part, unit)
            else:
                found = self._weights(part)
                whole = torch.ones(len(gramian), dtype=torch.float64)  # of a zero gradient any weight will do
                whole[kept] = found
                rows.write(whole / processes)

    def _weights(self, part: GradientStep) -> Tensor:
        """The method's weights, rescaled to the wanted norm."""
        found = self.method.weights(part).double().cpu()
        norm = float((found @ part.gramian @ found).clamp(min=0).sqrt())
        found = found * self._factor(norm, float(found.abs() @ part.norms), part)
        self.log.add(part, found)
        return found

    def _combine(self, rows: GradientRows, kept: list[int], part: GradientStep, unit: float) -> None:
        """Write the update of a method without weights."""
        norm = rows.write_by(lambda block: self.method.combine(block[kept])) / unit
        factor = self._factor(norm, float(part.norms.sum()), part) * self.loss_scale() / unit
        for weight in self.parameters:
            assert weight.grad is not None
            weight.grad *= factor
        self.log.add(part, None)

    def _factor(self, norm: float, whole: float, part: GradientStep) -> float:
        """What the update is multiplied by to have the wanted norm.

        Args:
            norm: Of the update.
            whole: The norms of what was added up to it.
            part: The step.
        """
        if self.settings.update_norm == "none" or norm <= _NOTHING * whole:
            return 1.0
        total = float(part.gramian.sum().clamp(min=0).sqrt())
        wanted = total / len(part.present) if self.settings.update_norm == "mean" else total
        return wanted / norm

    def _check_memory(self) -> None:
        """Say what the rows take, and refuse what is more than there is."""
        device = self.parameters[0].device
        needed = GradientRows.bytes_for(self.parameters, self.most)
        elements = sum(weight.numel() for weight in self.parameters)
        found = f"{self.most} groups x {elements:,} parameters x 4 bytes = {needed / 2**30:.2f} GiB"
        logger.info("Gradient balancing (%s) keeps %s.", self.settings.gradient_balancing, found)
        free = free_bytes(device)
        if needed > free:
            raise ConfigError(
                "The gradients of all groups of a step must fit into memory.",
                found=f"{found}, with {free / 2**30:.2f} GiB free on {device}",
                remedy="Balance an adapter (--peft lora), fewer parameters (--balanced_parameters last_block) or "
                "fewer groups (--balance_by cluster).",
            )


def free_bytes(device: torch.device) -> float:
    """Bytes that are free on a GPU, or in the machine's memory; infinite where the machine does not tell."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return math.inf
    kilobytes = {name: value for name, _, value in (line.partition(":") for line in lines)}.get(
        "MemAvailable", ""
    )
    return float(kilobytes.split()[0]) * 1024 if kilobytes else math.inf


def _without_group(batch: Batch) -> Batch:
    return {name: value for name, value in batch.items() if name != "group"}


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _begin_sum(tensor: Tensor | None) -> Any:
    """Begin adding a tensor up over processes, in place."""
    return dist.all_reduce(tensor, async_op=True) if _distributed() else None


def _agreed(gramian: Tensor, device: torch.device) -> Tensor:
    """The first process's, so that no rounding lets processes choose differently."""
    if not _distributed():
        return gramian
    shared = gramian.to(device)
    dist.broadcast(shared, src=0)
    return shared.cpu()
