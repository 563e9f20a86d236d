"""What must hold of a rendered row before it may train or score."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.prompting.explain import short
from mtft.prompting.failures import RenderError
from mtft.prompting.rendered import Rendered


def checked(parts: Sequence[str], choices: tuple[str, ...] | None, *, sound: bool = False) -> Rendered:
    """The rendered row, if it has an input, a target, and choices that hold the target.

    Args:
        parts: What stood between the separators, stripped; not all of it blank.
        choices: The answer choices, or None.
        sound: The choices were found sound before.

    Raises:
        RenderError: A rule is broken.
    """
    inputs, targets = parts[0], tuple([part for part in parts[1:] if part])
    if len(parts) < 2:
        rule = "A template must write an input, `|||` and a target."
        raise RenderError("no_target", rule, found=f"only {inputs[:80]!r}")
    if not inputs:
        raise RenderError("empty_input", "The input must not be empty.", found=f"target {short(targets[0])}")
    if not targets:
        raise RenderError("empty_target", "The target must not be empty.", found=f"input {inputs[:80]!r}")
    if choices is not None:
        if not sound:
            _check_choices(choices)
        for target in targets:
            if target not in choices:
                raise RenderError(
                    "target_not_in_choices",
                    "The target must be one of the answer choices.",
                    found=f"target {short(target)}, choices {short(choices)}",
                )
    return Rendered(inputs, targets, choices)


def are_sound(choices: tuple[str, ...]) -> bool:
    """Whether no choice is blank or stands twice."""
    return all(choices) and len(set(choices)) == len(choices)


def _check_choices(choices: tuple[str, ...]) -> None:
    if not all(choices):
        raise RenderError("empty_choice", "No answer choice may be empty.", found=short(choices))
    if len(set(choices)) < len(choices):
        raise RenderError("duplicate_choices", "The answer choices must differ.", found=short(choices))
