"""Loading and saving models: folders or Hub ids, safetensors only, no code from elsewhere."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from mtft.errors import ModelError
from mtft.modeling.adapter_files import ADAPTER_CONFIG, adapter_record, base_place, put_adapter
from mtft.modeling.families import FAMILIES
from mtft.modeling.quantization import quantization_config


class LoadedModel(NamedTuple):
    """A model ready for training or evaluation.

    Attributes:
        model: In evaluation mode, on the CPU.
        tokenizer: Its tokenizer.
        family: `bloom` or `mt5` for those with our forward; `causal` or `seq2seq` for any other.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    family: str


def family_of(config: PretrainedConfig) -> str:
    """The family of a model: `bloom`, `mt5`, else `seq2seq` or `causal`.

    Raises:
        ModelError: The model cannot generate text.
    """
    if config.model_type in FAMILIES:
        return str(config.model_type)
    if config.model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES and config.is_encoder_decoder:
        return "seq2seq"
    if config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not _looks_ahead(config):
        return "causal"
    raise ModelError(
        "A model must be a causal language model or an encoder-decoder of the transformers library.",
        found=f"model_type `{config.model_type}`",
        where=config.name_or_path or None,
    )


def _looks_ahead(config: PretrainedConfig) -> bool:
    """Whether attention sees what follows, as in BERT; the library would load it, and it would score by peeking."""
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return masked and not (getattr(config, "is_decoder", False) or getattr(config, "causal", False))


def load_model(
    name_or_path: str | Path,
    revision: str | None = None,
    dtype: torch.dtype | str | None = None,
    quantization: str = "none",
    device_map: str | None = None,
) -> LoadedModel:
    """A model and its tokenizer from a folder or a Hub id, an adapter put on its base.

    Weights are read from safetensors files only and code of the model's repository is never run.

    Args:
        name_or_path: Folder or Hub id; a folder with an `adapter_config.json` is an adapter.
        revision: Branch, tag or commit on the Hub.
        dtype: Of the weights; None keeps the dtype they were saved in.
        quantization: What linear layers are held in: `none`, `4bit` or `8bit`; an adapter's own are not.
        device_map: How the library spreads the weights over devices, `auto`; None loads them onto the CPU.

    Raises:
        ModelError: Nothing is there, weights are not safetensors, the model is of another kind, or the device cannot
            quantise.
        MissingExtraError: Quantisation needs a package that is not installed.
    """
    name = str(name_or_path)
    if (Path(name) / ADAPTER_CONFIG).is_file():
        return _load_adapter(Path(name), dtype, quantization, device_map)
    config = _guarded(name, AutoConfig.from_pretrained, revision=revision)
    family = family_of(config)
    auto = AutoModelForCausalLM if family == "causal" else AutoModelForSeq2SeqLM
    model, report = _guarded(
        name,
        FAMILIES.get(family, auto).from_pretrained,
        revision=revision,
        use_safetensors=True,
        dtype=dtype or "auto",
        quantization_config=quantization_config(quantization),
        device_map=device_map,
        output_loading_info=True,
    )
    _refuse_missing(name, report["missing_keys"])
    tokenizer = _guarded(name, AutoTokenizer.from_pretrained, revision=revision)
    return LoadedModel(model.eval(), tokenizer, family)


def _refuse_missing(name: str, missing: Collection[str]) -> None:
    """Raise where the file lacks weights that the model needs; the library would draw them at random."""
    if missing:
        raise ModelError(
            "A model's files must hold all its weights.",
            found=f"{len(missing)} missing, such as `{min(missing)}`",
            where=name,
            remedy="An encoder alone cannot write; use a causal model or an encoder-decoder.",
        )


def _load_adapter(
    folder: Path, dtype: torch.dtype | str | None, quantization: str, device_map: str | None
) -> LoadedModel:
    """The adapter's base with the adapter on it."""
    recorded = adapter_record(folder)
    base = base_place(folder, recorded)
    loaded = load_model(base, recorded.get("revision"), dtype, quantization, device_map)
    return LoadedModel(put_adapter(loaded.model, folder).eval(), loaded.tokenizer, loaded.family)


def _guarded(name: str, load: Any, **options: Any) -> Any:
    """What `load` returns; the library's many errors as one of ours."""
    try:
        return load(name, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, json.JSONDecodeError, SafetensorError) as error:
        raise ModelError(
            "A model must be a folder or a Hub id with a configuration, a tokenizer and safetensors weights.",
            found=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
            where=name,
            remedy="Without a network, give a folder or a built-in size such as `tiny`.",
        ) from error


def save_model(model: Any, tokenizer: PreTrainedTokenizerBase, folder: str | Path) -> None:
    """Write weights (safetensors), configuration and tokenizer; the folder appears whole or not at all.

    A model with an adapter writes the adapter alone; `merge_adapter` first makes it a plain model. In several
    processes only the first one writes, and the others do not wait for it.
    """
    if torch.distributed.is_initialized() and torch.distributed.get_rank() > 0:
        return
    target = Path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        scratch.chmod(0o755)
        if target.exists():
            for file in scratch.iterdir():
                file.replace(target / file.name)
        else:
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def merge_adapter(model: Any) -> PreTrainedModel:
    """The plain model with the adapter's change added to its weights; a plain model comes back as it is.

    Raises:
        ModelError: The adapter changes no weights.
    """
    if not isinstance(model, PeftModel):
        return model
    if model.active_peft_config.is_prompt_learning:
        raise ModelError(
            "An adapter must change weights to be merged.",
            found="virtual tokens, which stand before the prompt",
            remedy="Use it as an adapter.",
        )
    return model.merge_and_unload()
