"""Log-probabilities of a few tokens under a vocabulary of 250,000, whose logits never stand whole in memory."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# logits held at once, in numbers: on a CPU what its cache holds, 2 MB; on a GPU enough to keep it busy, 256 MB
_NUMBERS = {"cpu": 2**19, "cuda": 2**26}
# states at a time: a matrix product with fewer reads the weight more often than it computes
_NODES = 512


def edge_log_probs(hidden: Tensor, weight: Tensor, nodes: Tensor, tokens: Tensor) -> Tensor:
    """The log-probabilities log_softmax(hidden @ weight.T)[nodes, tokens], (edges,) float32; without a gradient.

    Args:
        hidden: (states, width) of any floating dtype.
        weight: (vocabulary, width).
        nodes: (edges,) int64, the state that predicts.
        tokens: (edges,) int64, what it predicts.
    """
    with torch.no_grad():
        logits = (hidden[nodes].float() * weight[tokens].float()).sum(dim=-1)
        return (
            logits - torch.cat([_log_partition(part, weight) for part in torch.split(hidden, _NODES)])[nodes]
        )


def _log_partition(hidden: Tensor, weight: Tensor) -> Tensor:
    """The log of the sum over the vocabulary of exp(hidden @ weight.T), (states,) float32.

    Source: Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", arXiv 1805.02867, section 3:
    the vocabulary's parts are added up in logarithms.
    """
    words = max(64, _NUMBERS.get(hidden.device.type, _NUMBERS["cuda"]) // max(1, len(hidden)))
    states = hidden.float()  # logits rounded to half precision would not fit those of the tokens
    parts = [_log_sum(F.linear(states, part.float())) for part in torch.split(weight, words)]
    return torch.stack(parts).logsumexp(dim=0)


def _log_sum(logits: Tensor) -> Tensor:
    """The logsumexp over the last dimension in float32, by the one kernel that passes over the numbers only once."""
    if logits.device.type != "cpu":
        return logits.float().logsumexp(dim=-1)
    logits = logits.float()
    return logits[:, 0] - F.log_softmax(logits, dim=-1)[:, 0]
