"""What the launchers start: a step under DeepSpeed in 16 bits; process 0 writes what its model was given.

LAUNCHER tests/training/launched_sixteen_bits.py OUTPUT --deepspeed FILE --precision bf16
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import Additions, toy_model
from tests.training.launched import _without_compiled_collectives, end_processes


def inputs_of_a_step(folder: Path, deepspeed: str, precision: str) -> dict[str, Any]:
    """The dtype and the numbers of the row weights of every forward, and the dtype of the weights."""
    model, encoder = toy_model("bloom")
    args = MultitaskArguments(
        output_dir=str(folder),
        max_steps=1,
        per_device_train_batch_size=3,
        global_batch_size=6,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        deepspeed=deepspeed,
        **{precision: True},
    )
    trainer = MultitaskTrainer(model, args, Additions(), encoder)
    given: list[Any] = []

    def keep(module: Any, positional: Any, named: dict[str, Any]) -> None:
        weights = named["row_weights"]
        given.append({"dtype": str(weights.dtype), "weights": weights.double().tolist()})

    model.register_forward_pre_hook(keep, with_kwargs=True)
    trainer.train()
    return {"given": given, "model": str(next(model.parameters()).dtype)}


def main() -> None:
    """Run, and leave what was given in OUTPUT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--deepspeed", required=True)
    parser.add_argument("--precision", default="bf16")
    options = parser.parse_args()
    _without_compiled_collectives()
    torch.set_num_threads(1)
    found = inputs_of_a_step(options.output.parent / "run", options.deepspeed, options.precision)
    if torch.distributed.get_rank() == 0:
        options.output.write_text(json.dumps(found))
    end_processes()


if __name__ == "__main__":
    main()
