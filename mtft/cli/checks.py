"""The checks behind `mtft doctor`: each yields findings and never raises."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from mtft.errors import MtftError
from mtft.resources import Kind, builtin_folder

OK, NOTE, BREAKS = "ok", "note", "breaks"
OPTIONAL = ("deepspeed", "ninja")
SHARED_MEMORY = Path("/dev/shm")
# Docker's default of 64 MiB is too little for DeepSpeed's collectives and for data loader workers.
LEAST_SHARED_MEMORY = 256 * 2**20


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: "ok", "note", or "breaks" for what would stop a run or make it do something else than asked.
        what: What was looked at.
        found: What it is.
        remedy: How to mend it, or "".
    """

    level: str
    what: str
    found: str
    remedy: str = ""


def all_checks(data_root: Path | None, config_file: Path | None = None) -> Iterator[Finding]:
    """Every finding, in the order of the report.

    Args:
        data_root: The folder of local datasets.
        config_file: Accelerate's settings, in place of its default ones.
    """
    yield Finding(OK, "Python", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield from packages()
    yield from devices()
    yield from shared_memory()
    yield from deepspeed(os.environ)
    yield from accelerate_settings(config_file or accelerate_config(os.environ))
    yield from built_in_data()
    yield from data(data_root)
    yield from environment(os.environ)


def packages() -> Iterator[Finding]:
    """The versions of what mtft requires, against the versions it asks for."""
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(line) for line in metadata.requires("mtft") or []]
    except metadata.PackageNotFoundError:
        yield Finding(BREAKS, "mtft", "not installed", "Install it with: pip install -e .")
        return
    yield Finding(OK, "mtft", metadata.version("mtft"))
    for requirement in asked:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement)


def _package(requirement: Any) -> Finding:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Finding(BREAKS, requirement.name, "missing", f"pip install '{requirement}'")
    if requirement.specifier.contains(version, prereleases=True):
        return Finding(OK, requirement.name, version)
    return Finding(
        BREAKS, requirement.name, f"{version}, needs {requirement.specifier}", f"pip install '{requirement}'"
    )


def devices() -> Iterator[Finding]:
    """What torch computes on."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding(BREAKS, "torch", f"cannot be imported: {error}", "Reinstall torch for this machine.")
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding(OK, "CPU", f"{cores} cores, {torch.get_num_threads()} threads in torch")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(number).total_memory / 2**30
            bf16 = "" if torch.cuda.is_bf16_supported() else ", no bfloat16"
            yield Finding(
                OK, f"GPU {number}", f"{torch.cuda.get_device_name(number)}, {memory:.0f} GiB{bf16}"
            )
    elif torch.backends.mps.is_available():
        yield Finding(OK, "GPU", "Apple MPS")
    else:
        yield Finding(NOTE, "GPU", "none: everything runs on the CPU")


def shared_memory(place: Path = SHARED_MEMORY) -> Iterator[Finding]:
    """Whether several processes have room to talk."""
    if not place.is_dir():
        return
    size = shutil.disk_usage(place).total
    found = f"{size / 2**20:,.0f} MiB in {place}"
    if size >= LEAST_SHARED_MEMORY:
        yield Finding(OK, "shared memory", found)
    else:
        yield Finding(
            BREAKS,
            "shared memory",
            found,
            "Too little for DeepSpeed and data loader workers; give a container more: --shm-size 2g.",
        )


def deepspeed(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether DeepSpeed is there and can build what it builds at first use."""
    if importlib.util.find_spec("deepspeed") is None:
        yield Finding(NOTE, "DeepSpeed", "not installed", "For ZeRO: pip install 'mtft[deepspeed]'")
        return
    yield Finding(OK, "DeepSpeed", metadata.version("deepspeed"))
    compiler = environ.get("CXX") or "g++"
    found = shutil.which(compiler)
    lacking = [name for name, there in ((compiler, found), ("ninja", _has_ninja())) if not there]
    if lacking:
        yield Finding(
            BREAKS,
            "compilers",
            f"no {' and no '.join(lacking)}",
            "DeepSpeed builds its CPU collectives at first use; install them (apt install g++ ninja-build).",
        )
    else:
        yield Finding(
            OK, "compilers", f"{found} and ninja (the first DeepSpeed run builds for about a minute)"
        )


