"""The head's loss by the asked-for code: ours, or the kernels of a package that is installed on a GPU machine."""

from __future__ import annotations

import importlib
import inspect
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import torch
from packaging.version import Version
from torch import Tensor

from mtft.errors import ConfigError, MissingExtraError
from mtft.modeling.cross_entropy import chunked_cross_entropy
from mtft.modeling.loss_options import LossOptions

# Before it, gradients of a weighted sum came out wrong without a word: all tokens had the first one's weight
# (its pull request 1298).
LIGER_VERSION = "0.8.2"


def head_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, token_weights: Tensor, options: LossOptions
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What `chunked_cross_entropy` returns, computed by the options' backend.

    Raises:
        ConfigError: Another backend than ours meets tensors that its kernels cannot read.
    """
    if options.backend == "chunked" or not len(targets):  # kernels cannot be launched on nothing
        return chunked_cross_entropy(hidden, weight, targets, token_weights, options=options)
    if not hidden.is_cuda:
        raise _needs_gpu(options.backend, f"a model on `{hidden.device}`")
    losses, nll = token_losses(hidden, weight, targets, options)
    return (losses * token_weights).sum(), nll, None if options.plain else losses.detach()


def token_losses(
    hidden: Tensor, weight: Tensor, targets: Tensor, options: LossOptions
) -> tuple[Tensor, Tensor]:
    """Each target's loss, with gradient, and its plain negative log-likelihood; (tokens,) float32, by a package.

    Under autocast both inputs are rounded here, as autocast would for a matrix product: kernels are not told of it.
    """
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
        hidden, weight = hidden.to(dtype), weight.to(dtype)
    if options.backend == "liger":
        return _by_liger(hidden, weight, targets, options.z_loss)
    return _by_cut_cross_entropy(hidden, weight, targets)


def require_backend(name: str) -> None:
    """Check that a backend can run in this process, before anything expensive is done.

    Raises:
        MissingExtraError: liger-kernel is not installed.
        ConfigError: Another package is missing, one is too old, or there is no GPU.
    """
    if name == "chunked":
        return
    if name == "liger":
        _require_liger()
    elif find_spec("cut_cross_entropy") is None:
        raise _needs_cut_cross_entropy("it is not installed")
    if not torch.cuda.is_available():  # before an import: kernels look for a GPU on theirs
        raise _needs_gpu(name, "no CUDA or ROCm device")
    if name == "cut_cross_entropy":
        parameters = inspect.signature(_cut_cross_entropy_function()).parameters
        if "accum_c_fp32" not in parameters:
            raise _needs_cut_cross_entropy("a package of that name without them")


def _needs_gpu(name: str, found: str) -> ConfigError:
    return ConfigError(
        f"The loss backend `{name}` runs on a GPU.", found=found, remedy="Use the backend `chunked`."
    )


def _require_liger() -> None:
    try:
        found = metadata.version("liger-kernel")
    except metadata.PackageNotFoundError:
        raise MissingExtraError("liger-kernel", extra="liger", purpose="The loss backend `liger`") from None
    if Version(found) < Version(LIGER_VERSION):
        raise ConfigError(
            f"The loss backend `liger` needs liger-kernel {LIGER_VERSION} or newer: older ones give wrong "
            "gradients to weighted tokens.",
            found=found,
            remedy="Install it with: pip install 'mtft[liger]'",
        )


def _by_liger(hidden: Tensor, weight: Tensor, targets: Tensor, z_loss: float) -> tuple[Tensor, Tensor]:
    """See `token_losses`; the likelihoods are off by the rounding of the z-loss, which comes in the inputs' dtype.

    Source: Hsu et al. 2024, "Liger Kernel: Efficient Triton Kernels for LLM Training", arXiv 2410.10989.
    """
    functional = importlib.import_module("liger_kernel.transformers.functional")
    output = functional.liger_fused_linear_cross_entropy(
        hidden,
        weight,
        targets,
        reduction="none",
        lse_square_scale=z_loss,
        return_z_loss=True,
        accum_dtype=torch.float32,  # a vocabulary of 250,000 is hundreds of chunks to add up
    )
    return output.loss, (output.loss - output.z_loss).detach()


def _cut_cross_entropy_function() -> Any:
    return importlib.import_module("cut_cross_entropy").linear_cross_entropy


def _needs_cut_cross_entropy(found: str) -> ConfigError:
    """Apple's own package: what PyPI has under this name is another, older code that adds gradients in bfloat16."""
    return ConfigError(
        "The loss backend `cut_cross_entropy` needs Apple's package of that name, with its exact kernels.",
        found=found,
        remedy="Install it with: pip install 'cut-cross-entropy @ git+https://github.com/apple/ml-cross-entropy'",
    )


def _by_cut_cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Source: Wijmans et al. 2024, arXiv 2411.09009; `cce_exact` leaves no small gradient out and adds in float32."""
    if hidden.dtype not in (torch.bfloat16, torch.float16):
        raise ConfigError(
            "The loss backend `cut_cross_entropy` computes in bfloat16 or float16.",
            found=hidden.dtype,
            remedy="Train with --bf16 true, or use the backend `chunked`.",
        )
    nll = _cut_cross_entropy_function()(hidden, weight, targets, reduction="none", impl="cce_exact").float()
    return nll, nll.detach()
