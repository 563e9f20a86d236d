"""Programs that a dataset publishes as one line of tokens, back in lines."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from mtft.errors import TaskError, nearest
from mtft.tasks.context import Context, Fields, column

INDENT = "    "


@dataclass(frozen=True)
class CodeLines:
    """`code_lines: column`: a program that stands in one line gets its lines and indentation back.

    Attributes:
        column: The program.
        tokens: What marks lines: those of `xlcost` or of the `docstring_corpus`.
    """

    SHORTHAND: ClassVar[str] = "column"

    column: str
    tokens: str = "xlcost"

    def __post_init__(self) -> None:
        if self.tokens not in TOKENS:
            remedy = nearest(self.tokens, TOKENS)
            raise TaskError("A way of marking lines must be known.", found=f"`{self.tokens}`", remedy=remedy)

    def __call__(self, row: Fields, context: Context) -> Iterable[Fields]:
        """The row with the program in lines."""
        yield {**row, self.column: TOKENS[self.tokens](str(column(row, self.column)))}


def of_xlcost(tokens: str) -> str:
    """The program that a line of XLCoST's tokens stands for.

    `NEW_LINE` ends a line, `INDENT` and `DEDENT` change the depth of the lines from there on, `STRNEWLINE`
    and `TABSYMBOL` are characters within a string.

    Example: `if x : NEW_LINE INDENT go ( ) NEW_LINE DEDENT stop ( )` is `if x :`, `    go ( )`, `stop ( )`.

    Source: Zhu et al. 2022, XLCoST, arXiv 2206.08474.
    """
    depth, lines = 0, []
    for line in tokens.split("NEW_LINE"):
        words = line.split(" ")
        depth += words.count("INDENT") - words.count("DEDENT")
        kept = " ".join(word for word in words if word not in {"INDENT", "DEDENT", ""})
        lines.append(f"{INDENT * max(depth, 0)}{kept}" if kept else "")
    text = "\n".join(lines).strip("\n")
    return text.replace("STRNEWLINE", "\n").replace("TABSYMBOL", "\t")


def of_docstring_corpus(tokens: str) -> str:
    """The program that a line of the code and docstring corpus stands for.

    `DCNL` ends a line, each `DCSP` before a line's text is one level of indentation; what all lines have of
    it in common, as in a function's body, is taken away.

    Example: `if x : DCNL DCSP go()` is `if x :`, `    go()`.

    Source: Barone and Sennrich 2017, arXiv 1707.02275.
    """
    lines = []
    for line in tokens.split("DCNL"):
        words = line.split()
        depth = next((place for place, word in enumerate(words) if word != "DCSP"), len(words))
        text = line.replace("DCSP", "", depth).strip()
        lines.append(f"{INDENT * depth}{text}" if text else "")
    return textwrap.dedent("\n".join(lines).strip("\n"))


TOKENS: dict[str, Callable[[str], str]] = {"docstring_corpus": of_docstring_corpus, "xlcost": of_xlcost}
