"""Mistakes of a launch or of the settings that would otherwise train wrongly and say nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mtft.errors import ConfigError, nearest

_T5_FAMILY = ("t5", "mt5", "umt5")
# one of these is set when MPI started the processes
_MPI_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a setting whose value is none of the choices.

    Raises:
        ConfigError: It is not; the nearest choices are named.
    """
    if value not in choices:
        raise ConfigError(
            f"`{name}` must be one of {', '.join(choices)}.",
            found=f"`{value}`",
            remedy=nearest(value, choices),
        )


def refuse_lost_processes(environment: Mapping[str, str] | None = None) -> None:
    """Refuse a launch for several CPU processes that made only one.

    `accelerate launch` with `distributed_type: MULTI_CPU` and no MPI sets a rendezvous address for several
    processes and then starts a single one that knows nothing of the others.

    Raises:
        ConfigError: That happened.
    """
    env = os.environ if environment is None else environment
    several = "MASTER_ADDR" in env and env.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1")
    alone = "WORLD_SIZE" not in env and not any(name in env for name in _MPI_SIZES)
    if several and alone:
        raise ConfigError(
            "A launch for several processes must start them.",
            found="a single process, although `accelerate launch` was told to start several on CPUs",
            remedy="Use `torchrun --nproc_per_node 2 …` or `--config_file recipes/accelerate/cpu_ddp.yaml`; "
            "for one process, unset MASTER_ADDR.",
        )


def refuse_data_parallel(n_gpu: int) -> None:
    """Refuse one process on several devices, where the library would split batches by itself.

    Raises:
        ConfigError: One process sees several devices.
    """
    if n_gpu > 1:
        raise ConfigError(
            "Every device needs a process of its own.",
            found=f"one process with {n_gpu} devices",
            remedy="Use `accelerate launch` or `torchrun`, or show it one device (CUDA_VISIBLE_DEVICES=0).",
        )


def refuse_half_precision(
    model: Any, mixed_precision: str, deepspeed_config: Mapping[str, Any] | None
) -> None:
    """Refuse float16 with the T5 family, whose activations overflow it.

    Raises:
        ConfigError: float16 is on, in the arguments or in DeepSpeed's file.
    """
    in_file = bool(deepspeed_config and deepspeed_config.get("fp16", {}).get("enabled") is True)
    if model.config.model_type in _T5_FAMILY and (mixed_precision == "fp16" or in_file):
        raise ConfigError(
            f"{model.config.model_type} must not train in float16: its activations overflow.",
            found="fp16",
            remedy="Use bf16 or float32.",
        )


def refuse_fsdp(model: Any, environment: Mapping[str, str] | None = None) -> None:
    """Refuse FSDP with models whose embeddings are one weight in several modules, as T5's and mT5's are.

    PyTorch's FSDP2 (2.13) refuses a weight in two groups of modules, and Accelerate (1.15) groups only one of the
    three with the head; this says so before anything is prepared.

    Raises:
        ConfigError: `accelerate launch` was told to use FSDP, and the model is of the T5 family.
    """
    env = os.environ if environment is None else environment
    launched = env.get("ACCELERATE_USE_FSDP", "").lower() in ("true", "1")
    if launched and model.config.model_type in _T5_FAMILY:
        raise ConfigError(
            f"{model.config.model_type} must not train under FSDP: its modules share their embeddings' weight.",
            found="an FSDP launch",
            remedy="Use ZeRO-3, which partitions as much: recipes/accelerate/gpu_zero3.yaml.",
        )
