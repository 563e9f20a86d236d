"""What every command prints with: tables that are never cut when piped, JSON, and one readable error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from mtft.errors import MtftError

DEBUG = "MTFT_DEBUG"
PIPED_WIDTH = 10_000
USER_MISTAKE = 2


def console(*, stderr: bool = False) -> Console:
    """A console that takes all text as it is; as wide as its lines when it is no terminal."""
    made = Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made = Console(
            stderr=stderr, markup=False, emoji=False, highlight=False, width=PIPED_WIDTH, color_system=None
        )
    return made


def say(*lines: object) -> None:
    """Prints lines to standard output, unwrapped."""
    out = console()
    for line in lines:
        out.print(line if isinstance(line, Text) else Text(str(line)), soft_wrap=True)


def note(line: object) -> None:
    """Prints a line to standard error: what a reader wants and a pipe does not."""
    console(stderr=True).print(Text(str(line), style="dim"), soft_wrap=True)


def say_json(value: Any) -> None:
    """Prints a value as JSON, all scripts readable."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def say_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, numeric: Sequence[str] = ()
) -> None:
    """Prints a table; long cells fold on a terminal and stay whole elsewhere."""
    out = console()
    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column in numeric else "left")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    if out.is_terminal:
        out.print(table)
    else:
        _print_piped(out, table)


def _print_piped(out: Console, table: Table) -> None:
    """The table without the spaces at the ends of its lines."""
    with out.capture() as captured:
        out.print(table)
    sys.stdout.write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def explain(error: BaseException) -> str:
    """One readable message for a mistake in what the user gave."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error) or type(error).__name__


class Friendly(TyperGroup):
    """A command group whose user mistakes end in one message on standard error and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command; `MTFT_DEBUG=1` lets the traceback through."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # A reader such as `head` went away: nothing more to say, and nothing to flush at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (MtftError, OSError, UnicodeError) as error:
            if os.environ.get(DEBUG):
                raise
            out = console(stderr=True)
            out.print(Text.assemble(("Error: ", "bold red"), explain(error)), soft_wrap=True)
            raise typer.Exit(USER_MISTAKE) from None
