"""What torchrun starts: two processes with partitioned weights, a packed batch each, against one process with both.

torchrun --nproc_per_node 2 tests/modeling/packed_zero3.py OUTPUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import deepspeed
import torch
import torch.distributed as dist
from deepspeed import ops
from deepspeed.utils import safe_get_full_grad

from tests.modeling.comparing import gradients
from tests.modeling.packs import FAMILIES, model_of, packed, rows_of

LENGTHS = [(30, 4), (3, 9), (17, 1), (1, 1), (40, 6), (16, 2)]
WEIGHTS = [1.0, 0.5, 2.0, 0.25, 1.0, 1.0]
SHARES = [[[2, 0], [5]], [[1, 3, 4]]]  # the packs of each process
SETTINGS: dict[str, Any] = {
    "train_micro_batch_size_per_gpu": 1,
    "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
    "zero_allow_untested_optimizer": True,
}


def compare(family: str, rank: int, checkpointing: bool) -> dict[str, float]:
    """The largest difference of any gradient, relative to the largest gradient, and that of the loss."""
    rows = rows_of(LENGTHS)
    batches = [packed(family, rows, share, WEIGHTS) for share in SHARES]
    whole = model_of(family)
    losses = [whole(**batch).loss for batch in batches]
    expected = gradients(whole, torch.stack(losses).mean())
    model = model_of(family)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    engine, *_ = deepspeed.initialize(
        model=model, config=SETTINGS, optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3)
    )
    loss = engine(**batches[rank]).loss
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.lm_head.weight.numel() == 0, "the weights are not partitioned"
    engine.backward(loss)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    found = {name: safe_get_full_grad(weight) for name, weight in model.named_parameters()}
    errors = [float((found[name] - gradient).abs().max()) / largest for name, gradient in expected.items()]
    assert found.keys() == expected.keys()
    return {"gradients": max(errors), "loss": abs(float(loss / losses[rank]) - 1)}


def main() -> None:
    """Leave the differences in OUTPUT."""
    ops.__compatible_ops__["deepspeed_shm_comm"] = False  # built with g++ in a minute; gloo does as well
    torch.set_num_threads(1)
    deepspeed.init_distributed("gloo")
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


if __name__ == "__main__":
    main()
