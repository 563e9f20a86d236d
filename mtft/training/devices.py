"""Processes on CPUs, as DeepSpeed has to be told of them."""

from __future__ import annotations

import os

import torch

from mtft.errors import MissingExtraError


def deepspeed_was_launched() -> bool:
    """Whether `accelerate launch` was told to use DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() in ("true", "1")


def fsdp_was_launched() -> bool:
    """Whether `accelerate launch` was told to use FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("true", "1")


def join_deepspeed_processes() -> None:
    """Let DeepSpeed know the processes that are there already; alone it believes to be one of one.

    On GPUs the library does this. On CPUs it does not, and a model loaded for ZeRO-3 before the trainer
    exists would be partitioned over a single process.

    Raises:
        MissingExtraError: DeepSpeed is not installed.
    """
    try:
        from deepspeed import comm
    except ImportError as error:
        raise MissingExtraError("deepspeed", extra="deepspeed", purpose="ZeRO") from error
    if torch.distributed.is_initialized() and not comm.is_initialized():
        comm.init_distributed(dist_backend="gloo", auto_mpi_discovery=False, verbose=False)
