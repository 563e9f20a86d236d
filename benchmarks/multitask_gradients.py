"""One balanced gradient over eight tasks: ours against `torchjd.autojac.backward`, in seconds and in bytes.

Both sides take the gradients of the same losses of the library's own model, so that what is compared is how often the
graphs are walked and nothing else. (Our models' head computes its gradient once, in the forward pass; TorchJD's walk,
which passes every graph once for each task, needs it again.) Both take TorchJD's `UPGradWeighting` as it comes. The
trainer's `upgrad_weights` gives it gradients of unit length, and its weights differ by what 1e-4 on the diagonal does.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.claims import Claim
from benchmarks.head_memory import MEBIBYTE
from benchmarks.multitask_source import TASKS, Shape, trainer_of
from benchmarks.multitask_steps import clock
from mtft.modeling import weighted_target_loss
from mtft.training.gradient_rows import GradientRows, balanced_gradients

WEIGHT_TOLERANCE, GRADIENT_TOLERANCE = 1e-3, 1e-4
_NOT_FOR_THE_MODEL = ("positions", "tasks", "languages", "shifted", "dropped")


@dataclass
class Tasks:
    """One model with LoRA and one batch of each task.

    Attributes:
        parameters: Those that train.
        losses: One per task; runs its forward pass.
        rows: Ours, kept from step to step.
        chunk: How many rows TorchJD computes at once; None for all, by vmap.
    """

    parameters: list[nn.Parameter]
    losses: list[Callable[[], Tensor]]
    rows: GradientRows
    chunk: int | None = None

    def ours(self) -> Tensor:
        """UPGrad's weights from one task's gradient at a time."""
        from torchjd.aggregation import UPGradWeighting

        return balanced_gradients(self.losses, self.parameters, UPGradWeighting(), rows=self.rows)

    def peer(self) -> Tensor:
        """The same with TorchJD's own function for several losses."""
        from torchjd.aggregation import UPGrad
        from torchjd.autojac import backward, jac_to_grad

        losses = [loss() for loss in self.losses]
        backward(losses, inputs=self.parameters, parallel_chunk_size=self.chunk)
        return jac_to_grad(self.parameters, UPGrad(), optimize_gramian_computation=True)

    def plain(self) -> None:
        """The sum's gradient over the same batches."""
        for loss in self.losses:
            loss().backward()  # type: ignore[no-untyped-call]

    def forget(self) -> None:
        """No gradients."""
        for weight in self.parameters:
            weight.grad = None

    def gradient(self) -> Tensor:
        """(P,) what the parameters hold now."""
        return torch.cat([weight.grad.flatten() for weight in self.parameters if weight.grad is not None])


def tasks_of(family: str, shape: Shape) -> Tasks:
    """The trainer's own model and micro-batches; LoRA's second matrices are not zero, as after some steps."""
    trainer = trainer_of(family, shape, single=True, own=False, peft="lora")
    model = trainer.model.to(trainer.args.device)
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    torch.manual_seed(1)
    for weight in parameters:
        nn.init.normal_(weight, std=0.02)
    batches = [_prepared(batch, trainer) for batch in itertools.islice(trainer.get_train_dataloader(), TASKS)]
    losses = [
        lambda batch=batch: weighted_target_loss(model, batch, own_forward=False).loss for batch in batches
    ]
    return Tasks(parameters, losses, GradientRows(parameters, TASKS))


def _prepared(batch: dict[str, object], trainer: object) -> dict[str, object]:
    kept = {name: value for name, value in batch.items() if name not in _NOT_FOR_THE_MODEL}
    moved: dict[str, object] = trainer._prepare_inputs(kept)  # type: ignore[attr-defined]
    weights = moved["row_weights"]
    assert isinstance(weights, Tensor)
    return {**moved, "row_weights": weights / weights.sum()}


