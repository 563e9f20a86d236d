"""What the launchers start: both families train, on rows and on packs, and resume; process 0 writes what it logged.

LAUNCHER tests/training/launched.py OUTPUT [--deepspeed FILE] [--kinds token,target]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate.state import AcceleratorState, PartialState
from transformers import PrinterCallback

from mtft.errors import ConfigError
from mtft.modeling import load_model, save_model
from mtft.training import MultitaskArguments, MultitaskTrainer
from tests.training.additions import MeasuredAdditions, logged, toy_model

STEPS, SLOTS = 3, 8
PACKED = {"packing": True, "pack_window": 64}
CAPACITY = {"bloom": [48], "mt5": [40, 16]}


def train(
    family: str, folder: Path, kind: str, *, save: bool = False, resume: bool = False, **settings: Any
) -> list[Any]:
    """(loss, gradient norm) of every step; of kind `packed`, on packs under the default normalisation."""
    if AcceleratorState._shared_state:
        AcceleratorState._reset_state()  # each run prepares its own DeepSpeed settings
    built, encoder = toy_model(family)
    packing = {**PACKED, "pack_capacity": CAPACITY[family]} if kind == "packed" else {}
    args = MultitaskArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        global_batch_size=SLOTS,
        loss_normalization="target" if packing else kind,
        learning_rate=1e-2,
        adam_epsilon=1e-4,  # gradients that are rounding alone must not become steps of the full learning rate
        logging_steps=1,
        save_strategy="steps" if save else "no",
        save_steps=2,
        report_to="none",
        disable_tqdm=True,
        **packing,
        **settings,
    )
    # loaded after the arguments, as a recipe does: under ZeRO-3 the library then partitions while loading
    save_model(built, encoder.tokenizer, folder / "start")
    PartialState().wait_for_everyone()
    trainer = MultitaskTrainer(load_model(folder / "start").model, args, MeasuredAdditions(encoder), encoder)
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-2") if resume else None)
    if save:
        trainer.save_model(str(folder / "final"))
    return logged(trainer, "loss", "grad_norm")


def _without_compiled_collectives() -> None:
    """Leave DeepSpeed's shared-memory collectives, built with g++ in a minute, to gloo."""
    from deepspeed import ops

    ops.__compatible_ops__["deepspeed_shm_comm"] = False


def end_processes() -> None:
    """The script's last call: leave together, at once.

    A process that ends while threads of its group are alive is aborted now and then, even when the group is gone; the
    interpreter's own ending is therefore left out. Everything must be written by then.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def main() -> None:
    """Run, and leave the numbers in OUTPUT/losses.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--deepspeed")
    parser.add_argument("--kinds", default="target")
    parser.add_argument("--no_build", action="store_true", help="do without DeepSpeed's C++ part")
    options = parser.parse_args()
    if options.no_build:
        _without_compiled_collectives()
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    for family in ("mt5", "bloom"):
        for kind in [*options.kinds.split(","), "packed"]:
            results[f"{family} {kind}"] = train(
                family, options.output / f"{family}-{kind}", kind, save=True, deepspeed=options.deepspeed
            )
        results[f"{family} resumed"] = train(
            family, options.output / f"{family}-{kind}", kind, resume=True, deepspeed=options.deepspeed
        )
    results["processes"] = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        (options.output / "losses.json").write_text(json.dumps(results))
    end_processes()


if __name__ == "__main__":
    try:
        main()
    except ConfigError as error:
        raise SystemExit(f"refused: {error}") from error
