"""What the launchers start: every method balances a few steps; process 0 writes what it logged.

LAUNCHER tests/training/launched_balancing.py OUTPUT [--deepspeed FILE] [--methods famo,coba]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from transformers import PrinterCallback

from mtft.modeling import load_model, save_model
from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import toy_model
from tests.training.grouped import GroupedMeasured, Held
from tests.training.launched import _without_compiled_collectives, end_processes

METHODS = ("sum", "uw", "dwa", "famo", "stch", "coba")


def balance(folder: Path, method: str, **settings: Any) -> list[dict[str, float]]:
    """Loss, gradient norm, weights and shares of every step; on packs of BLOOM."""
    if AcceleratorState._shared_state:
        AcceleratorState._reset_state()
    built, encoder = toy_model("bloom")
    args = MultitaskArguments(
        output_dir=str(folder),
        max_steps=4,
        loss_balancing=method,
        balance_window=1,
        balance_every=1,
        balance_warmup=2,
        balance_history=3,
        balance_learning_rate=0.2,
        packing=True,
        pack_window=32,
        pack_capacity=[48],
        per_device_train_batch_size=1,
        global_batch_size=4,
        learning_rate=1e-2,
        adam_epsilon=1e-4,
        label_smoothing_factor=0.1,  # the methods look at what is minimised
        z_loss=1e-3,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **settings,
    )
    save_model(built, encoder.tokenizer, folder / "start")
    PartialState().wait_for_everyone()
    model = load_model(folder / "start").model
    trainer = MultitaskTrainer(model, args, GroupedMeasured(encoder), encoder, validation=Held())
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return [
        {name: value for name, value in line.items() if name in ("loss", "grad_norm") or "balance" in name}
        for line in trainer.state.log_history
        if "loss" in line
    ]


def main() -> None:
    """Run, and leave the numbers in OUTPUT/balanced.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--deepspeed")
    parser.add_argument("--methods", default=",".join(METHODS))
    options = parser.parse_args()
    if options.deepspeed:
        _without_compiled_collectives()
    torch.set_num_threads(1)
    found: dict[str, Any] = {
        method: balance(options.output / method, method, deepspeed=options.deepspeed)
        for method in options.methods.split(",")
    }
    if torch.distributed.get_rank() == 0:
        (options.output / "balanced.json").write_text(json.dumps(found))
    end_processes()


if __name__ == "__main__":
    main()
