"""Linear layers by oneDNN where that is the faster of the two libraries that PyTorch multiplies with on a CPU.

PyTorch gives float32 products to MKL, which on processors of other makers than Intel leaves AVX-512 unused; oneDNN goes
by what the processor can do. Both compute in float32 throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# with fewer rows, setting up oneDNN's call takes longer than either library's product
_ROWS = 64


def fast_linear() -> AbstractContextManager[Any]:
    """Where it is on, `linear` without a gradient is computed by oneDNN if that is likely to be faster."""
    return _OneDNN() if _is_faster() else nullcontext()


def _is_faster() -> bool:
    backends: Any = torch.backends
    known = hasattr(torch.ops.mkldnn, "_linear_pointwise") and backends.mkldnn.is_available()
    return bool(known and backends.mkldnn.enabled and backends.cpu.get_cpu_capability().startswith("AVX512"))


class _OneDNN(TorchFunctionMode):
    """Answers the calls of `linear` that oneDNN can, and passes on all others."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """What the function returns."""
        if func is nn.functional.linear and _fits(*args, **(kwargs or {})):
            return _linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _fits(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    """Plain float32 on the CPU, as many rows as pay for it, and neither a gradient nor another type wanted."""
    plain = all(
        type(each) in (Tensor, nn.Parameter) and each.dtype == torch.float32 and each.device.type == "cpu"
        for each in (input, weight, bias)
        if each is not None
    )
    rows = plain and input.numel() // max(1, input.shape[-1])
    return rows >= _ROWS and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input @ weight.T + bias`, without any function behind it."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
    return found
