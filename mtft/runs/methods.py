"""Ways to train on several tasks at once, by name: what each adds to a recipe's flags."""

from __future__ import annotations

import shlex
from collections.abc import Sequence, Set
from dataclasses import dataclass

from mtft.errors import ConfigError, nearest


@dataclass(frozen=True)
class Method:
    """One way.

    Attributes:
        name: In reports.
        flags: What it adds to a recipe's.
        kind: What it changes: `loss`, `weights`, `gradients`, `representation`, or `own` where its user named it.
    """

    name: str
    flags: tuple[str, ...]
    kind: str


_FLAGS = {
    "weights": {
        "sum": "--loss_balancing sum --loss_reduction sum",
        "mean": "--loss_balancing sum --loss_reduction mean",
        "uw": "--loss_balancing uw",
        "imtl_l": "--loss_balancing imtl_l",
        "dwa": "--loss_balancing dwa --balance_window 10",  # weights begin after two windows
        "random": "--loss_balancing random",
        "famo": "--loss_balancing famo",
        "stch": "--loss_balancing stch",
        "slaw": "--loss_balancing slaw",
        "coba": "--loss_balancing coba --balance_every 2 --balance_warmup 10 --balance_history 50",
    },
    "gradients": {
        "pcgrad": "--gradient_balancing pcgrad",
        "gradvac": "--gradient_balancing gradvac",
        "mgda": "--gradient_balancing mgda",
        "cagrad": "--gradient_balancing cagrad",
        "nash_mtl": "--gradient_balancing nash_mtl",
        "fairgrad": "--gradient_balancing fairgrad",
        "imtl_g": "--gradient_balancing imtl_g",
        "aligned_mtl": "--gradient_balancing aligned_mtl",
        "upgrad": "--gradient_balancing upgrad",
        "dualproj": "--gradient_balancing dualproj",
        "config": "--gradient_balancing config",
        "graddrop": "--gradient_balancing graddrop",
        "gradnorm": "--gradient_balancing gradnorm",
        "tension": "--gradient_balancing tension",
    },
    "representation": {"dgr": "--loss_balancing sum --dgr_weight 2e-3"},
    # what a step's loss is the mean of: nothing is balanced
    "loss": {
        "token": "--loss_normalization token",
        "target": "--loss_normalization target",
        "task": "--loss_normalization task",
    },
}
SINGLE = "single-task"
# names that have a folder in a comparison, or stand for something in its report
RESERVED = frozenset({"start", "checked", SINGLE})
METHODS: dict[str, Method] = {
    name: Method(name, tuple(flags.split()), kind)
    for kind, of in _FLAGS.items()
    for name, flags in of.items()
}


def read_methods(given: Sequence[str], known_flags: Set[str]) -> list[Method]:
    """The methods of these names; `NAME=FLAGS` is one of the user's own, whose name also names its folder.

    Example: `["sum", "hot=--loss_balancing sum --learning_rate 3e-3"]`.

    Args:
        given: Names, and names with flags.
        known_flags: Names of the flags that a recipe takes, without hyphens.

    Raises:
        ConfigError: A name is unknown, given twice or taken, or a method's flag is none.
    """
    methods = [_read(text) for text in given]
    names = [method.name for method in methods]
    if not names or len(set(names)) < len(names):
        raise ConfigError("Methods must be given, each once.", found=" ".join(given) or "none")
    for method in methods:
        for flag in method.flags:
            if flag.startswith("--") and (name := flag[2:].split("=")[0]) not in known_flags:
                raise ConfigError(
                    "A method's flags must be known.",
                    found=f"`{flag}` of `{method.name}`",
                    remedy=nearest(name, known_flags),
                )
    return methods


def _read(text: str) -> Method:
    name, own, flags = text.partition("=")
    if own:
        if not name or not name.replace("_", "").replace("-", "").isalnum():
            raise ConfigError("A method's name must be a word, since a folder has it.", found=f"`{name}`")
        if name in METHODS or name in RESERVED or name.startswith(f"{SINGLE}-"):
            raise ConfigError(
                "A method of one's own must have a name of its own.",
                found=f"`{name}`, which is {'another method' if name in METHODS else 'a folder of a comparison'}",
                remedy=f"Call it `my-{name}`.",
            )
        return Method(name, tuple(shlex.split(flags)), "own")
    if name not in METHODS:
        raise ConfigError("A method must be known.", found=f"`{name}`", remedy=nearest(name, METHODS))
    return METHODS[name]
