"""Hashes by which stored outputs are found again: never those of another model or tokenizer."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from accelerate.utils.modeling import get_state_dict_offloaded_model
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from mtft.evaluation.backbones import is_dispatched, parts_of, unwrapped

logger = logging.getLogger(__name__)

_CHUNK = 1 << 26  # bytes that are copied from a device at a time
_THREADS = min(8, os.cpu_count() or 1)
# Of a configuration: where the model came from, and what it was saved by, decide no output.
_FREE = {"_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "architectures"}


def model_fingerprint(model: Any) -> str:
    """Hash of everything that decides a model's outputs: 16 hexadecimal digits.

    Every byte of every weight and buffer, also those that are not saved, with name, shape and dtype; adapters with
    their settings and which of them are active; the configuration and how it generates. Under ZeRO-3 every process
    must call it: each hashes its part, and another number of processes gets another hash. Weights that a device map
    left on disk are brought in. A model with other weights that are not in memory is like no other, itself included.
    """
    inner = unwrapped(model)
    tensors = dict(_tensors(inner))
    if any(tensor.is_meta for tensor in tensors.values()):
        logger.warning("Some weights are not in memory: the outputs cannot be found again after a kill.")
        return secrets.token_hex(8)
    with ThreadPoolExecutor(_THREADS) as threads:  # hashing leaves the interpreter to others
        contents = list(threads.map(_content, tensors.values()))
    digest = hashlib.sha256(json.dumps(_settings(inner), sort_keys=True, default=_text).encode())
    for (name, tensor), content in zip(tensors.items(), contents, strict=True):
        digest.update(f"{name}|{tuple(tensor.shape)}|{tensor.dtype}|".encode() + content)
    if any(hasattr(parameter, "ds_tensor") for parameter in inner.parameters()):
        digest = hashlib.sha256("".join(gather_object([digest.hexdigest()])).encode())
    return digest.hexdigest()[:16]


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    """Hash of a tokenizer's class, special tokens and files, beyond the rules that an encoder's fingerprint has.

    A tokenizer without a `tokenizer.json` keeps its rules in files of its own, which its vocabulary does not show.
    """
    files = [getattr(tokenizer, name, None) for name in ("vocab_file", "merges_file")]
    contents = [hashlib.sha256(Path(f).read_bytes()).hexdigest() for f in files if f and Path(f).is_file()]
    special = {
        str(token): tokenizer.convert_tokens_to_ids(str(token)) for token in tokenizer.all_special_tokens
    }
    state = [type(tokenizer).__name__, special, contents if not tokenizer.is_fast else []]
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]


def _tensors(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Weights and buffers by name, in order; under ZeRO-3 this process's part of each weight."""
    if is_dispatched(model):
        yield from sorted(get_state_dict_offloaded_model(parts_of(model)).items())
        return
    found = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    found |= dict(model.named_buffers())  # a state has only those that are saved
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "ds_tensor"):
            found[name] = parameter.ds_tensor
    yield from sorted(found.items())


def _content(tensor: Tensor) -> bytes:
    digest = hashlib.sha256()
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    for start in range(0, len(flat), _CHUNK):
        digest.update(flat[start : start + _CHUNK].cpu().numpy().data)
    return digest.digest()


def _settings(model: Any) -> list[Any]:
    """The plain data that outputs hang on."""
    adapters = getattr(model, "peft_config", None) or {}
    return [
        type(model).__name__,
        *({k: v for k, v in _plain(part).items() if k not in _FREE} for part in _parts(model)),
        {name: _plain(adapter) for name, adapter in sorted(adapters.items())},
        _active(model) if adapters else [],
    ]


def _active(model: Any) -> list[Any]:
    """Names of the active adapters, and how many layers have theirs switched off."""
    names = getattr(model, "active_adapters", [])
    off = sum(getattr(module, "disable_adapters", False) is True for module in model.modules())
    return [list(names() if callable(names) else names), off]


def _text(value: Any) -> Any:
    """What JSON has no form for; a set in one order."""
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)


def _parts(model: Any) -> list[Any]:
    return [getattr(model, "config", None), getattr(model, "generation_config", None)]


def _plain(settings: Any) -> dict[str, Any]:
    return dict(settings.to_dict()) if hasattr(settings, "to_dict") else {}
