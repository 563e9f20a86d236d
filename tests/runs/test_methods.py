"""Methods by name, and what is refused before anything is trained."""

from __future__ import annotations

import pytest

from mtft.errors import ConfigError
from mtft.runs.methods import METHODS, read_methods

SHORT = [f"balance_{name}" for name in ("every", "history", "warmup", "window")]
KNOWN = frozenset(
    ["loss_balancing", "loss_reduction", "gradient_balancing", "loss_normalization", "dgr_weight", *SHORT]
)


def test_every_built_in_method_is_made_of_flags() -> None:
    assert len(METHODS) >= 23
    methods = read_methods(list(METHODS), KNOWN)
    assert [method.name for method in methods] == list(METHODS)
    assert all(method.flags[0].startswith("--") for method in methods)
    assert len({method.flags for method in methods}) == len(methods)


def test_a_method_of_ones_own() -> None:
    (own,) = read_methods(["hot=--loss_balancing sum --dgr_weight=0.5"], KNOWN)
    assert (own.name, own.kind) == ("hot", "own")
    assert own.flags == ("--loss_balancing", "sum", "--dgr_weight=0.5")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["smu"], "sum"),
        ([], "none"),
        (["sum", "sum"], "once"),
        (["a/b=--loss_balancing sum"], "word"),
        (["x=--los_balancing sum"], "loss_balancing"),
        (["start=--loss_balancing sum"], "folder"),
        (["checked=--loss_balancing sum"], "folder"),
        (["single-task=--loss_balancing sum"], "folder"),
        (["single-task-mini_xp3-topic=--loss_balancing sum"], "folder"),
        (["uw=--loss_balancing sum"], "another method"),
        (["x=--loss_balancing sum", "x=--loss_balancing uw"], "once"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read_methods(given, KNOWN)