def agree(tasks: Tasks) -> bool:
    """Whether both sides give the same weights and the same gradient; finds out how TorchJD can run."""
    tasks.forget()
    mine, my_gradient = tasks.ours(), tasks.gradient().clone()
    tasks.forget()
    try:
        theirs = tasks.peer()
    except RuntimeError as error:  # a part of the model that vmap does not take
        print(f"# torchjd: row by row, since vmap failed: {str(error).splitlines()[0][:100]}")
        for weight in tasks.parameters:
            weight.grad, weight.jac = None, None  # type: ignore[attr-defined]
        tasks.chunk = 1
        theirs = tasks.peer()
    gradient = tasks.gradient()
    weights_off = float((mine.cpu().double() - theirs.cpu().double()).abs().max())
    gradient_off = float((my_gradient - gradient).norm() / gradient.norm())
    print(f"# weights {mine.min():.3f} to {mine.max():.3f}, peer {theirs.min():.3f} to {theirs.max():.3f}")
    print(f"# largest difference of weights {weights_off:.1e}, of gradients {gradient_off:.1e} of their norm")
    return weights_off < WEIGHT_TOLERANCE and gradient_off < GRADIENT_TOLERANCE


def in_turn(
    sides: Sequence[Callable[[], object]], forget: Callable[[], None], rounds: int
) -> list[list[float]]:
    """Seconds of each side in each round, (sides, rounds); a first round does not count."""
    seconds: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds + 1):
        for took, side in zip(seconds, sides, strict=True):
            forget()
            start = clock()
            side()
            took.append(clock() - start)
    return [took[1:] for took in seconds]


def peak_bytes(work: Callable[[], object]) -> int:
    """Most bytes of tensors that the work holds at once above what stands before it.

    On a GPU the allocator says so. On the CPU the profiler records every allocation and release of a tensor's
    memory; their running sum has a largest value.
    """
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    assert recorded.profiler is not None
    assert recorded.profiler.kineto_results is not None
    changes = [
        (event.start_ns(), event.nbytes())
        for event in recorded.profiler.kineto_results.events()
        if event.name() == "[memory]" and event.device_type() == DeviceType.CPU
    ]
    return max(itertools.accumulate((size for _, size in sorted(changes, key=lambda c: c[0])), initial=0))


def memory_of(tasks: Tasks, work: Callable[[], object]) -> int:
    """Peak of the work from a state without gradients; ours counts its rows, which are made in it."""
    tasks.forget()
    found = peak_bytes(work)
    tasks.forget()
    return found


def ours_afresh(tasks: Tasks) -> None:
    """Ours with rows of its own."""
    kept, tasks.rows = tasks.rows, GradientRows(tasks.parameters, TASKS)
    tasks.ours()
    tasks.forget()
    tasks.rows = kept


def gradient_claims(family: str, shape: Shape, chosen: argparse.Namespace) -> list[Claim]:
    """`gradient_balancing_vs_torchjd_backward` and `gradient_balancing_memory`."""
    tasks = tasks_of(family, shape)
    equal = agree(tasks)
    mine, theirs = in_turn([tasks.ours, tasks.peer], tasks.forget, chosen.rounds)
    ratio = median(peer / ours for ours, peer in zip(mine, theirs, strict=True))
    told = f"ours {median(mine):.3f} s, torchjd {median(theirs):.3f} s, ratio {ratio:.2f}"
    print(f"# {family}: a gradient of {TASKS} tasks: {told}")
    plain = memory_of(tasks, tasks.plain)
    ours, peer = memory_of(tasks, lambda: ours_afresh(tasks)), memory_of(tasks, tasks.peer)
    allowed = GradientRows.bytes_for(tasks.parameters, TASKS)
    size = allowed // (4 * TASKS)
    print(
        f"# {family}: {size:,} trained parameters, {TASKS} tasks; MiB at the peak of a gradient: plain sum "
        f"{plain / MEBIBYTE:.1f}, ours {ours / MEBIBYTE:.1f}, torchjd {peer / MEBIBYTE:.1f}"
    )
    added, limit = (ours - plain) / MEBIBYTE, allowed / MEBIBYTE
    where = f"({family})"
    return [
        Claim(
            "gradient_balancing_vs_torchjd_backward",
            median(mine),
            median(theirs),
            ratio,
            f"x faster {where}",
            equal,
        ),
        Claim("gradient_balancing_memory", added, limit, added / limit, f"of T x P x 4 bytes {where}", equal),
    ]
