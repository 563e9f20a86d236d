"""Prints what the settings say of diagnostics under a DeepSpeed file; a process of its own, since DeepSpeed stays."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mtft.errors import ConfigError
from mtft.training import MultitaskArguments


def told(folder: Path, stage: int) -> str:
    """The error of the settings with a file of this stage, or "accepted"."""
    path = folder / f"stage{stage}.json"
    config = {"train_micro_batch_size_per_gpu": "auto", "zero_optimization": {"stage": stage}}
    path.write_text(json.dumps(config), encoding="utf-8")
    try:
        MultitaskArguments(str(folder), diagnostics=True, deepspeed=str(path), use_cpu=True, report_to="none")
    except ConfigError as error:
        return str(error)
    return "accepted"


if __name__ == "__main__":
    for number in (2, 3):
        print("told:", told(Path(sys.argv[1]), number))
