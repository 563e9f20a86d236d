"""Row weights reach the model as they were computed, whatever the model computes in."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.distributed.fsdp import MixedPrecisionPolicy

from mtft.resources import builtin_folder
from mtft.training.precise_weights import keep_row_weights_precise
from tests.launching import TORCHRUN, launched
from tests.training.additions import MakeTrainer
from tests.training.grouped import Grouped

ONE = [part if part != "2" else "1" for part in TORCHRUN]


def forwards(trainer: Any, batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the model was given in the forwards of a step."""
    given: list[dict[str, Any]] = []

    def keep(module: Any, positional: Any, named: dict[str, Any]) -> None:
        given.append(dict(named))

    with torch.no_grad():
        handle = trainer.model.register_forward_pre_hook(keep, with_kwargs=True)
        for batch in batches:
            trainer.compute_loss(trainer.model, trainer._prepare_inputs(dict(batch)))
        handle.remove()
    return given


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("balancing", ["none", "sum"])
def test_deepspeeds_dtype_does_not_round_weights(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, balancing: str, dtype: torch.dtype
) -> None:
    """The library casts floating inputs to that dtype; weights of 1/24 are no number of it."""
    trainer = make_trainer("bloom", Grouped(), loss_balancing=balancing, per_device_train_batch_size=6)
    batches, _ = trainer.get_batch_samples(iter(trainer.get_train_dataloader()), 1, trainer.args.device)
    plugin = SimpleNamespace(hf_ds_config=SimpleNamespace(dtype=lambda: dtype))
    monkeypatch.setattr(type(trainer.accelerator.state), "deepspeed_plugin", plugin, raising=False)
    trainer.is_deepspeed_enabled = True
    expected = batches[0]["row_weights"]
    assert not torch.equal(expected.to(dtype).float(), expected)
    prepared = trainer._prepare_inputs(dict(batches[0]))
    for name in ("row_weights", "present", *(("group_shares",) if balancing == "sum" else ())):
        assert prepared[name].dtype == torch.float32
        torch.testing.assert_close(prepared[name], batches[0][name], rtol=0, atol=0)
    (given,) = forwards(trainer, batches)
    assert given["row_weights"].dtype == torch.float32
    torch.testing.assert_close(given["row_weights"], expected, rtol=0, atol=0)


def test_casts_of_inputs_are_turned_off() -> None:
    deepspeed = SimpleNamespace(deepspeed_config={"fp16": {"enabled": True, "auto_cast": True}})
    keep_row_weights_precise(SimpleNamespace(deepspeed_plugin=deepspeed))
    assert deepspeed.deepspeed_config == {"fp16": {"enabled": True, "auto_cast": False}}
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, output_dtype=torch.bfloat16)
    fsdp = SimpleNamespace(mixed_precision_policy=policy)
    keep_row_weights_precise(SimpleNamespace(deepspeed_plugin=None, fsdp_plugin=fsdp))
    found: Any = fsdp.mixed_precision_policy
    assert (found.cast_forward_inputs, found.output_dtype) == (False, None)
    assert found.param_dtype == torch.bfloat16
    for nothing in ({}, {"deepspeed_plugin": SimpleNamespace(deepspeed_config={})}):
        keep_row_weights_precise(SimpleNamespace(**nothing))


@pytest.mark.slow
@pytest.mark.processes
def test_deepspeed_in_bfloat16_is_given_whole_weights(tmp_path: Path) -> None:
    config = builtin_folder("recipes") / "deepspeed" / "zero1.json"
    script = Path(__file__).with_name("launched_sixteen_bits.py")
    launched([*ONE, script, tmp_path / "given.json", "--deepspeed", config])
    found = json.loads((tmp_path / "given.json").read_text())
    assert found["model"] == "torch.bfloat16"
    assert {each["dtype"] for each in found["given"]} == {"torch.float32"}
    rounded = [torch.tensor(each["weights"]).bfloat16().double().tolist() for each in found["given"]]
    assert rounded != [each["weights"] for each in found["given"]]


@pytest.mark.slow
@pytest.mark.processes
def test_fsdp_in_bfloat16_is_given_whole_weights(tmp_path: Path) -> None:
    launched([*ONE, Path(__file__).with_name("sixteen_bit_fsdp.py"), tmp_path / "given.json"])
    found = json.loads((tmp_path / "given.json").read_text())
    assert found["hidden"] == "torch.bfloat16"
    assert found["outputs"] == ["torch.float32"] * 3
    assert found["weights"] == torch.tensor([1 / 30, 0.3, 1 / 3]).double().tolist()
