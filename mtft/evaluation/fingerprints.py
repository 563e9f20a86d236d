"""Hashes by which stored outputs are found again: never those of another model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from accelerate.utils.modeling import get_state_dict_offloaded_model
from torch import Tensor

from mtft.evaluation.backbones import is_dispatched, is_partitioned, parts_of, unwrapped

_SAMPLE = 4096


def model_fingerprint(model: Any) -> str:
    """Hash of every weight: name, shape, dtype, the sum of all its bytes, and a spread sample of them
    verbatim.

    Reads each weight once, at memory speed; a finetuning step changes nearly all of them. Partitioned weights are
    gathered one by one, in every process; offloaded ones are brought in.
    """
    digest = hashlib.sha256()
    for name, tensor in _weights(model):
        digest.update(f"{name}|{tuple(tensor.shape)}|{tensor.dtype}|".encode())
        digest.update(_content(tensor))
    return digest.hexdigest()[:16]


def _weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Every weight by name, whole, in the order of the names."""
    inner = unwrapped(model)
    if is_partitioned(model):
        from deepspeed.zero import GatheredParameters

        for name, parameter in sorted(inner.named_parameters(), key=lambda found: found[0]):
            with GatheredParameters([parameter]):
                yield name, parameter.detach()
    elif is_dispatched(model):
        yield from sorted(get_state_dict_offloaded_model(parts_of(model)).items())
    else:
        yield from sorted(inner.state_dict().items())


def _content(tensor: Tensor) -> bytes:
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
    if not len(flat):
        return b""
    step = max(1, len(flat) // _SAMPLE)
    # Two sums, one of them weighted by place, tell a permutation from the original.
    places = (torch.arange(len(flat), device=flat.device) % 251 + 1).to(torch.uint8)
    sums = (int(flat.sum(dtype=torch.int64)), int((flat.to(torch.int32) * places).sum(dtype=torch.int64)))
    return repr(sums).encode() + bytes(flat[::step].cpu().tolist())
