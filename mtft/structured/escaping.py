"""Words inside markup: what could be taken for a mark is written so that no mark is left in it."""

from __future__ import annotations

import re

_LETTERS = {"\\": "\\\\", "<": "\\l", "[": "\\b"}
_BACK = {written[1]: plain for plain, written in _LETTERS.items()}
_ESCAPE = re.compile(r"\\u\{([0-9a-f]{1,6})\}|\\([\\lb])")


def escaped(text: str, *, spaces: bool = False) -> str:
    r"""The text without `<`, `[` and white space: `\l`, `\b`, `\u{a0}`, and `\\` for a backslash.

    A tokenizer finds its special tokens wherever their characters stand, so `<extra_id_0>` as a word must not
    keep them.

    Args:
        text: Any text.
        spaces: Leave spaces as they are, if single ones between words are all there is.
    """
    if spaces and all(parts := text.split(" ")):
        return " ".join(map(escaped, parts))
    return "".join(map(_written, text))


def _written(character: str) -> str:
    if character.isspace():
        return f"\\u{{{ord(character):x}}}"
    return _LETTERS.get(character, character)


def unescaped(text: str) -> str:
    """The text that `escaped` was given; what is no escape stays as it is."""
    return _ESCAPE.sub(_plain, text)


def _plain(found: re.Match[str]) -> str:
    if found[1] is None:
        return _BACK[found[2]]
    return chr(int(found[1], 16)) if int(found[1], 16) <= 0x10FFFF else found[0]
