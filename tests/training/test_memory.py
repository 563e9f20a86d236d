"""Memory estimated from a shape alone, against what real tensors take and what the papers say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Adafactor, BloomConfig, MT5Config

from mtft.errors import ConfigError, ModelError
from mtft.modeling import TargetBloom, TargetMT5
from mtft.modeling.activations import Computing, activation_bytes, cast_bytes
from mtft.modeling.published import published_names
from mtft.modeling.shape import ModelShape, meta_model, shape_of
from mtft.training.adapters import AdapterSettings, add_adapter
from mtft.training.memory import STRATEGIES, Memory, Setup, estimate, estimates
from mtft.training.trained import trained_parameters

# As the library counts the published files; bigscience's model cards state those of BLOOM.
PARAMETERS = {
    "bigscience/bloom-560m": 559_214_592,
    "bigscience/bloom-1b1": 1_065_314_304,
    "bigscience/bloom-1b7": 1_722_408_960,
    "bigscience/bloom-3b": 3_002_557_440,
    "bigscience/bloom-7b1": 7_069_016_064,
    "bigscience/bloom": 176_247_271_424,
    "google/mt5-small": 300_176_768,
    "google/mt5-base": 582_401_280,
    "google/mt5-large": 1_229_581_312,
    "google/mt5-xl": 3_742_619_648,
    "google/mt5-xxl": 12_921_057_280,
}
STATES = ("weights", "gradients", "optimizer")
WAYS = {
    "float32": Computing(4, 4),
    "cast": Computing(2, 2),
    "autocast": Computing(2, 4),
}
LENGTH, SEGMENTS = 16, 16
TOKENS = LENGTH * SEGMENTS


def model_of(family: str, dropout: float = 0.0, layers: int = 3) -> Any:
    torch.manual_seed(0)
    if family == "bloom":
        config = BloomConfig(vocab_size=61, hidden_size=64, n_layer=layers, n_head=4)
        return TargetBloom(config).train()
    config = MT5Config(
        vocab_size=61,
        d_model=64,
        d_ff=160,
        d_kv=24,
        num_layers=layers,
        num_decoder_layers=2,
        num_heads=4,
        dropout_rate=dropout,
    )
    return TargetMT5(config).train()


def shape_of_saved(model: Any, folder: Path) -> ModelShape:
    model.config.save_pretrained(folder)
    return shape_of(str(folder))


def batch_of(family: str) -> dict[str, Tensor]:
    """One pack of equal segments, so nothing is padding; mT5's targets are half as long as its inputs."""
    numbers = torch.arange(1, SEGMENTS + 1, dtype=torch.int32)
    ids = torch.randint(4, 61, (1, TOKENS))
    batch = {
        "input_ids": ids,
        "segments": numbers.repeat_interleave(LENGTH)[None],
        "row_weights": torch.ones(1, SEGMENTS),
    }
    if family == "bloom":
        labels = torch.full_like(ids, -100)
        labels[:, LENGTH - 1 :: LENGTH] = 5
        return batch | {"labels": labels}
    return batch | {
        "labels": torch.randint(4, 61, (1, TOKENS // 2)),
        "target_segments": numbers.repeat_interleave(LENGTH // 2)[None],
    }


def kept(model: nn.Module, batch: dict[str, Tensor], *, autocast: bool) -> int:
    """Bytes that a forward pass keeps for the backward pass, parameters left out."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    found: dict[int, tuple[int, Tensor]] = {}  # with the tensor, so that no address is used twice

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        model(**batch)
    return sum(size for size, _ in found.values())


@pytest.mark.parametrize("name", published_names())
def test_published_models_have_the_published_parameters(name: str) -> None:
    assert shape_of(name).parameters == PARAMETERS[name]


def test_the_finetuned_twins_have_the_same_shape() -> None:
    assert shape_of("bigscience/bloomz-3b") == shape_of("bigscience/bloom-3b")
    assert shape_of("bigscience/mt0-xl") == shape_of("google/mt5-xl")


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_weights_gradients_and_optimizer_are_those_measured(family: str, tmp_path: Path) -> None:
    model = model_of(family)
    optimizer = torch.optim.AdamW(model.parameters())
    model(**batch_of(family)).loss.backward()
    optimizer.step()
    weights = list(model.parameters())
    state = [each for kept in optimizer.state.values() for name, each in kept.items() if name != "step"]
    shape = shape_of_saved(model, tmp_path)
    setup = Setup(precision="fp32", capacities=(512,) if family == "bloom" else (512, 128))
    found = estimate(shape, setup).device
    assert found["weights"] == sum(p.nbytes for p in weights)
    assert found["gradients"] == sum(p.grad.nbytes for p in weights if p.grad is not None)
    assert found["optimizer"] == sum(each.nbytes for each in state)


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_adafactor_keeps_rows_and_columns(family: str, tmp_path: Path) -> None:
    model = model_of(family)
    optimizer = Adafactor(model.parameters(), lr=1e-3, scale_parameter=False, relative_step=False)
    model(**batch_of(family)).loss.backward()
    optimizer.step()
    state = [each for kept in optimizer.state.values() for each in kept.values() if isinstance(each, Tensor)]
    setup = Setup(optimizer="adafactor", capacities=(512,) if family == "bloom" else (512, 128))
    found = estimate(shape_of_saved(model, tmp_path), setup).device["optimizer"]
    moments = sum(each.nbytes for each in state if each.ndim)
    assert found == pytest.approx(moments, rel=0.01)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_activations_are_those_measured(family: str, way: str, tmp_path: Path) -> None:
    """Within five in a hundred: what does not grow with the width is not in the estimate."""
    computing = WAYS[way]
    model = model_of(family)
    shape = shape_of_saved(model, tmp_path)
    model = model.bfloat16() if way == "cast" else model
    tokens = (TOKENS,) if family == "bloom" else (TOKENS, TOKENS // 2)
    measured = kept(model, batch_of(family), autocast=way == "autocast")
    found = activation_bytes(shape, tokens, computing, checkpointing=False)
    assert found + cast_bytes(shape, computing, checkpointing=False) == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize("way", WAYS)
def test_activations_with_dropout_are_those_measured(way: str, tmp_path: Path) -> None:
    """A CPU also keeps the attention weights that dropout was applied to; with segments as short as here, few."""
    computing = WAYS[way]
    model = model_of("mt5", dropout=0.1)
    shape = shape_of_saved(model, tmp_path)
    model = model.bfloat16() if way == "cast" else model
    measured = kept(model, batch_of("mt5"), autocast=way == "autocast")
    found = activation_bytes(shape, (TOKENS, TOKENS // 2), computing, checkpointing=False)
    assert found + cast_bytes(shape, computing, checkpointing=False) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_with_checkpointing_a_layer_keeps_its_input(family: str, tmp_path: Path) -> None:
    """Measured before the backward pass: the layer that it computes again is not there yet."""
    model, deep = model_of(family), model_of(family, layers=7)
    tokens = (TOKENS,) if family == "bloom" else (TOKENS, TOKENS // 2)
    sizes = []
    for number, each in enumerate((model, deep)):
        shape = shape_of_saved(each, tmp_path / str(number))
        each.gradient_checkpointing_enable({"use_reentrant": True})
        each.enable_input_require_grads()
        estimated = activation_bytes(shape, tokens, WAYS["float32"], checkpointing=True)
        sizes.append((kept(each, batch_of(family), autocast=False), estimated))
    (measured, found), (measured_deep, found_deep) = sizes
    assert found_deep - found == measured_deep - measured == 4 * 4 * 64 * TOKENS
    assert found_deep < activation_bytes(shape, tokens, WAYS["float32"], checkpointing=False)


def states(shape: ModelShape, strategy: str, processes: int) -> float:
    """Of weights, gradients and optimiser, in 10^9 bytes."""
    memory = estimate(shape, Setup(strategy, processes=processes))
    return sum(memory.device[name] for name in STATES) / 1e9


def test_the_figures_of_the_zero_paper() -> None:
    """Rajbhandari et al. 2020, figure 1: 7.5 billion parameters on 64 devices, in GB."""
    shape = replace(shape_of("bigscience/bloom-7b1"), parameters=7_500_000_000)
    found = [states(shape, f"zero{stage}", 64) for stage in (1, 2, 3)]
    assert found == pytest.approx([31.4, 16.6, 1.9], abs=0.06)
    assert states(shape, "zero1", 1) == pytest.approx(120)


def test_more_processes_and_offload_leave_less_on_a_device() -> None:
    shape = shape_of("google/mt5-xl")
    alone = estimates(shape, Setup(capacities=(1024, 256)))
    many = estimates(shape, Setup(capacities=(1024, 256), processes=8))
    assert set(many) == set(STRATEGIES)
    for name, memory in many.items():
        held = sum(memory.device.get(part, 0) for part in STATES) + memory.host_total
        held_alone = sum(alone[name].device.get(part, 0) for part in STATES) + alone[name].host_total
        assert (held < held_alone) == (name != "ddp")
        if name.endswith("_offload"):
            without = many[name.removesuffix("_offload")]
            assert memory.total < without.total
            assert held == sum(without.device[part] for part in STATES)
        else:
            assert memory.host_total == 0
    order = [many[name].total for name in ("zero1", "zero2", "zero3")]
    assert order == sorted(order, reverse=True)


def test_an_adapter_needs_neither_gradients_nor_moments_of_the_rest() -> None:
    shape = shape_of("bigscience/bloom-3b")
    whole, adapter = (estimate(shape, Setup(trained=trained)) for trained in (None, 2_000_000))
    assert adapter.device["weights"] == whole.device["weights"]
    assert adapter.device["optimizer"] == 16_000_000
    assert adapter.device["head"] < whole.device["head"] / 4


@pytest.mark.parametrize(
    ("family", "kind"),
    [(family, kind) for family in ("bloom", "mt5") for kind in ("lora", "ia3", "prompt_tuning")]
    + [("bloom", "bitfit")],
)
def test_an_adapter_trains_as_many_weights_as_counted(family: str, kind: str) -> None:
    settings = AdapterSettings(peft=kind, lora_rank=3, virtual_tokens=5)
    counted = trained_parameters(meta_model("tiny", family=family, vocabulary=61), settings)
    config = meta_model("tiny", family=family, vocabulary=61).config
    adapted = add_adapter({"bloom": TargetBloom, "mt5": TargetMT5}[family](config), settings)
    assert counted == sum(p.numel() for p in adapted.parameters() if p.requires_grad) > 0


def test_without_an_adapter_all_train() -> None:
    assert trained_parameters(meta_model("tiny"), AdapterSettings()) is None


def test_a_short_batch_has_few_logits() -> None:
    shape = shape_of("google/mt5-small")
    few, many = (estimate(shape, Setup(capacities=(512, n), trained=0)).device["head"] for n in (10, 100_000))
    assert few == 10 * 250_112 * 10
    assert many == 268 * 250_112 * 10


def test_an_untied_head_counts_twice(tmp_path: Path) -> None:
    """mT5 as published has a head of its own, which the library's configuration no longer says."""
    model = model_of("mt5")
    tied = shape_of_saved(model, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": False}))
    assert shape_of(str(tmp_path)).parameters == tied.parameters + 61 * 64


def test_a_built_in_size_is_known(tmp_path: Path) -> None:
    assert shape_of("tiny", family="mt5", vocabulary=700).vocabulary == 700
    assert shape_of("tiny", family="bloom").decoder_layers == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "zero4"}, "zero3"),
        ({"precision": "bf8"}, "bf16"),
        ({"optimizer": "adam"}, "adamw"),
        ({"processes": 0}, "at least 1"),
        ({"capacities": (1024, 256)}, "1 capacity"),
        ({"trained": -1}, "at least 0"),
    ],
)
def test_an_impossible_setup_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        estimate(shape_of("bigscience/bloom-560m"), Setup(**settings))


def test_an_unknown_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="bigscience/bloom-560m"):
        shape_of(str(tmp_path / "bigscience/bloom-560"))
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(ModelError, match="gpt2"):
        shape_of(str(tmp_path))


@pytest.mark.parametrize("settings", [{"family": "gpt"}, {"vocabulary": 0}])
def test_an_impossible_built_in_model_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        shape_of("tiny", **settings)


def test_nothing_is_held_by_an_empty_estimate() -> None:
    assert Memory().total == Memory().host_total == 0
