"""How many floating-point operations the model itself needs for a step, and the rate a device can give."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

# cross-attention's keys and values are made of the encoder's tokens, not of the decoder's: T5's names, BART's names
_OF_ENCODED = re.compile(r"\.EncDecAttention\.[kv]\.|\.encoder_attn\.[kv]_proj\.")


@dataclass(frozen=True)
class Weights:
    """Parameters that a token passes.

    Attributes:
        total: All of them.
        trained: Those that get a gradient.
    """

    total: int = 0
    trained: int = 0

    @property
    def flops(self) -> int:
        """Operations per token: 2 per weight forward, 2 for the gradient of its input, 2 for its own."""
        return 4 * self.total + 2 * self.trained


@dataclass(frozen=True)
class ModelCost:
    """What a step costs by the model's definition, whatever the implementation computes or recomputes.

    With N weights outside the embeddings, forward and backward take 6N operations per token; attention of n
    tokens over m takes 12 · layers · heads · head width · n · m. Padding, recomputation (gradient
    checkpointing) and the optimiser count nothing. Departures from the papers, all of them downwards or exact:

    - attention is counted segment by segment: packed examples do not see each other. As in the papers,
      causal attention counts the full square;
    - an encoder-decoder's input tokens pass the encoder and cross-attention's keys and values, its target
      tokens pass the rest of the decoder;
    - the output layer counts where a target is, since nothing else needs it;
    - a frozen weight has no gradient of its own: 4 operations in place of 6.

    Attributes:
        inputs: Weights that input tokens pass; of a causal model, that all tokens pass.
        targets: Weights that an encoder-decoder's target tokens pass.
        head: The output layer.
        input_attention: Layers x heads x head width of attention among input tokens.
        target_attention: The same among target tokens, and once more from them to the input tokens.

    Source: Chowdhery et al. 2022, "PaLM", arXiv 2204.02311, appendix B (6N + 12LHQT per token, model FLOP
        utilisation); Kaplan et al. 2020, "Scaling Laws for Neural Language Models", arXiv 2001.08361, section 2.1
        (N without embeddings).
    """

    inputs: Weights
    targets: Weights
    head: Weights
    input_attention: int
    target_attention: int

    def flops(self, inputs: Tensor, targets: Tensor) -> float:
        """Operations of forward and backward.

        Args:
            inputs: (examples,) int64; each example's prompt tokens, for a causal model prompt and target together.
            targets: (examples,) int64; each example's target tokens.
        """
        n, m = inputs.double(), targets.double()
        per_token = self.inputs.flops * n + (self.targets.flops + self.head.flops) * m
        attended = self.input_attention * n * n + self.target_attention * (m * m + m * n)
        return float((per_token + 12 * attended).sum())


def model_cost(model: Any) -> ModelCost:
    """The cost of a causal model or an encoder-decoder, adapter included.

    Args:
        model: Before DDP, DeepSpeed or FSDP wrap it; ZeRO-3's partitioned and 4-bit weights count in full.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = base.config
    encoder_decoder = bool(getattr(config, "is_encoder_decoder", False))
    head = base.get_output_embeddings()
    apart = {id(p) for each in base.modules() if isinstance(each, nn.Embedding) for p in each.parameters()}
    apart |= {id(p) for p in head.parameters()} if head is not None else set()
    named = [(name, p) for name, p in base.named_parameters() if id(p) not in apart]
    encoder = {id(p) for p in base.get_encoder().parameters()} if encoder_decoder else None
    from_inputs = [p for name, p in named if encoder is None or id(p) in encoder or _OF_ENCODED.search(name)]
    passed = {id(p) for p in from_inputs}
    width = _attention_width(config)
    return ModelCost(
        inputs=_weights(from_inputs),
        targets=_weights(p for _, p in named if id(p) not in passed),
        head=_weights(head.parameters()) if head is not None else Weights(),
        input_attention=width * int(getattr(config, "num_hidden_layers", 0)),
        target_attention=width * _decoder_layers(config) if encoder_decoder else 0,
    )


def _weights(parameters: Iterable[nn.Parameter]) -> Weights:
    sizes = [(_size(p), p.requires_grad) for p in parameters]
    return Weights(sum(size for size, _ in sizes), sum(size for size, trained in sizes if trained))


def _size(parameter: Any) -> int:
    """The weights a parameter stands for: ZeRO-3 keeps a part of them here, 4-bit packs two in a byte."""
    if hasattr(parameter, "ds_numel"):
        return int(parameter.ds_numel)
    state = getattr(parameter, "quant_state", None)
    return prod(state.shape) if state is not None else int(parameter.numel())


def _attention_width(config: Any) -> int:
    """Heads times head width; 0 for a configuration that does not say."""
    heads, hidden = getattr(config, "num_attention_heads", 0), getattr(config, "hidden_size", 0)
    each = getattr(config, "d_kv", None) or getattr(config, "head_dim", None)
    return int(heads * each) if each else int(hidden)


def _decoder_layers(config: Any) -> int:
    for name in ("num_decoder_layers", "decoder_layers", "num_hidden_layers"):
        if getattr(config, name, None):
            return int(getattr(config, name))
    return 0


def computing_dtype(model: nn.Module, mixed_precision: str) -> torch.dtype:
    """What a model's matrix products are computed in; `mixed_precision` is Accelerate's name."""
    named = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(mixed_precision)
    own = next((p.dtype for p in model.parameters() if p.dtype.is_floating_point), torch.float32)
    return named or own


def matrix_rate(device: torch.device, dtype: torch.dtype, *, seconds: float = 0.1) -> float:
    """Operations per second that the device reaches in a large matrix product, the denominator of utilisation.

    Args:
        device: Where.
        dtype: What training computes in.
        seconds: How long to measure, after a warm-up.
    """
    size = 8192 if device.type == "cuda" else 512
    generator = torch.Generator(device).manual_seed(0)  # training's own random numbers stay as they are
    a = torch.randn(size, size, device=device, generator=generator).to(dtype)
    a @ a
    done, begin = 0, _now(device)
    while (passed := _now(device) - begin) < seconds:
        for _ in range(4):
            a @ a
        done += 4
    return 2.0 * size**3 * done / passed


def _now(device: torch.device) -> float:
    """The time, when the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