def _has_ninja() -> bool:
    return shutil.which("ninja") is not None or importlib.util.find_spec("ninja") is not None


def accelerate_config(environ: Mapping[str, str]) -> Path | None:
    """The file that `accelerate launch` reads when none is named."""
    cache = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    home = environ.get("HF_HOME") or str(Path(cache) / "huggingface")
    folder = Path(home).expanduser() / "accelerate"
    return next(
        (p for p in (folder / "default_config.yaml", folder / "default_config.json") if p.is_file()), None
    )


def accelerate_settings(path: Path | None) -> Iterator[Finding]:
    """Traps in Accelerate's settings."""
    if path is None:
        yield Finding(OK, "Accelerate settings", "none: one process per machine unless a config is named")
        return
    try:
        settings = read_accelerate(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        yield Finding(BREAKS, "Accelerate settings", f"{path}: {error}", "Run `accelerate config` again.")
        return
    kind, processes = str(settings.get("distributed_type", "NO")), settings.get("num_processes", 1)
    traps = list(_traps(kind, processes, settings))
    for found, remedy in traps:
        yield Finding(BREAKS, "Accelerate settings", f"{path}: {found}", remedy)
    if not traps:
        yield Finding(OK, "Accelerate settings", f"{path}: {kind}, {processes} processes")


def read_accelerate(path: Path) -> dict[str, Any]:
    """Accelerate's settings, YAML or JSON.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no mapping.
        yaml.YAMLError: It is no YAML.
    """
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if not isinstance(settings, dict):
        raise ValueError("it is no mapping")
    return settings


def launched_processes(path: Path | None) -> int | None:
    """How many processes these settings ask for; None without settings, or where they do not say."""
    try:
        found = None if path is None else read_accelerate(path).get("num_processes")
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return found if isinstance(found, int) else None


def _traps(kind: str, processes: Any, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if kind == "MULTI_CPU" and shutil.which("mpirun") is None:
        yield (
            "MULTI_CPU without mpirun silently runs one process",
            "Use `torchrun --nproc_per_node N RECIPE`, or a DeepSpeed config (mtft recipes list).",
        )
    if kind == "DEEPSPEED" and importlib.util.find_spec("deepspeed") is None:
        yield "DEEPSPEED, which is not installed", "pip install 'mtft[deepspeed]'"
    if kind == "NO" and isinstance(processes, int) and processes > 1:
        yield (
            f"{processes} processes asked for, but distributed_type is NO: one runs",
            "Run `accelerate config` again.",
        )
    if settings.get("mixed_precision") == "fp16":
        yield (
            "mixed_precision fp16 overflows in T5 and mT5",
            "Use bf16, or no: `accelerate launch --mixed_precision no …`.",
        )


def built_in_data() -> Iterator[Finding]:
    """Whether prompts, recipes and suites came with the package."""
    kinds: tuple[tuple[Kind, str], ...] = (
        ("prompts", "templates.yaml"),
        ("recipes", "*.py"),
        ("eval", "*.yaml"),
    )
    for kind, pattern in kinds:
        try:
            folder = builtin_folder(kind)
        except MtftError as error:
            yield Finding(BREAKS, f"built-in {kind}", "missing", str(error))
            continue
        yield Finding(OK, f"built-in {kind}", f"{sum(1 for _ in folder.rglob(pattern))} files in {folder}")


def data(root: Path | None) -> Iterator[Finding]:
    """Whether the local datasets are where they are said to be."""
    if root is None:
        yield Finding(NOTE, "data", "no --data_root and no $MTFT_DATA_ROOT: only mini-xP3 and Hub datasets")
    elif not root.is_dir():
        yield Finding(
            BREAKS, "data", f"{root} is no folder", "Give the folder of the local datasets (docs/data.md)."
        )
    else:
        yield Finding(OK, "data", f"{sum(1 for p in root.iterdir() if p.is_dir())} folders in {root}")


def environment(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that change what happens."""
    if environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        yield Finding(NOTE, "HF_HUB_OFFLINE", "set: models and datasets come from folders and the cache only")
    devices_named = environ.get("CUDA_VISIBLE_DEVICES")
    if devices_named is not None:
        yield Finding(NOTE, "CUDA_VISIBLE_DEVICES", devices_named or "empty: no GPU is used")
