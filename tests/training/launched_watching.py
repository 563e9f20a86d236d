"""What two processes start: one trains on a row that is no number; how both ended stands in OUTPUT/<rank>.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from mtft.errors import RunError
from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import Additions, logged, toy_model
from tests.training.launched import end_processes
from tests.training.test_anomalies import PoisonAt, WithAnOddRow, odd_ids

WATCHED = ("padding", "utilization_encoder", "utilization_decoder")


def trainer_of(folder: Path, source: Any, **settings: Any) -> MultitaskTrainer:
    """Eight rows a step in micro-batches of two, a checkpoint every second step."""
    model, encoder = toy_model("mt5")
    arguments = MultitaskArguments(
        output_dir=str(folder),
        max_steps=5,
        global_batch_size=8,
        per_device_train_batch_size=2,
        save_steps=2,
        logging_steps=1,
        device_tflops=1,
        report_to="none",
        disable_tqdm=True,
        **settings,
    )
    return MultitaskTrainer(model, arguments, source, encoder)


def main(output: Path) -> None:
    """Train well, then train on the odd row."""
    torch.set_num_threads(1)
    well = trainer_of(output / "well", Additions(), save_strategy="no")
    well.train()
    badly = trainer_of(output / "badly", WithAnOddRow())
    head = badly.model.lm_head  # type: ignore[union-attr]
    head.weight = torch.nn.Parameter(head.weight.detach().clone())
    badly.add_callback(PoisonAt(3, odd_ids(badly.encoder.tokenizer)))
    message = ""
    try:
        badly.train()
    except RunError as error:
        message = str(error)
    found = {"watched": logged(well, *WATCHED), "message": message, "step": badly.state.global_step}
    (output / f"{badly.args.process_index}.json").write_text(json.dumps(found))
    end_processes()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
