"""Out of memory and out of disk: what to lower is said, and nothing that was saved is lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from mtft.errors import RunError
from mtft.training import find_checkpoint
from mtft.training.exhaustion import bytes_of_checkpoint, memory_told, missing_bytes
from tests.training.additions import MakeTrainer, MeasuredAdditions, logged, toy_model

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
SAVING: dict[str, Any] = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, "save_total_limit": 1}


class Greedy(TrainerCallback):
    """Wants a petabyte at the second step."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 1:
            torch.empty(10**15)


def test_out_of_memory_says_what_to_lower(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("mt5", gradient_accumulation_steps=2)
    trainer.add_callback(Greedy())
    with pytest.raises(RunError) as caught:
        trainer.train()
    message = str(caught.value)
    assert "can't allocate memory" in message
    assert "--per_device_train_batch_size (8 rows now); with --global_batch_size 16" in message
    assert "--activation_checkpointing true" in message
    assert "--max_input_tokens" in message
    assert "--peft lora" in message


def test_out_of_memory_with_packs_names_the_capacity(make_trainer: MakeTrainer) -> None:
    source = MeasuredAdditions(toy_model("bloom")[1])
    trainer = make_trainer(
        "bloom",
        source,
        packing=True,
        pack_capacity=[48],
        per_device_train_batch_size=1,
        peft="lora",
        activation_checkpointing=True,
    )
    trainer.add_callback(Greedy())
    with pytest.raises(RunError) as caught:
        trainer.train()
    message = str(caught.value)
    assert "--pack_capacity (48 now)" in message
    for absent in ("batch_size", "--activation_checkpointing", "--peft"):
        assert absent not in message


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB"), MemoryError()])
def test_every_kind_of_lack_of_memory_is_known(error: BaseException, make_trainer: MakeTrainer) -> None:
    args = make_trainer("mt5").args
    with pytest.raises(RunError, match="must fit in memory"), memory_told(args):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), NotImplementedError("x"), OSError(5, "x")])
def test_other_errors_pass(error: Exception, make_trainer: MakeTrainer) -> None:
    args = make_trainer("mt5").args
    with pytest.raises(type(error)), memory_told(args):
        raise error


class FillDisk(TrainerCallback):
    """From a step on, a file of the next checkpoint lies on a device that is full."""

    def __init__(self, step: int, name: str) -> None:
        self.step, self.name = step, name

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            folder = Path(args.output_dir) / f"checkpoint-{self.step + 1}"
            folder.mkdir(parents=True)
            (folder / self.name).symlink_to(FULL)


@needs_full
@pytest.mark.parametrize("name", ["optimizer.pt", "steps.json"])
def test_a_full_disk_loses_nothing_that_was_saved(
    name: str, make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """Only one checkpoint is kept, and it stays until the next one is whole; the run then goes on from it."""
    run = tmp_path / "run"
    whole = make_trainer("mt5", **SAVING)
    whole.train()
    shutil.rmtree(run)
    trainer = make_trainer("mt5", **SAVING)
    trainer.add_callback(FillDisk(3, name))
    with pytest.raises(RunError, match=r"checkpoint-4: .*room on the disk.*bytes needed, [\d,]+ missing"):
        trainer.train()
    assert [path.name for path in run.glob("checkpoint-*")] == ["checkpoint-2"]
    assert find_checkpoint(run) == run / "checkpoint-2"
    resumed = make_trainer("mt5", **SAVING)
    resumed.train(resume_from_checkpoint=True)
    assert logged(resumed, "loss", "grad_norm") == logged(whole, "loss", "grad_norm")


def test_a_checkpoint_without_room_is_not_begun(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    """Checked with a checkpoint that is, by its length, larger than any disk; its file has no blocks."""
    run = tmp_path / "run"
    trainer = make_trainer("mt5", **SAVING)
    trainer.add_callback(Inflate())
    with pytest.raises(RunError, match=r"checkpoint-4: .*[\d,]{15,} bytes needed, [\d,]{15,} missing"):
        trainer.train()
    assert [path.name for path in run.glob("checkpoint-*")] == ["checkpoint-2"]


class Inflate(TrainerCallback):
    """Makes the first checkpoint a petabyte long."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 2:
            os.truncate(Path(args.output_dir) / "checkpoint-2" / "optimizer.pt", 8 * 2**40)


def test_older_checkpoints_go_only_when_the_new_one_is_whole(
    make_trainer: MakeTrainer, tmp_path: Path
) -> None:
    """At every moment of a run that keeps one checkpoint, a complete one is there."""
    run = tmp_path / "run"
    seen: list[list[str]] = []
    trainer = make_trainer("mt5", **SAVING)
    trainer.add_callback(Watch(run, seen))
    trainer.train()
    assert seen == [["checkpoint-2"], ["checkpoint-4"], ["checkpoint-6"]]
    settings = json.loads((run / "checkpoint-6" / "training_arguments.json").read_text())
    assert settings["save_total_limit"] == 1
    assert trainer.args.save_total_limit == 1


class Watch(TrainerCallback):
    def __init__(self, run: Path, seen: list[list[str]]) -> None:
        self.run, self.seen = run, seen

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.seen.append(sorted(path.parent.name for path in self.run.glob("checkpoint-*/manifest.json")))


def test_the_room_for_a_checkpoint_is_known(tmp_path: Path) -> None:
    model, _ = toy_model("mt5")
    size = sum(p.numel() * 4 for p in model.parameters())
    assert bytes_of_checkpoint(model, None, tmp_path) == size
    assert bytes_of_checkpoint(model, object(), tmp_path) == 3 * size
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "a").write_bytes(b"x" * 70)
    assert bytes_of_checkpoint(model, object(), tmp_path) == 70
    free = shutil.disk_usage(tmp_path).free
    assert missing_bytes(tmp_path / "not" / "yet", 1) == 0
    assert missing_bytes(tmp_path, 10 * free) > 0
