"""Out of memory, out of disk: what to lower, and what is still there."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mtft.errors import RunError

# torch's own words for a host allocation that failed, which has no class of its own
_HOST_MEMORY = "can't allocate memory"
# how the writers of weights say that a disk is full, those that do not raise an OSError
_DISK = re.compile(r"no space left|disk quota exceeded|writing file|inline_container", re.IGNORECASE)
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def memory_told(settings: Any) -> Iterator[None]:
    """Inside, running out of memory is an error that says what to lower.

    Args:
        settings: `MultitaskArguments`, for the values in the remedy.

    Raises:
        RunError: That happened.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and _HOST_MEMORY not in str(error):
            raise
        raise RunError(
            "A step must fit in memory.",
            found=(str(error).strip() or type(error).__name__).splitlines()[0].rstrip("."),
            remedy=" ".join(_lower(settings)),
        ) from error


def _lower(settings: Any) -> Iterator[str]:
    """What helps, what changes nothing of the training first."""
    rows, unit = settings.per_device_train_batch_size, "packs" if settings.packing else "rows"
    if rows > 1:
        whole = (
            settings.global_batch_size or rows * settings.gradient_accumulation_steps * settings.world_size
        )
        yield (
            f"Lower --per_device_train_batch_size ({rows} {unit} now); with --global_batch_size {whole} the "
            "steps stay the same."
        )
    if not settings.activation_checkpointing:
        yield "Set --activation_checkpointing true (recomputes in place of keeping)."
    if settings.packing:
        now = f" ({' '.join(map(str, settings.pack_capacity))} now)" if settings.pack_capacity else ""
        yield f"Lower --pack_capacity{now}."
    else:
        yield "Lower --max_input_tokens."
    if settings.peft == "none":
        yield "Train an adapter (--peft lora)."
    yield "Spread weights and optimiser (--deepspeed recipes/deepspeed/zero3.json, or zero3_offload.json)."


def bytes_of_checkpoint(model: Any, optimizer: Any, folder: Path) -> int:
    """Bytes that the next checkpoint takes: as many as the largest one in the folder, or an estimate.

    The estimate is the model's tensors and two more of each that trains, as Adam keeps.
    """
    before = [_size(path) for path in folder.glob("checkpoint-*")]
    if before:
        return max(before)
    weights = {id(p): p for p in model.parameters()}.values()
    sizes = [(getattr(p, "ds_numel", p.numel()) * p.element_size(), p.requires_grad) for p in weights]
    kept = 2 if optimizer is not None else 0
    return sum(size + kept * size * trained for size, trained in sizes)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def missing_bytes(folder: Path, needed: int) -> int:
    """How many bytes the folder's disk lacks; 0 where there is room."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return max(0, needed - shutil.disk_usage(place).free)


def disk_error(folder: Path, needed: int, missing: int) -> RunError:
    """The error of a disk that is full, or would be."""
    return RunError(
        "A checkpoint needs room on the disk.",
        found=f"{needed:,} bytes needed, {missing:,} missing",
        where=folder,
        remedy="Free some, lower --save_total_limit, or start again with the same command when there is room: "
        "what was saved before is whole, and the run goes on from there.",
    )


@contextmanager
def disk_told(folder: Path, needed: int) -> Iterator[None]:
    """Inside, writing to a full disk takes the unfinished folder away and is an error with the bytes missing.

    Args:
        folder: What is written.
        needed: Bytes of all of it.

    Raises:
        RunError: That happened.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        missing = missing_bytes(folder, max(0, needed - _size(folder)))
        shutil.rmtree(folder, ignore_errors=True)
        raise disk_error(folder, needed, missing) from error


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    return bool(_DISK.search(str(error)))
