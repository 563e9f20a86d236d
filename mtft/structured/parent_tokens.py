"""Tokens of PARENT: mteval's version 13a without any library, and plain white space."""

from __future__ import annotations

import re

_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
# Every ASCII mark but the apostrophe, the comma, the hyphen and the full stop stands alone.
_MARKS = re.compile(r"""([!"#$%&()*+/:;<=>?@\[\\\]^_`{|}~])""")
_STOP_AFTER = re.compile(r"([^0-9])([.,])")
_STOP_BEFORE = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])(-)")


def mteval_tokens(text: str) -> list[str]:
    """The tokens of mteval-v13a: marks alone, commas and full stops except inside numbers.

        >>> mteval_tokens("In 2010, 7,230 people (all told).")
        ['In', '2010', ',', '7,230', 'people', '(', 'all', 'told', ')', '.']

    Source: NIST, mteval-v13a.pl (2009), the tokenisation of western languages; also sacreBLEU's `13a`.
    """
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = _MARKS.sub(r" \1 ", f" {text} ")
    text = _STOP_AFTER.sub(r"\1 \2 ", text)
    text = _STOP_BEFORE.sub(r" \1 \2", text)
    return _DASH_AFTER_DIGIT.sub(r"\1 \2 ", text).split()


def lowered_mteval_tokens(text: str) -> list[str]:
    """The lower-cased text's mteval-v13a tokens."""
    return mteval_tokens(text.strip().lower())


def lowered_words(text: str) -> list[str]:
    """The lower-cased text between white space."""
    return text.lower().split()
