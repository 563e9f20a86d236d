"""Inputs shortened to a token budget, in one named column and nowhere else."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from mtft.prompting.failures import RenderError
from mtft.prompting.rendered import Rendered

# Scripts written without spaces between words: Thai to Tibetan, Myanmar, Khmer, Javanese, kana and Han.
_UNSPACED = re.compile("[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\ua980-\ua9df\u3040-\u30ff\u3400-\u9fff"
                       "\uf900-\ufaff\U00020000-\U0003ffff]")  # fmt: skip
_LONG_WORD = 40  # characters; longer runs are links or markup and may be cut inside
_JOINERS = "\u200d\u17d2"  # zero-width joiner; Khmer's sign that puts the next letter below
_EXTENDING = re.compile("[\u1160-\u11ff\u200c\u200d\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")
_SECANT_STEPS = 6  # then halving, which ends in any case


@dataclass(frozen=True)
class Truncation:
    """What may be shortened, and to what length.

    Attributes:
        column: The row's column that may lose one of its sides: a text.
        max_tokens: The most tokens that an input may have.
        count: Tokens of a text, e.g. `lambda text: len(tokenizer(text)["input_ids"])`.
        side: What goes: the column's end (`right`), as in a mixture's build, or its beginning (`left`).
    """

    column: str
    max_tokens: int
    count: Callable[[str], int]
    side: Literal["left", "right"] = "right"

    def cuts(self, text: str) -> list[int]:
        """Where the text may be cut, from the cut that leaves least of it to the one that leaves most."""
        return cut_points(text) if self.side == "right" else start_points(text)[::-1]

    def kept(self, text: str, cut: int) -> str:
        """What a cut at that place leaves."""
        return text[:cut] if self.side == "right" else text[cut:]


class Fitted(NamedTuple):
    """A rendered row within its token budget.

    Attributes:
        rendered: The row, or None where the template leaves it out.
        cut_tokens: How many tokens the input lost; 0 where it fitted.
    """

    rendered: Rendered | None
    cut_tokens: int


def fitted(
    row: Mapping[str, Any], truncation: Truncation, render: Callable[[Mapping[str, Any]], Rendered | None]
) -> Fitted:
    """The rendered row, with the longest beginning (or ending) of the column with which the input fits.

    Raises:
        RenderError: Not one word of the column would fit, or the cut changes targets or choices.
    """
    full = render(row)
    tokens = 0 if full is None else truncation.count(full.inputs)
    if full is None or tokens <= truncation.max_tokens:
        return Fitted(full, 0)
    text = row.get(truncation.column)
    if not isinstance(text, str) or not text.strip():
        raise _too_long(truncation, tokens, "its column holds no text to shorten")
    search = _Search(row, text, truncation, render, full)
    best, left = search.longest(tokens)
    return Fitted(best, tokens - left)


class _Search:
    """The search for the last cut that fits: each guess goes by the tokens that the last one was off."""

    def __init__(
        self,
        row: Mapping[str, Any],
        text: str,
        truncation: Truncation,
        render: Callable[[Mapping[str, Any]], Rendered | None],
        full: Rendered,
    ) -> None:
        self._row, self._text, self._truncation = row, text, truncation
        self._render, self._full = render, full
        self._cuts = truncation.cuts(text)

    def longest(self, tokens: int) -> tuple[Rendered, int]:
        """The rendering with the last cut that fits and its tokens; `tokens` has the one without a cut."""
        bound, fits, too_long = self._truncation.max_tokens, -1, len(self._cuts)
        occurrences = max(self._full.inputs.count(self._text), 1)
        per_token = len(self._cuts) / max(self._truncation.count(self._text) * occurrences, 1)
        best, guess, steps = None, too_long - round((tokens - bound) * per_token), 0
        while too_long - fits > 1:
            halving = steps >= _SECANT_STEPS
            probe = (fits + too_long) // 2 if halving else min(max(guess, fits + 1), too_long - 1)
            rendered, found = self._probe(self._cuts[probe])
            if found <= bound:
                fits, best = probe, (rendered, found)
            else:
                too_long = probe
            guess, steps = probe + round((bound - found) * per_token), steps + 1
        if best is None:
            raise _too_long(self._truncation, tokens, "not one word of the column would be left")
        return best

    def _probe(self, cut: int) -> tuple[Rendered, int]:
        left = self._truncation.kept(self._text, cut)
        try:
            made = self._render({**self._row, self._truncation.column: left})
        except RenderError as error:
            raise self._changed(error.rule) from None
        if made is None or made[1:] != self._full[1:]:
            raise self._changed("the row would be left out" if made is None else "other targets or choices")
        return made, self._truncation.count(made.inputs)

    def _changed(self, found: str) -> RenderError:
        return RenderError(
            "cut_changes_target",
            f"Shortening the column `{self._truncation.column}` must leave targets and choices as they are.",
            found=found,
            remedy="Name a column that feeds the input alone, or leave long rows out.",
        )


def _too_long(truncation: Truncation, tokens: int, why: str) -> RenderError:
    return RenderError(
        "too_long",
        f"An input must fit {truncation.max_tokens} tokens once its column `{truncation.column}` is shortened.",
        found=f"{tokens} tokens, and {why}",
    )


def cut_points(text: str) -> list[int]:
    """Lengths of the beginnings at which a text may be cut, ascending, the whole text not among them.

    These are the ends of words; in scripts without spaces, and in runs too long for a word, those of
    characters as readers see them, so that no accent, vowel sign or joined emoji loses its parts.

    Example: `cut_points("one two")` is `[3]`.
    """
    points: list[int] = []
    for run in re.finditer(r"\S+", text):
        points += (*_within(run), run.end())
    return points[: bisect_left(points, len(text.rstrip()))]


def start_points(text: str) -> list[int]:
    """Where the endings begin that a text may be cut to, ascending, the whole text not among them.

    These are the beginnings of words, or of characters as for `cut_points`.

    Example: `start_points("one two")` is `[4]`.
    """
    points: list[int] = []
    for run in re.finditer(r"\S+", text):
        points += (run.start(), *_within(run))
    return points[1:]


def _within(run: re.Match[str]) -> Iterator[int]:
    """Where a run without spaces may be cut inside: nowhere, if it is a word."""
    if run.end() - run.start() > _LONG_WORD or _UNSPACED.search(run.group()):
        places = range(run.start() + 1, run.end())
        yield from (place for place in places if _starts_character(run.string, place))


def _starts_character(text: str, place: int) -> bool:
    """Whether a new character as readers see it begins at `place`, by the main rules of UAX 29."""
    here, before = text[place], text[place - 1]
    if here.isascii():
        return before not in _JOINERS
    if unicodedata.category(here).startswith("M") or _EXTENDING.match(here) or before in _JOINERS:
        return False
    if not _FLAG.match(here):
        return True
    first = place
    while first and _FLAG.match(text[first - 1]):
        first -= 1
    return (place - first) % 2 == 0  # flags are pairs of letters


def promptsource_truncated(jinja: str) -> str:
    """The template's text as promptsource rewrites it to cut what is printed.

    Source: promptsource/templates.py at 7dab96a3, `Template.apply`: a replacement in the text, with what
    that entails (a filter binds tighter than `~` and `if`; targets are cut; `-}}` breaks).
    """
    return jinja.replace("}}", " | string | truncate(2048) }}")
