"""What a launcher starts: each kind of adapter trains on packs and resumes; process 0 writes what it logged.

LAUNCHER tests/training/launched_adapters.py OUTPUT [--deepspeed FILE]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from tests.training.launched import _without_compiled_collectives, end_processes, train

CASES = (
    ("mt5", "lora"),
    ("mt5", "ia3"),
    ("mt5", "prompt_tuning"),
    ("bloom", "prompt_tuning"),
    ("bloom", "bitfit"),
)


def train_all(folder: Path, deepspeed: str | None = None) -> dict[str, list[Any]]:
    """(loss, gradient norm) of every step, by family and kind; the last one of them resumed from the second."""
    found = {}
    for family, kind in CASES:
        place, settings = folder / f"{family}-{kind}", {"peft": kind, "deepspeed": deepspeed}
        whole = train(family, place, "packed", save=True, **settings)
        resumed = train(family, place, "packed", resume=True, **settings)
        found[f"{family} {kind}"] = [*whole, resumed[-1]]
    return found


def main() -> None:
    """Run, and leave the numbers in OUTPUT/losses.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--deepspeed")
    options = parser.parse_args()
    _without_compiled_collectives()
    torch.set_num_threads(1)
    found = train_all(options.output, options.deepspeed)
    if torch.distributed.get_rank() == 0:
        (options.output / "losses.json").write_text(json.dumps(found))
    end_processes()


if __name__ == "__main__":
    main()
