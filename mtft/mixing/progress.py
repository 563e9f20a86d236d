"""One line that shows how far a build is, and how long what remains will take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@contextmanager
def bar(name: str, done: int, total: int, *, show: bool) -> Iterator[Callable[[str], None]]:
    """A bar; the function counts one more piece of work and says what it was.

    Args:
        name: What is going on, one word.
        done: Pieces that need no work; the estimate leaves them out.
        total: Pieces in all.
        show: Whether anything is printed.
    """
    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, disable=not show) as progress:
        work = progress.add_task("", total=total, completed=done)
        yield lambda said: progress.update(work, advance=1, description=said)
