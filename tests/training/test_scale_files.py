"""The shipped launch settings are read by Accelerate and DeepSpeed themselves, and say what their names say."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env

from mtft.resources import builtin_folder
from tests.modeling.packs import FAMILIES, model_of

RECIPES = builtin_folder("recipes")
ACCELERATE = sorted((RECIPES / "accelerate").glob("*.yaml"))
DEEPSPEED = sorted((RECIPES / "deepspeed").glob("*.json"))
KINDS = {"ddp": "MULTI_GPU", "fsdp": "FSDP", "zero": "DEEPSPEED", "process": "NO"}
WAYS = ("ddp", "fsdp", "zero1", "zero2", "zero3")


def load(path: Path) -> ClusterConfig:
    return load_config_from_file(str(path))


def launched(path: Path) -> Any:
    """What `accelerate launch` makes of a file."""
    arguments = launch_command_parser().parse_args(["--config_file", str(path), "script.py"])
    return _validate_launch_command(arguments)[0]


def test_every_way_has_its_files() -> None:
    names = {path.stem for path in ACCELERATE}
    assert names >= {f"gpu_{way}" for way in WAYS} | {f"nodes_{way}" for way in WAYS}
    assert names >= {f"gpu_{way}_offload" for way in WAYS[1:]}
    assert {path.stem for path in DEEPSPEED} == {
        f"zero{stage}{offload}" for stage in (1, 2, 3) for offload in ("", "_offload")
    }


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda p: p.stem)
def test_accelerate_reads_the_file(path: Path) -> None:
    """Unknown keys are errors there, and in the blocks they would be passed over."""
    config = load(path)
    flags = {action.dest for action in launch_command_parser()._actions}
    assert {*config.deepspeed_config, *config.fsdp_config} <= flags
    kind = next(value for name, value in KINDS.items() if name in path.stem)
    assert config.distributed_type == kind
    assert config.use_cpu == path.stem.startswith(("cpu", "one"))
    assert config.mixed_precision == ("no" if config.use_cpu else "bf16")
    assert (config.num_machines > 1) == path.stem.startswith("nodes")
    assert config.num_processes % config.num_machines == 0
    assert launched(path).num_processes == config.num_processes


@pytest.mark.parametrize("path", [p for p in ACCELERATE if "zero" in p.stem], ids=lambda p: p.stem)
def test_the_stage_and_the_offload_are_those_of_the_name(path: Path) -> None:
    block = load(path).deepspeed_config
    stage, offloads = int(path.stem.partition("zero")[2][0]), path.stem.endswith("offload")
    assert block["zero_stage"] == stage
    assert (block["offload_optimizer_device"] == "cpu") == offloads
    assert (block["offload_param_device"] == "cpu") == (offloads and stage == 3)
    assert ("deepspeed_multinode_launcher" in block) == path.stem.startswith("nodes")


@pytest.mark.parametrize("path", [p for p in ACCELERATE if "fsdp" in p.stem], ids=lambda p: p.stem)
@pytest.mark.parametrize("family", FAMILIES)
def test_fsdp_wraps_the_layers_of_both_families(
    path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in prepare_multi_gpu_env(launched(path)).items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    plugin.set_auto_wrap_policy(model_of(family))
    (layer,) = plugin.auto_wrap_policy.keywords["transformer_layer_cls"]
    assert layer.__name__ == {"bloom": "BloomBlock", "mt5": "MT5Block"}[family]
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert str(plugin.state_dict_type) == "StateDictType.FULL_STATE_DICT"
    assert (type(plugin.cpu_offload).__name__ == "CPUOffloadPolicy") == path.stem.endswith("offload")
    assert os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "false"


@pytest.mark.parametrize("path", DEEPSPEED, ids=lambda p: p.stem)
def test_deepspeed_knows_every_key(path: Path) -> None:
    pytest.importorskip("deepspeed")
    from deepspeed.runtime import constants
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    content = json.loads(path.read_text(encoding="utf-8"))
    known = {value for value in vars(constants).values() if isinstance(value, str)} | {"zero_optimization"}
    assert set(content) <= known
    zero = DeepSpeedZeroConfig(**content["zero_optimization"])  # unknown keys are errors
    assert zero.stage == int(path.stem[4])
    assert (zero.offload_optimizer is not None) == path.stem.endswith("offload")
    assert (zero.offload_param is not None) == (path.stem == "zero3_offload")
    assert content["optimizer"]["params"]["torch_adam"] is True


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda p: p.stem)
def test_the_file_begins_with_what_it_is_for_and_how_it_is_used(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"--config_file recipes/accelerate/{path.name} " in text
