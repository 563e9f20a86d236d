"""How long an example may be, and what becomes of a longer one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mtft.errors import MixtureError, nearest
from mtft.mixing.settings import Section

OverLong = Literal["drop", "truncate"]
OVER_LONG: tuple[OverLong, ...] = get_args(OverLong)


@dataclass(frozen=True)
class Limits:
    """How long an example may be, in tokens; what becomes of a longer one is counted either way.

    Attributes:
        max_input_tokens: Longest prompt; None for any.
        max_target_tokens: Longest target, end-of-sequence included; None for any. Targets are never cut.
        over_long: `drop` leaves longer examples out whole; `truncate` shortens, of a longer prompt, the column
            that the card names for its template, and leaves out what cannot be shortened so.
    """

    max_input_tokens: int | None = None
    max_target_tokens: int | None = None
    over_long: OverLong = "drop"

    @classmethod
    def read(cls, section: Section) -> Limits:
        """From a mixture's file.

        Raises:
            MixtureError: A value is not of its type, or the policy is unknown.
        """
        policy = over_long(section.text("over_long", "drop"), section.where)
        return cls(section.whole("max_input_tokens"), section.whole("max_target_tokens"), policy)


LIMIT_KEYS = tuple(Limits.__dataclass_fields__)


def over_long(name: str, where: str) -> OverLong:
    """The policy of that name.

    Raises:
        MixtureError: There is none.
    """
    for policy in OVER_LONG:
        if policy == name:
            return policy
    raise MixtureError(
        f"`over_long` must be one of {', '.join(OVER_LONG)}.",
        found=f"`{name}`",
        where=where,
        remedy=nearest(name, OVER_LONG),
    )
