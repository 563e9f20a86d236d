"""Gradients of one task at a time, and what their products tell: conflict, norms, noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mtft.encoding import Batch, Collator
from mtft.modeling import weighted_target_loss
from mtft.statistics import GradientNoise, gradient_noise
from mtft.training.diagnostic_subset import TaskExamples

SumOver = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class GradientProbe:
    """Takes gradients without touching any weight's `.grad`.

    `torch.autograd.grad` runs none of the hooks by which DDP and DeepSpeed reduce gradients.

    Attributes:
        model: Not wrapped, in evaluation mode.
        parameters: The weights that count, in the order of a gradient.
        own_forward: See `weighted_target_loss`.
        device: Of the model.
    """

    model: nn.Module
    parameters: Mapping[str, nn.Parameter]
    own_forward: bool
    device: torch.device

    @property
    def size(self) -> int:
        """Numbers of one gradient."""
        return sum(weight.numel() for weight in self.parameters.values())

    def on_device(self, batch: Batch) -> Batch:
        """The batch where the model is."""
        return {name: tensor.to(self.device) for name, tensor in batch.items()}

    def loss(self, batch: Batch) -> Tensor:
        """(), the batch's weighted loss as it trains, with its graph."""
        loss = weighted_target_loss(self.model, self.on_device(batch), own_forward=self.own_forward).loss
        assert loss is not None
        return loss

    def parts(self, loss: Tensor) -> list[Tensor]:
        """The gradient of each weight, zeros where the loss does not depend on it; the graph is freed."""
        weights = list(self.parameters.values())
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        return [torch.zeros_like(w) if part is None else part for w, part in zip(weights, found, strict=True)]

    def gradient(self, loss: Tensor) -> Tensor:
        """(size,), at least float32."""
        return torch.cat([_precise(part).flatten() for part in self.parts(loss)])


def _precise(values: Tensor) -> Tensor:
    return values if values.dtype == torch.float64 else values.float()


@dataclass(frozen=True)
class TaskGradients:
    """What the batches' gradients tell of each task; all float64 on the CPU, nan where nothing is defined.

    Attributes:
        conflict: (tasks,) mean over batches of the cosine of a task's gradient with the sum of all tasks'.
        cosines: (tasks, tasks) mean over batches of the cosine between two tasks' gradients.
        batches: (tasks,) batches of each task.
        norms: (tasks,) norm, not squared, of the mean gradient over all of a task's examples.
        noise: Each task's.
        sizes: (tasks,) examples of each, all batches together.
    """

    conflict: Tensor
    cosines: Tensor
    batches: Tensor
    norms: Tensor
    noise: tuple[GradientNoise, ...]
    sizes: tuple[int, ...]


def task_gradients(
    probe: GradientProbe,
    tasks: Sequence[TaskExamples],
    collator: Collator,
    batches: int,
    *,
    rank: int = 0,
    processes: int = 1,
    sum_over_processes: SumOver = lambda values: values,
) -> TaskGradients:
    """The statistics of each task's gradients over so many batches.

    Batch n holds the n-th examples of every task that has so many; the mixture's gradient is the plain sum of its
    tasks' gradients (unitary scalarisation with C = 1), whose direction no constant changes. One task's graph stands
    at a time; 2 x tasks x `probe.size` numbers are kept. A process computes whole batches, and sums are added up.

    Args:
        probe: Of the model.
        tasks: Their examples.
        collator: Pads them.
        batches: Most batches of a task.
        rank: This process.
        processes: All processes.
        sum_over_processes: Adds a tensor up over processes.

    Source: Mueller et al. 2024, arXiv 2408.14677, section 2 (similarity of a task's gradient to the multitask
        gradient, mean over batches); McCandlish et al. 2018, arXiv 1812.06162, appendix A.
    """
    numbers = [task.numbers_of_batches(batches) for task in tasks]
    sums = _Sums(len(tasks), probe)
    for n in range(rank, max(map(len, numbers)), processes):
        present = [k for k, each in enumerate(numbers) if n < len(each)]
        rows = torch.stack(
            [probe.gradient(probe.loss(tasks[k].batch(numbers[k][n], collator))) for k in present]
        )
        sums.add(present, rows)
    sums.reduce(sum_over_processes)
    counts = torch.tensor([len(each) for each in numbers], dtype=torch.float64)
    large = (sums.total.square().sum(dim=1).double().cpu()) / counts.square()
    small = sums.squares / counts
    sizes = [(len(each[0]), len(each) * len(each[0])) if each else (0, 0) for each in numbers]
    noise = [
        gradient_noise(float(s), float(b), *size)
        for s, b, size in zip(small.tolist(), large.tolist(), sizes, strict=True)
    ]
    return TaskGradients(
        conflict=sums.with_mixture / counts,
        cosines=sums.cosines / sums.pairs,
        batches=counts,
        norms=large.sqrt(),
        noise=tuple(noise),
        sizes=tuple(whole for _, whole in sizes),
    )


class _Sums:
    """Sums over batches, and each task's summed gradient."""

    def __init__(self, tasks: int, probe: GradientProbe) -> None:
        kind = {_precise(weight).dtype for weight in probe.parameters.values()}
        dtype = torch.float64 if torch.float64 in kind else torch.float32
        self.total = torch.zeros(tasks, probe.size, dtype=dtype, device=probe.device)
        self.cosines = torch.zeros(tasks, tasks, dtype=torch.float64)
        self.pairs = torch.zeros(tasks, tasks, dtype=torch.float64)
        self.with_mixture = torch.zeros(tasks, dtype=torch.float64)
        self.squares = torch.zeros(tasks, dtype=torch.float64)

    def add(self, present: Sequence[int], rows: Tensor) -> None:
        """One batch: (present tasks, size)."""
        places = torch.tensor(list(present))
        products = (rows @ rows.T).double().cpu()
        norms = products.diagonal().clamp(min=0).sqrt()
        mixture = products.sum().clamp(min=0).sqrt()
        self.total[places.to(self.total.device)] += rows
        self.squares[places] += products.diagonal()
        self.with_mixture[places] += products.sum(dim=1) / (norms * mixture)
        pairs = (places[:, None], places[None])
        self.cosines[pairs] += products / (norms[:, None] * norms[None])
        self.pairs[pairs] += 1

    def reduce(self, sum_over_processes: SumOver) -> None:
        """Add up over processes."""
        self.total = sum_over_processes(self.total)
        device = self.total.device
        for name in ("cosines", "pairs", "with_mixture", "squares"):
            setattr(self, name, sum_over_processes(getattr(self, name).to(device)).cpu())
