"""The estimate of `mtft doctor --model`: a table of strategies, what does not fit, and the traps of that training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mtft.cli.checks import BREAKS, NOTE, Finding
from mtft.cli.output import say, say_table

if TYPE_CHECKING:
    from mtft.cli.planned import Planned
    from mtft.training.memory import Memory

PARTS = ("weights", "gradients", "optimizer", "buffers", "activations", "head")
GIB = 2**30


def present_memory() -> int | None:
    """Bytes of the smallest GPU here; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    numbers = range(torch.cuda.device_count())
    return min(torch.cuda.get_device_properties(number).total_memory for number in numbers)


def plan_findings(
    plan: Planned, memories: Mapping[str, Memory], capacity: int | None, launched: int | None
) -> Iterator[Finding]:
    """The traps of this training.

    Args:
        plan: The training.
        memories: The estimates, by strategy.
        capacity: Bytes of a device's memory, if known.
        launched: The processes that Accelerate's settings start, if there are any.
    """
    setup = plan.setup
    if plan.shape.family == "mt5" and setup.precision == "fp16":
        yield Finding(
            BREAKS, "precision", "fp16 with mT5, whose activations overflow it: refused", "Use bf16 or fp32."
        )
    sharded = [name for name in memories if name.startswith("fsdp")]
    if plan.shape.family == "mt5" and sharded:
        yield Finding(
            BREAKS if len(sharded) == len(memories) else NOTE,
            "fsdp",
            "does not train mT5, whose modules share their embeddings' weight",
            "Use zero3, which partitions as much.",
        )
    if launched is not None and launched != setup.processes:
        yield Finding(
            NOTE,
            "processes",
            f"{setup.processes} in the estimate, {launched} in Accelerate's settings",
            f"Launch with: accelerate launch --num_processes {setup.processes} …",
        )
    if plan.quantization != "none":
        yield Finding(NOTE, "quantization", f"{plan.quantization}, estimated without")
    if capacity is not None and not any(memory.total <= capacity for memory in memories.values()):
        least = min(memories, key=lambda name: memories[name].total)
        yield Finding(
            BREAKS,
            "memory",
            f"{least} takes {_gib(memories[least].total)} GiB of a device's {_gib(capacity)}",
            "More processes with fsdp or zero3, less --capacity or --slots, --checkpointing, --peft lora.",
        )


def say_memory(plan: Planned, memories: Mapping[str, Memory], capacity: int | None) -> None:
    """Prints what is estimated, and the table in GiB."""
    setup, shape = plan.setup, plan.shape
    trained = "all train" if setup.trained is None else f"{setup.trained:,} train"
    say(
        f"{plan.model}: {shape.parameters:,} weights, {trained}; {setup.precision}, {setup.optimizer}; "
        f"{setup.processes} {'process' if setup.processes == 1 else 'processes'}, each with {setup.slots} x "
        f"{' + '.join(map(str, setup.capacities))} tokens at once; "
        f"activation checkpointing {'on' if setup.checkpointing else 'off'}.",
        "GiB of one process" + (f"; a device has {_gib(capacity)}" if capacity else ""),
    )
    columns = [*PARTS, "device", *(["fits"] if capacity else []), "main memory"]
    rows = [[name, *_row(memory, capacity)] for name, memory in memories.items()]
    say_table(["strategy", *columns], rows, numeric=columns)
    say("Not counted: the device's own context, fragmentation, evaluation during the run.")


def _row(memory: Memory, capacity: int | None) -> Iterator[str]:
    yield from (_gib(memory.device[part]) if part in memory.device else "" for part in PARTS)
    yield _gib(memory.total)
    if capacity:
        yield "yes" if memory.total <= capacity else "no"
    yield _gib(memory.host_total) if memory.host_total else ""


def _gib(size: int) -> str:
    gib = size / GIB
    return f"{gib:,.1f}" if gib >= 10 else f"{gib:.2f}"


def plain(plan: Planned, memories: Mapping[str, Memory], capacity: int | None) -> dict[str, Any]:
    """The same as plain data, in bytes."""
    return {
        "model": plan.model,
        "shape": asdict(plan.shape),
        "setup": {name: value for name, value in asdict(plan.setup).items() if name != "strategy"},
        "device_memory": capacity,
        "strategies": {name: _plain(memory, capacity) for name, memory in memories.items()},
    }


def _plain(memory: Memory, capacity: int | None) -> dict[str, Any]:
    return {
        "device": memory.device,
        "main_memory": memory.host,
        "device_total": memory.total,
        "main_memory_total": memory.host_total,
        "fits": None if capacity is None else memory.total <= capacity,
    }
