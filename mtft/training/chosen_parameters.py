"""Which of a model's trainable parameters are meant: all, those of the last block, or by a pattern."""

from __future__ import annotations

import re

from torch import nn

from mtft.errors import ConfigError, nearest

Named = dict[str, nn.Parameter]


def choose_parameters(model: nn.Module, wanted: str, setting: str = "balanced_parameters") -> Named:
    """The chosen trainable parameters by name, in the model's order.

    Args:
        model: Not wrapped for several processes.
        wanted: `trainable`, `last_block` or a regular expression that is searched in the names.
        setting: What the user gave it as, for errors.

    Raises:
        ConfigError: None is left.
    """
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if wanted == "trainable":
        chosen = trainable
    elif wanted == "last_block":
        inside = f"{last_block(model, setting)}."
        chosen = {name: weight for name, weight in trainable.items() if name.startswith(inside)}
    else:
        chosen = {name: weight for name, weight in trainable.items() if re.search(wanted, name)}
    if not chosen:
        close = nearest(wanted, list(trainable))
        raise ConfigError(
            f"`{setting}` must leave a trainable parameter.",
            found=f"`{wanted}` among {len(trainable)} trainable ones",
            remedy=close or (f"One of them is {next(iter(trainable))}." if trainable else "Train some."),
        )
    return chosen


def last_block(model: nn.Module, setting: str = "balanced_parameters") -> str:
    """The name of the last layer of the outermost stack of layers; an encoder-decoder's is in its decoder.

    Args:
        model: Not wrapped for several processes.
        setting: What the user gave `last_block` as, for errors.

    Raises:
        ConfigError: The model has no list of layers.
    """
    stacks = [
        name for name, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module)
    ]
    outer = [name for name in stacks if not any(name.startswith(f"{other}.") for other in stacks)]
    if not outer:
        raise ConfigError(
            f"`{setting}: last_block` needs a model whose layers stand in a list.",
            found=type(model).__name__,
            remedy=f"Give --{setting} another value.",
        )
    stack = model.get_submodule(outer[-1])
    return f"{outer[-1]}.{len(stack) - 1}"  # type: ignore[arg-type]  # a ModuleList
