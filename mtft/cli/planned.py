"""What flags, a recipe and a launch file say of a training whose memory is to be estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mtft.cli.checks import read_accelerate
from mtft.errors import ConfigError

if TYPE_CHECKING:
    from mtft.modeling.shape import ModelShape
    from mtft.training.memory import Setup

_OFFLOADS = ("offload_optimizer_device", "offload_param_device")
_NUMBERS = (
    "max_input_tokens",
    "max_target_tokens",
    "pack_capacity",
    "per_device_train_batch_size",
    "vocab_size",
)
_CAPACITIES = {"bloom": (2048,), "mt5": (1024, 256)}


@dataclass(frozen=True)
class Asked:
    """The flags of `mtft doctor`; None where one is not given, and a recipe, a launch file or a default says it."""

    model: str | None = None
    family: str | None = None
    vocabulary: int | None = None
    strategy: str | None = None
    processes: int | None = None
    slots: int | None = None
    capacity: tuple[int, ...] = ()
    precision: str | None = None
    optimizer: str | None = None
    checkpointing: bool | None = None
    peft: str | None = None
    trained: int | None = None

    @property
    def anything(self) -> bool:
        """Whether an estimate is asked for."""
        return any(getattr(self, each.name) not in (None, ()) for each in fields(self))


@dataclass(frozen=True)
class Planned:
    """A training to estimate.

    Attributes:
        model: Its name.
        shape: Of the model.
        setup: All settings; the strategy is the first of `strategies`.
        strategies: Those to compare.
        peft: The adapter's kind, or `none`.
        quantization: Of the frozen weights, or `none`.
    """

    model: str
    shape: ModelShape
    setup: Setup
    strategies: tuple[str, ...]
    peft: str = "none"
    quantization: str = "none"


def planned(asked: Asked, recipe: str | None = None, config_file: Path | None = None) -> Planned:
    """The training: flags over the recipe over Accelerate's settings over defaults.

    Raises:
        ConfigError: No model is named, a file cannot be read, or a value cannot be.
        ModelError: The model has no configuration here.
    """
    from mtft.modeling.shape import shape_of
    from mtft.training.memory import STRATEGIES, Setup

    launch = _of_launch(config_file) if config_file else {}
    settings = _of_recipe(recipe) if recipe else {}
    model = asked.model or settings.get("model")
    if model is None:
        raise ConfigError("An estimate needs a model.", found="none", remedy="Give --model or --recipe.")
    built_in: dict[str, Any] = {
        "family": asked.family or settings.get("family", "bloom"),
        "vocabulary": asked.vocabulary or settings.get("vocab_size", 4096),
    }
    revision = settings.get("revision") if asked.model is None else None
    shape = shape_of(model, revision, **built_in)
    strategy = asked.strategy or launch.get("strategy")
    strategies = (strategy,) if strategy else STRATEGIES
    recomputes = settings.get("activation_checkpointing") or settings.get("gradient_checkpointing")
    setup = Setup(
        strategy=strategies[0],
        processes=_first(asked.processes, launch.get("processes"), 1),
        precision=_first(
            asked.precision, _precision(settings), launch.get("precision"), "fp32" if recipe else "bf16"
        ),
        optimizer=_first(asked.optimizer, _optimizer(settings), "adamw"),
        capacities=asked.capacity or _capacities(settings, shape.family) or _CAPACITIES[shape.family],
        slots=_first(asked.slots, settings.get("per_device_train_batch_size"), 1),
        checkpointing=bool(_first(asked.checkpointing, recomputes, False)),
        trained=asked.trained,
    )
    setup.check(shape)
    peft = asked.peft or settings.get("peft", "none")
    if asked.trained is None and peft != "none":
        setup = _with_adapter(setup, settings | {"peft": peft}, model, revision, built_in)
    return Planned(model, shape, setup, strategies, peft, settings.get("quantization", "none"))


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _with_adapter(
    setup: Setup, settings: Mapping[str, Any], model: str, revision: str | None, built_in: Mapping[str, Any]
) -> Setup:
    """The setup with the adapter's weights counted."""
    import warnings

    from mtft.modeling.shape import meta_model
    from mtft.training.adapters import AdapterSettings
    from mtft.training.trained import trained_parameters

    known = {each.name for each in fields(AdapterSettings)}
    adapter = AdapterSettings(**{name: value for name, value in settings.items() if name in known})
    adapter.check_adapter()
    # PEFT calls what transformers renames
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    return replace(setup, trained=trained_parameters(meta_model(model, revision, **built_in), adapter))


def _of_recipe(name_or_path: str) -> dict[str, Any]:
    """A recipe's settings over the defaults of all settings; its mixtures' and presets' own blocks left out."""
    from mtft.runs import RunArguments
    from mtft.runs.settings import StrictParser, load_settings, recipe_file
    from mtft.training import MultitaskArguments

    kinds = (RunArguments, MultitaskArguments)
    defaults = {
        each.name: each.default for kind in kinds for each in fields(kind) if each.default is not MISSING
    }
    path = recipe_file(name_or_path)
    settings = defaults | load_settings(path, StrictParser(*kinds).known)
    for name in _NUMBERS:
        _check_number(name, settings.get(name), path)
    return settings


def _check_number(name: str, value: Any, path: Path) -> None:
    for each in value if isinstance(value, list) else [value]:
        if each is not None and (isinstance(each, bool) or not isinstance(each, int)):
            raise ConfigError(f"`{name}` must be a whole number.", found=f"`{each}`", where=path)


def _precision(settings: Mapping[str, Any]) -> str | None:
    return next((name for name in ("fp16", "bf16") if settings.get(name)), None)


def _optimizer(settings: Mapping[str, Any]) -> str | None:
    """`adamw` of `adamw_torch_fused`; any other name as it is."""
    name = settings.get("optim")
    return None if name is None else str(getattr(name, "value", name)).split("_torch")[0]


def _capacities(settings: Mapping[str, Any], family: str) -> tuple[int, ...]:
    """Of a pack, or the limits of a row; nothing where the data or the mixture say them."""
    if settings.get("packing"):
        return tuple(settings.get("pack_capacity") or ())
    prompt, target = settings.get("max_input_tokens"), settings.get("max_target_tokens")
    if prompt is None or target is None:
        return ()
    return (prompt, target) if family == "mt5" else (prompt + target,)


def _of_launch(path: Path) -> dict[str, Any]:
    """Strategy, processes and precision of Accelerate's settings, as far as they say them."""
    try:
        settings = read_accelerate(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError("Accelerate's settings must be a YAML mapping.", found=error, where=path) from error
    _check_number("num_processes", settings.get("num_processes"), path)
    precision = settings.get("mixed_precision")
    return {
        "strategy": _strategy(settings),
        "processes": settings.get("num_processes"),
        "precision": "fp32" if precision in ("no", False) else precision,
    }


def _strategy(settings: Mapping[str, Any]) -> str | None:
    kind = settings.get("distributed_type")
    if kind == "FSDP":
        block = settings.get("fsdp_config") or {}
        return "fsdp_offload" if block.get("fsdp_offload_params") else "fsdp"
    if kind != "DEEPSPEED":
        return "ddp"
    block = settings.get("deepspeed_config") or {}
    stage = block.get("zero_stage")  # else it stands in DeepSpeed's own file
    offloads = any(block.get(name) == "cpu" for name in _OFFLOADS)
    return None if stage is None else f"zero{stage}" + ("_offload" if offloads else "")
