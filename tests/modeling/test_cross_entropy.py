"""The loss in chunks computes no gradient where none is wanted."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mtft.modeling import cross_entropy


def test_without_gradients_none_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    losses = cross_entropy._losses

    def watched(*arguments: Any) -> Any:
        asked.append(arguments[-1])
        return losses(*arguments)

    monkeypatch.setattr(cross_entropy, "_losses", watched)
    weight = torch.nn.Parameter(torch.randn(7, 3))
    inputs = (torch.randn(5, 3), weight, torch.arange(5), torch.ones(5))
    with torch.no_grad():
        quiet = cross_entropy.chunked_cross_entropy(*inputs)[0]
    loud = cross_entropy.chunked_cross_entropy(*inputs)[0]
    assert (asked, quiet.requires_grad) == ([False, True], False)
    torch.testing.assert_close(quiet, loud.detach())
