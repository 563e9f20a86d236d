"""What torchrun starts: two processes with weights in FSDP2 balance losses, against one process with both batches.

torchrun --nproc_per_node 2 tests/training/balanced_fsdp.py OUTPUT

As in `tests/modeling/packed_fsdp.py`, Accelerate's own preparation of the model is called on CPUs. The trainer refuses
that device, so the balancer's steps are made here in the trainer's order.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from torch import nn
from torch.distributed.fsdp import FSDPModule

from mtft.encoding import Encoder, StepPlan
from mtft.modeling import LossOptions, set_loss_options, weighted_target_loss
from mtft.training.balance_settings import BalanceSettings
from mtft.training.balancing.balancer import Balancer
from mtft.training.step_data import StepDataset
from mtft.training.steps import RowSteps
from tests.modeling.packed_fsdp import settings as fsdp_settings
from tests.training.additions import toy_model
from tests.training.grouped import Grouped, Held

METHODS = ("famo", "coba")
STEPS, ROWS = 4, 8
OPTIONS = LossOptions(label_smoothing=0.1, z_loss=1e-3)
_NOT_FOR_THE_MODEL = ("positions", "tasks", "languages", "shifted", "dropped")


def arguments(method: str, rank: int, processes: int) -> Any:
    """What the balancer reads of the trainer's settings."""
    found = BalanceSettings(
        loss_balancing=method, balance_every=1, balance_warmup=2, balance_history=3, balance_learning_rate=0.2
    )
    vars(found).update(
        loss_normalization="target", target_length_exponent=0.0, seed=1, max_steps=STEPS, world_size=processes,
        process_index=rank, per_device_train_batch_size=2,
    )  # fmt: skip
    return found


def add_up(values: list[float]) -> list[float]:
    """Sums over processes."""
    found = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(found)
    return found.tolist()


def balance(model: nn.Module, encoder: Encoder, args: Any, sum_up: Any) -> list[dict[str, float]]:
    """The weights of every step, which follow from the losses before, and in the end from those after the update."""
    data = StepDataset(
        Grouped(), encoder, RowSteps(StepPlan(ROWS, ROWS * STEPS), encoder), steps=STEPS, rank=args.process_index,
        processes=args.world_size, accumulation=ROWS // args.world_size // 2, micro_batch=2,
    )  # fmt: skip
    balancer = Balancer(
        args, Grouped(), encoder, Held(), own_forward=True, sum_up=sum_up, prepare=lambda batch: batch
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, eps=1e-4)
    found = []
    for step in range(STEPS):
        part = data.accumulation
        batches = [data[step * part + number] for number in range(part)]
        balancer.weigh(batches)
        for batch in batches:
            inputs = {name: value for name, value in batch.items() if name not in _NOT_FOR_THE_MODEL}
            balancer.begin(model, inputs)
            output = weighted_target_loss(model, inputs, own_forward=True)
            balancer.add(output)
            output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        balancer.on_optimizer_step(*[None] * 3)
        found.append(balancer.record.drain() | dict(enumerate(balancer.method.weights(step + 1).tolist())))
    return [{str(name): value for name, value in line.items()} for line in found]


def compare(method: str, rank: int) -> float:
    """The largest relative difference of a weight or share between two processes and one."""
    whole, encoder = toy_model("bloom")
    set_loss_options(whole, OPTIONS)
    expected = balance(whole, encoder, arguments(method, 0, 1), lambda values: values)
    model, _ = toy_model("bloom")
    state = SimpleNamespace(fsdp_plugin=fsdp_settings())
    accelerator: Any = SimpleNamespace(state=state, mixed_precision="no", is_main_process=rank == 0)
    set_loss_options(model, OPTIONS)
    model = fsdp2_prepare_model(accelerator, model)
    assert any(isinstance(module, FSDPModule) for module in model.modules())
    found = balance(model, encoder, arguments(method, rank, dist.get_world_size()), add_up)
    pairs = [
        (line[name], value)
        for line, wanted in zip(found, expected, strict=True)
        for name, value in wanted.items()
    ]
    assert len({value for _, value in pairs}) > len(pairs) / 4  # they move
    return max(abs(one - two) / abs(two) for one, two in pairs)


def main() -> None:
    """Leave the differences in OUTPUT."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    results = {method: compare(method, rank) for method in METHODS}
    if rank == 0:
        Path(sys.argv[1]).write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
