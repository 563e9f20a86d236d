"""A run's output folder: what it holds, and whether a run may go on in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from accelerate import PartialState

from mtft.errors import RunError

SETTINGS = "recipe.yaml"
# What may differ between a killed run and the one that goes on with it: how it is launched and shown, not what it is.
FREE = {
    "overwrite", "resume_from_checkpoint", "report_to", "disable_tqdm", "logging_steps", "eval_batch_tokens",
    "data_root", "save_steps", "save_total_limit", "dataloader_num_workers", "deepspeed", "local_rank", "self_check",
}  # fmt: skip
# How processes and micro-batches share a step, where its size is fixed by `global_batch_size`.
SHARED_OUT = {"per_device_train_batch_size", "gradient_accumulation_steps"}


def write_atomically(path: Path, text: str) -> None:
    """Writes `text` under a temporary name beside `path` and renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


@dataclass(frozen=True)
class RunFolder:
    """The places of one run.

    ```
    <path>/  model and tokenizer, checkpoint-<step>/, recipe.yaml (the resolved settings), training.json
        base/               the model before finetuning, for built-in sizes
        mixture/            manifest.json, parts.json (`Mixture.parts`), overlap.bin (see `mtft.mixing.overlap`)
        eval/               results.json, samples.parquet, report.html, report.md
    ```
    """

    path: Path

    @property
    def base(self) -> Path:
        """The model before finetuning."""
        return self.path / "base"

    @property
    def manifest(self) -> Path:
        """What the mixture was made of."""
        return self.path / "mixture" / "manifest.json"

    @property
    def parts(self) -> Path:
        """What decided the mixture, by name."""
        return self.path / "mixture" / "parts.json"

    @property
    def overlap(self) -> Path:
        """Hashes of what the mixture trains on."""
        return self.path / "mixture" / "overlap.bin"

    @property
    def training(self) -> Path:
        """The mark that training ended: its summary."""
        return self.path / "training.json"

    @property
    def eval(self) -> Path:
        """Results, samples and report."""
        return self.path / "eval"

    def open(self, settings: Mapping[str, Any], *, overwrite: bool) -> None:
        """Makes the folder ready for a run with these settings; one that was killed goes on.

        Raises:
            RunError: A run with other settings stands in the folder, or something that is no run.
        """
        state = PartialState()
        # The main process decides and may empty the folder; the others look only after it.
        with state.main_process_first():
            if state.is_main_process and overwrite and (self.path / SETTINGS).exists():
                shutil.rmtree(self.path)
            self._check(settings)
            if state.is_main_process:
                write_atomically(self.path / SETTINGS, yaml.safe_dump(dict(settings), sort_keys=True))

    def _check(self, settings: Mapping[str, Any]) -> None:
        saved = self.path / SETTINGS
        if not saved.exists():
            if self.path.is_dir() and any(self.path.iterdir()):
                raise RunError(
                    "The output folder must be empty or hold a run.",
                    found="other files",
                    where=self.path,
                    remedy="Choose another --output_dir.",
                )
            return
        before = yaml.safe_load(saved.read_text(encoding="utf-8")) or {}
        free = FREE | SHARED_OUT if settings.get("global_batch_size") else FREE
        changed = sorted(k for k in {*before, *settings} - free if before.get(k) != settings.get(k))
        if changed:
            shown = "; ".join(f"{k}: {before.get(k)!r} → {settings.get(k)!r}" for k in changed[:5])
            raise RunError(
                "A run goes on only with the settings it began with.",
                found=shown,
                where=self.path,
                remedy="Give `--overwrite true` to replace it, or another --output_dir.",
            )


def resolved_settings(*parts: Any) -> dict[str, Any]:
    """The dataclasses' fields as plain YAML values, one mapping."""
    merged: dict[str, Any] = {}
    for part in parts:
        values = part.to_dict() if hasattr(part, "to_dict") else vars(part)
        merged |= json.loads(json.dumps(values, default=str, sort_keys=True))
    return merged


@contextmanager
def on_main_first() -> Iterator[bool]:
    """True in the main process, which goes first; the others follow when it is through."""
    state = PartialState()
    with state.main_process_first():
        yield state.is_main_process


def once(done: Callable[[], bool], work: Callable[[], None]) -> None:
    """Does `work` in the main process unless `done`; every process returns after it."""
    with on_main_first() as main:
        if main and not done():
            work()
