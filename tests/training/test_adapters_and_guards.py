"""LoRA and the split of a step; launches and settings that would train wrongly."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import HfArgumentParser

from mtft.errors import ConfigError
from mtft.training import MultitaskArguments
from mtft.training.guards import (
    refuse_data_parallel,
    refuse_fsdp,
    refuse_half_precision,
    refuse_lost_processes,
)
from tests.training.additions import MakeTrainer, logged


def test_lora_is_invariant_to_the_split(family: str, make_trainer: MakeTrainer) -> None:
    found = []
    for rows, accumulation in ((8, 1), (2, 4)):
        trainer = make_trainer(
            family, peft="lora", per_device_train_batch_size=rows, gradient_accumulation_steps=accumulation
        )
        trainer.train()
        found.append(logged(trainer, "loss", "grad_norm"))
    for first, second in zip(*found, strict=True):
        assert first == pytest.approx(second, rel=1e-5)


def test_a_launch_that_lost_its_processes_is_refused() -> None:
    """What `accelerate launch` with MULTI_CPU and two processes sets, before it starts one."""
    lost = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "ACCELERATE_USE_CPU": "True"}
    with pytest.raises(ConfigError, match="torchrun"):
        refuse_lost_processes(lost)
    refuse_lost_processes({"ACCELERATE_USE_CPU": "True"})
    refuse_lost_processes({**lost, "WORLD_SIZE": "2"})
    refuse_lost_processes({**lost, "PMI_SIZE": "2"})
    refuse_lost_processes({"MASTER_ADDR": "127.0.0.1"})


def test_one_process_on_two_devices_is_refused() -> None:
    with pytest.raises(ConfigError, match="process of its own"):
        refuse_data_parallel(2)
    refuse_data_parallel(1)


@pytest.mark.parametrize("model_type", ["t5", "mt5", "umt5"])
def test_float16_with_the_t5_family_is_refused(model_type: str) -> None:
    model: Any = SimpleNamespace(config=SimpleNamespace(model_type=model_type))
    with pytest.raises(ConfigError, match="bf16"):
        refuse_half_precision(model, "fp16", None)
    with pytest.raises(ConfigError, match="overflow"):
        refuse_half_precision(model, "no", {"fp16": {"enabled": True}})
    refuse_half_precision(model, "bf16", {"fp16": {"enabled": False}})
    model.config.model_type = "bloom"
    refuse_half_precision(model, "fp16", None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss_normalization": "tokens"}, "Did you mean: token"),
        ({"peft": "lore"}, "Did you mean: lora"),
        ({"global_batch_size": 0}, "at least 1"),
        ({"global_batch_size": 8, "gradient_accumulation_steps": 2}, "not both"),
        ({"eval_strategy": "steps", "eval_steps": 1}, "callback"),
        ({"label_smoothing_factor": 1.0}, "below 1"),
        ({"target_length_exponent": 3.0}, "between -2 and 2"),
        ({"over_capacity": "cut"}, "over_capacity"),
        ({"train_sampling_strategy": "group_by_length"}, "mixture decides"),
        ({"auto_find_batch_size": True}, "do not depend on memory"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MultitaskArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True, **settings)


def test_float16_is_refused_before_anything_else(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("mt5")
    trainer.args.fp16 = True
    with pytest.raises(ConfigError, match="bf16"):
        type(trainer)(trainer.model, trainer.args, trainer.mixture, trainer.encoder)


def test_settings_are_read_from_flags(tmp_path: Path) -> None:
    flags = ["--output_dir", str(tmp_path), "--peft", "lora", "--loss_normalization", "task"]
    flags += ["--report_to", "none", "--use_cpu", "True", "--logging_steps", "5"]
    (args,) = HfArgumentParser(MultitaskArguments).parse_args_into_dataclasses(flags)
    assert (args.peft, args.loss_normalization, args.logging_steps) == ("lora", "task", 5)
    assert args.report_to == []


def test_training_without_an_end_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ConfigError, match="max_steps"):
        make_trainer("mt5", max_steps=-1)


def test_a_global_batch_sets_the_accumulation(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"output_dir": str(tmp_path), "report_to": "none", "use_cpu": True}
    args = MultitaskArguments(global_batch_size=20, per_device_train_batch_size=4, **settings)
    assert args.gradient_accumulation_steps == 5


def test_tensorboard_files_are_written(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer("mt5", report_to="tensorboard", max_steps=2)
    trainer.train()
    assert list(Path(trainer.args.output_dir).rglob("events.out.tfevents.*"))


def test_tied_weights_are_written_once(family: str, make_trainer: MakeTrainer, tmp_path: Path) -> None:
    """DeepSpeed hands over clones of all weights, in which ties can no longer be seen."""
    trainer = make_trainer(family)
    trainer.save_model(str(tmp_path / "plain"))
    clones = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
    trainer._save(str(tmp_path / "cloned"), state_dict=clones)
    plain, cloned = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "cloned"))
    assert plain.keys() == cloned.keys() < clones.keys()
    assert all(torch.equal(plain[name], cloned[name]) for name in plain)


def test_fsdp_is_refused_with_mt5() -> None:
    mt5, bloom = (SimpleNamespace(config=SimpleNamespace(model_type=name)) for name in ("mt5", "bloom"))
    with pytest.raises(ConfigError, match="gpu_zero3"):
        refuse_fsdp(mt5, {"ACCELERATE_USE_FSDP": "true"})
    refuse_fsdp(bloom, {"ACCELERATE_USE_FSDP": "true"})
    refuse_fsdp(mt5, {"ACCELERATE_USE_FSDP": "false"})
    refuse_fsdp(mt5, {})
