"""What torchrun starts: two processes with weights in FSDP2, a packed batch each, against one process with both.

torchrun --nproc_per_node 2 tests/modeling/packed_fsdp.py OUTPUT

Accelerate takes FSDP for a GPU's alone. Here its own preparation of the model is called on CPUs, as the shipped
settings say.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from accelerate.utils.launch import prepare_multi_gpu_env
from torch.distributed.fsdp import FSDPModule

from mtft.modeling.dgr import DgrBatch
from mtft.modeling.dummy_heads import DummyHeads
from mtft.resources import builtin_folder
from tests.modeling.comparing import gradients
from tests.modeling.packs import model_of, packed, rows_of

FAMILIES = ("bloom",)
LENGTHS = [(30, 4), (3, 9), (17, 1), (1, 1), (40, 6), (16, 2)]
WEIGHTS = [1.0, 0.5, 2.0, 0.25, 1.0, 1.0]
SHARES = [[[2, 0], [5]], [[1, 3, 4]]]  # the packs of each process
CONFIG = builtin_folder("recipes") / "accelerate" / "gpu_fsdp.yaml"


def settings() -> FullyShardedDataParallelPlugin:
    """The shipped settings as `accelerate launch` hands them to a script."""
    arguments = launch_command_parser().parse_args(["--config_file", str(CONFIG), "script.py"])
    launched = prepare_multi_gpu_env(_validate_launch_command(arguments)[0])
    os.environ |= {name: value for name, value in launched.items() if name.startswith("FSDP_")}
    return FullyShardedDataParallelPlugin()


def dgr_of(packs: list[list[int]]) -> DgrBatch:
    """Random heads of two tasks, for the places of these packs."""
    width = max(map(len, packs))
    slots = [row for pack in packs for row in [*pack, *[-1] * (width - len(pack))]]
    return DgrBatch(DummyHeads(seed=1, count=2, classes=5), ["ab"[row % 2] for row in slots], slots, 8)


def with_penalty(output: Any) -> Any:
    """The loss and, so that its gradient counts, the penalty."""
    return output.loss + 10 * output.penalty


def compare(family: str, rank: int, checkpointing: bool) -> dict[str, float]:
    """The largest difference of any gradient, relative to the largest gradient, and that of the loss."""
    rows = rows_of(LENGTHS)
    batches = [{**packed(family, rows, share, WEIGHTS), "dgr": dgr_of(share)} for share in SHARES]
    whole = model_of(family)
    losses = [with_penalty(whole(**batch)) for batch in batches]
    expected = gradients(whole, torch.stack(losses).mean())
    model = model_of(family)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    state = SimpleNamespace(fsdp_plugin=settings())
    accelerator: Any = SimpleNamespace(state=state, mixed_precision="no", is_main_process=rank == 0)
    model = fsdp2_prepare_model(accelerator, model)
    layers = [module for module in model.modules() if type(module).__name__.endswith("Block")]
    assert layers
    assert all(isinstance(layer, FSDPModule) for layer in layers)
    loss = with_penalty(model(**batches[rank]))
    loss.backward()
    found = {name: weight.grad.full_tensor() for name, weight in model.named_parameters()}
    assert found.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    errors = [float((found[name] - gradient).abs().max()) / largest for name, gradient in expected.items()]
    return {"gradients": max(errors), "loss": abs(float(loss / losses[rank]) - 1)}


def main() -> None:
    """Leave the differences in OUTPUT."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    results = {
        f"{family} {checkpointing}": compare(family, rank, checkpointing)
        for family in FAMILIES
        for checkpointing in (False, True)
    }
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, results)
    if rank == 0:
        Path(sys.argv[1]).write_text(json.dumps(everyone))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
