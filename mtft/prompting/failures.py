"""Why a row could not be rendered, as an error with a code that can be counted."""

from __future__ import annotations

from typing import Literal, get_args

from mtft.errors import TemplateError

RenderFault = Literal[
    "missing_field",
    "none_value",
    "index_range",
    "no_target",
    "empty_input",
    "empty_target",
    "empty_choice",
    "duplicate_choices",
    "target_not_in_choices",
    "reserved_text",
    "too_long",
    "cut_changes_target",
    "limit",
    "sandbox",
    "failed",
]
RENDER_FAULTS: tuple[RenderFault, ...] = get_args(RenderFault)


class RenderError(TemplateError):
    """A row that a template cannot render.

    Args:
        fault: The code under which such rows are counted.
        rule: What must hold.
        found: What was found instead.
        where: File, line and template, and the example where it is known.
        remedy: How to mend it.
    """

    def __init__(
        self,
        fault: RenderFault,
        rule: str,
        *,
        found: object = None,
        where: object = None,
        remedy: str | None = None,
    ) -> None:
        self.fault = fault
        super().__init__(rule, found=found, where=where, remedy=remedy)

    def at(self, where: str) -> RenderError:
        """The same error with its place."""
        return RenderError(self.fault, self.rule, found=self.found, where=where, remedy=self.remedy)


class UnknownTemplateError(TemplateError, KeyError):
    """A template's name or id that a dataset does not have."""

    def __str__(self) -> str:
        # KeyError would print the message's repr.
        return self._message()


class LegacyKeyWarning(UserWarning):
    """A template file holds a key that old versions of the format had."""
