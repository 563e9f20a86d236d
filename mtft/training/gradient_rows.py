"""The gradients of the groups as rows of one matrix, which the backward passes fill without a copy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_LEAST_BLOCK = 8192  # columns


class GradientRows:
    """A (groups, P) float32 matrix; `open(row)` lets the next backward passes add into that row.

    `p.grad` of a float32 parameter is then a view of the row, so that autograd adds where the gradient stays. Those of
    other types are added up in the row after each pass (`close`). The balanced gradient is written over the
    first row, so that nothing of size P stands beside the matrix.

    Args:
        parameters: What the rows are gradients of; P is the number of their elements.
        count: Most rows at once.
        device: Default: the parameters'.

    Attributes:
        matrix: (count, P) float32.
    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], count: int, device: torch.device | None = None
    ) -> None:
        self.parameters = list(parameters)
        self.size = sum(weight.numel() for weight in self.parameters)
        self.matrix = torch.zeros(count, self.size, device=device or self.parameters[0].device)
        self.used = 0
        self._views: list[Tensor] = []

    @staticmethod
    def bytes_for(parameters: Sequence[nn.Parameter], count: int) -> int:
        """What `count` rows take."""
        return 4 * count * sum(weight.numel() for weight in parameters)

    def start(self, count: int) -> None:
        """Zero the first `count` rows."""
        self.used = count
        self.matrix[:count].zero_()

    def open(self, row: int) -> None:
        """From now on gradients of the parameters go into this row."""
        self._views = self._split(self.matrix[row])
        for weight, view in zip(self.parameters, self._views, strict=True):
            weight.grad = view if weight.dtype == torch.float32 else None

    def close(self) -> None:
        """After each backward pass: add what autograd could not put into the open row itself."""
        for weight, view in zip(self.parameters, self._views, strict=True):
            if weight.grad is None or weight.grad.data_ptr() == view.data_ptr():
                continue
            view.add_(weight.grad)
            weight.grad = view if weight.dtype == torch.float32 else None

    def gramian(self) -> Tensor:
        """The products of all pairs of used rows: (used, used) float64 on the CPU."""
        found = torch.zeros(self.used, self.used, dtype=torch.float64, device=self.matrix.device)
        for block in self._blocks():
            part = block.double()
            found.addmm_(part, part.T)
        return found.cpu()

    def write(self, weights: Tensor) -> None:
        """Let the parameters' gradient be the weighted sum of the rows.

        Args:
            weights: (used,).
        """
        factors = weights.to(self.matrix)
        self.write_by(lambda block: factors @ block)

    def write_by(self, combine: Callable[[Tensor], Tensor]) -> float:
        """Let the parameters' gradient be what `combine` makes of each (used, columns) block; returns its norm."""
        total = torch.zeros((), dtype=torch.float64, device=self.matrix.device)
        for block in self._blocks():
            found = combine(block)
            total += found.double().square().sum()
            block[0] = found
        for weight, view in zip(self.parameters, self._split(self.matrix[0]), strict=True):
            weight.grad = view if weight.dtype == torch.float32 else view.to(weight.dtype)
        self._views = []
        return float(total.sqrt())

    def _split(self, row: Tensor) -> list[Tensor]:
        """Views of the row in the shapes of the parameters."""
        parts = torch.split(row, [weight.numel() for weight in self.parameters])
        return [part.view(weight.shape) for part, weight in zip(parts, self.parameters, strict=True)]

    def _blocks(self) -> list[Tensor]:
        """Blocks of columns of the used rows: a copy of one in float64 takes at most a thirtieth of the matrix."""
        return list(torch.split(self.matrix[: self.used], max(_LEAST_BLOCK, self.size // 64), dim=1))


def balanced_gradients(
    losses: Sequence[Callable[[], Tensor]],
    parameters: Sequence[nn.Parameter],
    weighting: Callable[[Tensor], Tensor],
    *,
    rows: GradientRows | None = None,
) -> Tensor:
    """The weights of the groups; the parameters' `grad` is then the weighted sum of the groups' gradients.

    One backward pass per group and one graph at a time, where `torchjd.autojac.backward` on as many losses of
    separate batches holds all graphs and makes as many passes as groups squared.

    Args:
        losses: Each runs one group's forward pass and returns its () loss.
        parameters: What the gradients are of; a group that does not reach one has zeros there.
        weighting: (groups, groups) float64 Gramian to (groups,) weights, such as a `Weighting` of TorchJD.
        rows: Kept from the step before, so that no memory is asked for again.

    Example: `balanced_gradients([lambda: model(**nli).loss, lambda: model(**qa).loss], adapters, UPGradWeighting())`
    """
    rows = rows or GradientRows(parameters, len(losses))
    rows.start(len(losses))
    for row, loss in enumerate(losses):
        rows.open(row)
        loss().backward()  # type: ignore[no-untyped-call]
        rows.close()
    weights = weighting(rows.gramian())
    rows.write(weights)
    return weights
