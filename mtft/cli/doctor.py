"""`mtft doctor`: versions, devices, compilers, settings, what would break, and the memory that a training takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from mtft.cli import checks
from mtft.cli.checks import BREAKS, Finding
from mtft.cli.memory import GIB, plain, plan_findings, present_memory, say_memory
from mtft.cli.options import DataRoot, Json
from mtft.cli.output import console, say_json
from mtft.cli.planned import Asked, Planned, planned
from mtft.errors import ConfigError

STYLES = {"ok": "green", "note": "cyan", BREAKS: "bold red"}
MARKS = {"ok": "✓", "note": "·", BREAKS: "✗"}
Model = Annotated[
    str | None,
    typer.Option(help="Estimate the memory of training it: a Hub id, a folder, or a built-in size."),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        help="Take model, lengths, batch, precision and optimiser from a recipe, such as bloomz_7b1."
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        help="Accelerate's settings to look at, in place of its default ones; they say the strategy too."
    ),
]
Strategy = Annotated[
    str | None, typer.Option(help="One of ddp, fsdp, zero1, zero2, zero3, zero3_offload, …; default: all.")
]
Capacity = Annotated[
    list[int] | None,
    typer.Option(help="Tokens of a pack or of the longest row; twice for mT5: encoder, decoder."),
]
DeviceMemory = Annotated[
    float | None, typer.Option(help="GiB of a device, to say what fits; default: the GPU's that is here.")
]


def doctor(
    data_root: DataRoot = None,
    strict: Annotated[bool, typer.Option(help="Exit code 1 if something would break.")] = False,
    as_json: Json = False,
    config_file: ConfigFile = None,
    model: Model = None,
    recipe: Recipe = None,
    strategy: Strategy = None,
    processes: Annotated[int | None, typer.Option(help="One for each device.")] = None,
    slots: Annotated[int | None, typer.Option(help="Packs, or rows, that a process takes at once.")] = None,
    capacity: Capacity = None,
    precision: Annotated[str | None, typer.Option(help="bf16, fp16 or fp32.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adamw or adafactor.")] = None,
    checkpointing: Annotated[bool | None, typer.Option(help="Activation checkpointing.")] = None,
    peft: Annotated[str | None, typer.Option(help="lora, ia3, prompt_tuning or bitfit.")] = None,
    trained: Annotated[int | None, typer.Option(help="Weights that train, if not all.")] = None,
    family: Annotated[str | None, typer.Option(help="Of a built-in size: bloom or mt5.")] = None,
    vocabulary: Annotated[int | None, typer.Option(help="Entries, of a built-in size.")] = None,
    device_memory: DeviceMemory = None,
) -> None:
    """Check the installation and Accelerate's settings; with --model or --recipe, estimate a training's memory."""
    asked = Asked(
        model=model,
        family=family,
        vocabulary=vocabulary,
        strategy=strategy,
        processes=processes,
        slots=slots,
        capacity=tuple(capacity or ()),
        precision=precision,
        optimizer=optimizer,
        checkpointing=checkpointing,
        peft=peft,
        trained=trained,
    )
    if recipe or asked.anything or device_memory is not None:
        findings = _estimate(planned(asked, recipe, config_file), config_file, device_memory, as_json=as_json)
    else:
        findings = list(checks.all_checks(data_root, config_file))
        if as_json:
            say_json([vars(finding) for finding in findings])
        else:
            _print(findings)
    if strict and any(finding.level == BREAKS for finding in findings):
        raise typer.Exit(1)


def _estimate(
    plan: Planned, config_file: Path | None, device_memory: float | None, *, as_json: bool
) -> list[Finding]:
    """Prints the estimate and what would break that training, and gives the findings."""
    from mtft.training.memory import estimates

    if device_memory is not None and not device_memory > 0:
        raise ConfigError("`--device_memory` must be above 0, in GiB.", found=device_memory)
    size = present_memory() if device_memory is None else int(device_memory * GIB)
    memories = estimates(plan.shape, plan.setup, plan.strategies)
    settings = config_file or checks.accelerate_config(os.environ)
    findings = list(checks.accelerate_settings(settings))
    if all(name.startswith("zero") for name in plan.strategies):
        findings += checks.deepspeed(os.environ)
    findings += plan_findings(plan, memories, size, checks.launched_processes(settings))
    if as_json:
        say_json(plain(plan, memories, size) | {"findings": [vars(finding) for finding in findings]})
    else:
        say_memory(plan, memories, size)
        _print(findings)
    return findings


def _print(findings: list[Finding]) -> None:
    out = console()
    for finding in findings:
        style = STYLES[finding.level]
        out.print(
            Text.assemble((MARKS[finding.level], style), f" {finding.what}: ", (finding.found, style)),
            soft_wrap=True,
        )
        if finding.remedy:
            out.print(Text(f"    {finding.remedy}"), soft_wrap=True)
    broken = sum(finding.level == BREAKS for finding in findings)
    out.print(Text("Nothing would break." if not broken else f"{broken} of these would break a run."))
