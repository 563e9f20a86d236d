"""The same dropout twice: a loss before an update and after it, compared without the noise between two draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


def random_states(device: torch.device) -> list[Tensor]:
    """The states of the generators that a forward on this device draws from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


@contextmanager
def with_states(states: Sequence[Tensor], device: torch.device) -> Iterator[None]:
    """Go back to these states, and afterwards to those of now."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.set_rng_state(states[0])
        if len(states) > 1:
            torch.cuda.set_rng_state(states[1], device)
        yield
