"""What torchrun starts: a model in FSDP2 that computes in bfloat16; what its head is given, and what comes out.

torchrun --nproc_per_node 1 tests/training/sixteen_bit_fsdp.py OUTPUT

Accelerate takes FSDP for a GPU's alone: as in `tests/modeling/packed_fsdp.py`, its own preparation is called on a CPU.
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

from mtft.training.precise_weights import keep_row_weights_precise
from tests.modeling.packed_fsdp import settings
from tests.modeling.packs import model_of, packed, rows_of

LENGTHS = [(3, 9), (17, 1), (16, 2)]
WEIGHTS = [1 / 30, 1 / 3, 0.3]


def main() -> None:
    """Leave dtypes, the head's token weights and the gradient's norm in OUTPUT."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    plugin = settings()
    plugin.set_mixed_precision("bf16")
    state = SimpleNamespace(fsdp_plugin=plugin)
    keep_row_weights_precise(state)
    accelerator: Any = SimpleNamespace(state=state, mixed_precision="bf16", is_main_process=True)
    model = fsdp2_prepare_model(accelerator, model_of("bloom"))
    given: list[Any] = []
    model.lm_head.register_forward_pre_hook(lambda _, positional: given.extend(positional))
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**packed("bloom", rows_of(LENGTHS), [[2, 0], [1]], WEIGHTS))
    output.loss.backward()
    hidden, _, token_weights = given
    found = {
        "hidden": str(hidden.dtype),
        "weights": sorted(set(token_weights.double().tolist())),
        "outputs": [str(each.dtype) for each in (token_weights, output.loss, output.row_losses)],
    }
    Path(sys.argv[1]).write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
