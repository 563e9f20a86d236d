"""What torchrun starts: gradient balancing by several methods; process 0 writes what it logged.

torchrun tests/training/launched_gradients.py OUTPUT
"""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback

from mtft.encoding import Encoder
from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import GroupedAdditions, toy_model
from tests.training.launched import end_processes

RUNS: dict[str, dict[str, Any]] = {
    "gradvac": {"gradient_balancing": "gradvac"},
    "upgrad packed": {
        "gradient_balancing": "upgrad",
        "packing": True,
        "pack_window": 64,
        "pack_capacity": [48],
    },
    "graddrop": {"gradient_balancing": "graddrop", "update_norm": "mean"},
    "gradnorm": {"gradient_balancing": "gradnorm", "gradnorm_rate": 0.5},
    # so few rows that a process misses groups; the gradients of the other blocks are summed beside
    "last block": {
        "gradient_balancing": "imtl_g",
        "balanced_parameters": "last_block",
        "global_batch_size": 4,
    },
    "by token": {"gradient_balancing": "pcgrad", "loss_normalization": "token", "peft": "lora"},
}


@cache
def _built() -> tuple[Any, Encoder]:
    return toy_model("bloom")


def train(folder: Path, **settings: Any) -> list[dict[str, float]]:
    """The log lines of two steps."""
    model, encoder = deepcopy(_built())
    args = MultitaskArguments(
        **{
            "output_dir": str(folder),
            "max_steps": 2,
            "per_device_train_batch_size": 2,
            "global_batch_size": 8,
            "balance_by": "language",
            "learning_rate": 1e-2,
            "adam_epsilon": 1e-4,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
            **settings,
        }
    )
    trainer = MultitaskTrainer(model, args, GroupedAdditions(encoder), encoder)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    wanted = ("loss", "grad_norm", "gradient_cosine")
    return [
        {
            name: float(value)
            for name, value in entry.items()
            if name in wanted or name.startswith(("gradient_weight", "update_share"))
        }
        for entry in trainer.state.log_history
        if "loss" in entry
    ]


def main() -> None:
    """Run all, and leave the numbers in OUTPUT/logs.json."""
    torch.set_num_threads(1)
    output = Path(sys.argv[1])
    logs = {name: train(output / name, **settings) for name, settings in RUNS.items()}
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        (output / "logs.json").write_text(json.dumps(logs))
    end_processes()


if __name__ == "__main__":
    main()
