"""What is killed: trains on packs, with dropout, into a second epoch; goes on where it was.

python tests/training/killed.py FAMILY FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from mtft.modeling import load_model, save_model
from mtft.training import MultitaskArguments, MultitaskTrainer, find_checkpoint
from tests.training.additions import ManyMeasuredAdditions, logged, toy_model

CAPACITY = {"bloom": [48], "mt5": [40, 16]}
LOSSES = "losses.json"


class SaysSteps(TrainerCallback):  # type: ignore[misc]
    """A line for every step, before the checkpoint that may follow it."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        print(f"step {state.global_step}", flush=True)


def train(family: str, folder: Path) -> None:
    """Train to the end, from the latest complete checkpoint where there is one; leave the losses of all steps."""
    torch.set_num_threads(1)
    built, encoder = toy_model(family, dropout=0.1)
    if not (folder / "start").is_dir():
        save_model(built, encoder.tokenizer, folder / "begun")
        (folder / "begun").rename(folder / "start")
    args = MultitaskArguments(
        output_dir=str(folder),
        num_train_epochs=2,
        packing=True,
        pack_capacity=CAPACITY[family],
        pack_window=64,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        logging_steps=1,
        save_strategy="steps",
        save_steps=2,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    model = load_model(folder / "start").model
    trainer = MultitaskTrainer(model, args, ManyMeasuredAdditions(encoder), encoder, callbacks=[SaysSteps()])
    trainer.train(resume_from_checkpoint=find_checkpoint(folder) is not None)
    trainer.save_model(str(folder / "final"))
    (folder / LOSSES).write_text(json.dumps(logged(trainer, "step", "loss", "grad_norm")), encoding="utf-8")


if __name__ == "__main__":
    train(sys.argv[1], Path(sys.argv[2]))
