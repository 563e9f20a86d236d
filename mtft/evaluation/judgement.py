"""A scorer's verdict, and the reason where there is none."""

from __future__ import annotations

from typing import NamedTuple


class Unscorable(Exception):  # noqa: N818  (a reason, not an error)
    """This output of this example has no score; the message is the reason."""


class Judgement(NamedTuple):
    """A scorer's verdict on one example.

    Attributes:
        prediction: What the model answered.
        scores: Value per score.
    """

    prediction: str
    scores: dict[str, float]
