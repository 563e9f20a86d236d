"""Adapters in folders: what they say of themselves, and how they come onto their base."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel
from transformers import PreTrainedModel

from mtft.errors import ModelError
from mtft.modeling.prompt_tuning import prompt_tuned

ADAPTER_CONFIG = "adapter_config.json"


def adapter_record(folder: Path) -> dict[str, Any]:
    """What an adapter's folder says of it.

    Raises:
        ModelError: It is no readable mapping, names no base or code to import, or its weights are not safetensors.
    """
    path = folder / ADAPTER_CONFIG
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError("An adapter's configuration must be JSON.", found=error, where=path) from error
    if not isinstance(recorded, dict):
        rule = "An adapter's configuration must be a mapping."
        raise ModelError(rule, found=type(recorded).__name__, where=path)
    if recorded.get("megatron_config"):  # with it, the library imports the module that `megatron_core` names
        raise ModelError("An adapter must not name code to import.", found="`megatron_config`", where=path)
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError("An adapter's weights must be in a safetensors file.", where=folder)
    if (
        not isinstance(recorded.get("base_model_name_or_path"), str)
        or not recorded["base_model_name_or_path"]
    ):
        raise ModelError("An adapter must name its base model.", where=path)
    return recorded


def base_place(folder: Path, record: Mapping[str, Any]) -> str | Path:
    """Where an adapter's base is: beside the adapter or in it, where the run was moved there; else as recorded."""
    recorded = Path(record["base_model_name_or_path"])
    places = (folder / recorded, recorded, folder / recorded.name, folder.parent / recorded.name)
    found = next((place for place in places if (place / "config.json").is_file()), None)
    return found or str(record["base_model_name_or_path"])


def put_adapter(model: PreTrainedModel, folder: Path) -> PeftModel:
    """The model with the adapter of this folder on it, frozen.

    Raises:
        ModelError: The adapter is malformed, or does not fit the model.
    """
    try:
        with warnings.catch_warnings():
            # weights that the file lacks would stay as they were drawn
            warnings.filterwarnings("error", message="Found missing adapter keys")
            return _put(model, str(folder))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, UserWarning) as error:
        raise ModelError(
            "An adapter must fit its base model.",
            found=" ".join(str(error).split())[:300] or type(error).__name__,
            where=folder,
            remedy="Check `base_model_name_or_path` in its configuration.",
        ) from error


def _put(model: PreTrainedModel, folder: str) -> PeftModel:
    config = PeftConfig.from_pretrained(folder)
    if config.peft_type != "PROMPT_TUNING":
        return PeftModel.from_pretrained(model, folder)
    config.inference_mode = True
    adapted = prompt_tuned(model, config)
    adapted.load_adapter(folder, adapted.active_adapter)
    adapted.requires_grad_(False)
    return adapted
