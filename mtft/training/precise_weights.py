"""Row weights and losses stay in float32 where weights of the model are partitioned and compute in 16 bits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch.distributed.fsdp import MixedPrecisionPolicy


def keep_row_weights_precise(state: Any) -> None:
    """Let neither DeepSpeed nor FSDP2 round a forward's inputs and outputs; ids are whole numbers in any case.

    A row weight of 1/30 is 0.3 % off in bfloat16, one of 2e-8 nothing in float16. Layers meet the dtype of their
    weights without it: the embeddings' output has it.

    Args:
        state: Accelerate's, before the model is prepared. `auto_cast`, which Accelerate sets where DeepSpeed's file
            does not name float16, goes off, and of an FSDP2 policy the casts of inputs and outputs.
    """
    plugin = getattr(state, "deepspeed_plugin", None)
    half = plugin.deepspeed_config.get("fp16", {}) if plugin is not None else {}
    if half.get("auto_cast"):
        half["auto_cast"] = False
    sharded: Any = getattr(state, "fsdp_plugin", None)
    policy = getattr(sharded, "mixed_precision_policy", None)
    if isinstance(policy, MixedPrecisionPolicy):
        sharded.mixed_precision_policy = replace(policy, cast_forward_inputs=False, output_dtype=None)
