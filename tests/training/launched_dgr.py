"""What torchrun starts: both families train on packs with the penalty of random heads.

torchrun --nproc_per_node 2 tests/training/launched_dgr.py OUTPUT [--deepspeed FILE]
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
from tests.training.additions import MeasuredAdditions, logged, toy_model
from tests.training.launched import CAPACITY, PACKED, _without_compiled_collectives, end_processes

DGR: dict[str, Any] = {"dgr_weight": 3.0, "dgr_dummies": 2, "dgr_resample": True, "dgr_positions": 6}


def train_with_dgr(family: str, folder: Path, **settings: Any) -> list[tuple[float, ...]]:
    """(loss, gradient norm, penalty) of every step, whose 8 packs are dealt out in micro-batches of 2."""
    if AcceleratorState._shared_state:
        AcceleratorState._reset_state()
    built, encoder = toy_model(family)
    args = MultitaskArguments(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=2,
        global_batch_size=8,
        learning_rate=1e-2,
        adam_epsilon=1e-4,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        pack_capacity=CAPACITY[family],
        **PACKED,
        **DGR,
        **settings,
    )
    save_model(built, encoder.tokenizer, folder / "start")
    PartialState().wait_for_everyone()
    trainer = MultitaskTrainer(load_model(folder / "start").model, args, MeasuredAdditions(encoder), encoder)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return logged(trainer, "loss", "grad_norm", "dgr_penalty")


def main() -> None:
    """Run, and leave the numbers in OUTPUT/dgr.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--deepspeed")
    options = parser.parse_args()
    if options.deepspeed:
        _without_compiled_collectives()
    torch.set_num_threads(1)
    results = {
        family: train_with_dgr(family, options.output / family, deepspeed=options.deepspeed)
        for family in ("mt5", "bloom")
    }
    if torch.distributed.get_rank() == 0:
        (options.output / "dgr.json").write_text(json.dumps(results))
    end_processes()


if __name__ == "__main__":
    main()
