"""What one or two processes start: a training with diagnostics, whose trajectory stands in OUTPUT."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from mtft.runs.diagnostics import Diagnostics
from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import toy_model
from tests.training.diagnosed import GroupedAdditions
from tests.training.launched import end_processes


def diagnosed_run(folder: Path) -> None:
    """Two steps of eight rows, measured before, between and after."""
    model, encoder = toy_model("mt5", dropout=0.1)
    arguments = MultitaskArguments(
        output_dir=str(folder),
        max_steps=2,
        global_batch_size=8,
        per_device_train_batch_size=2,
        save_strategy="no",
        device_tflops=1,
        report_to="none",
        disable_tqdm=True,
        learning_rate=0.0,  # dropout differs between one process and two: their weights would
        loss_balancing="sum",
        diagnostics=True,
        diagnostics_every=1,
        diagnostics_examples=6,
        diagnostics_batches=3,
        diagnostics_languages=True,
        diagnostics_quantities=[
            *("train_loss", "conflict", "gradient_norm", "coherence", "fisher_trace", "sharpness")
        ],
        use_cpu=True,
    )
    trainer = MultitaskTrainer(model, arguments, GroupedAdditions(), encoder)
    Diagnostics(None, "mt5", folder).attach(trainer)
    trainer.train()


if __name__ == "__main__":
    torch.set_num_threads(1)
    diagnosed_run(Path(sys.argv[1]))
    end_processes()
