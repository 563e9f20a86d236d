"""`mtft prompts watch`: templates rendered again whenever their file is saved."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from mtft.cli.options import DataRoot, Prompts, collection_of
from mtft.cli.output import console, note, say
from mtft.cli.prompt_render import Languages, Limit, Row, Sample, Seed, codes, one, renderings
from mtft.errors import ConfigError, MtftError

if TYPE_CHECKING:
    from mtft.cli.prompt_rows import RowChoice
    from mtft.prompting import DatasetTemplates, Template

_DATASET, _SUBSET = (
    re.compile(rf"^{key}:\s*['\"]?([^'\"\s#]+)", re.MULTILINE) for key in ("dataset", "subset")
)
State = tuple[tuple[int, int] | None, ...]


def watch(
    file_or_dataset: Annotated[str, typer.Argument(help="A `templates.yaml`, or a dataset's name.")],
    template: Annotated[str | None, typer.Option(help="Only this template, by name or id.")] = None,
    row: Row = None,
    languages: Languages = None,
    limit: Limit = 1,
    seed: Seed = 0,
    sample: Sample = False,
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between looks at the file.")] = 0.3,
    saves: Annotated[int | None, typer.Option(hidden=True, min=0, help="End after so many saves.")] = None,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
) -> None:
    """Render a file's templates, and those that changed again on every save; Ctrl-C ends."""
    from mtft.cli.prompt_rows import RowChoice

    path, folders = _place(file_or_dataset, prompts)
    choice = RowChoice(row, codes(languages), None, limit, sample, data_root)
    seen: dict[str, Template] = {}
    with _ctrl_c() as stop:
        for _ in _saves([path, path.with_name("task.yaml")], interval, saves, stop):
            _look(path, folders, template, choice, seed, seen)
            note(f"{time.strftime('%H:%M:%S')} {path}: waiting for the next save; Ctrl-C ends.")
    say("")


@contextmanager
def _ctrl_c() -> Iterator[Event]:
    """Set by Ctrl-C, which then lets a rendering end; a second Ctrl-C breaks it off.

    Not a KeyboardInterrupt at once: Python swallows one that comes while it imports or collects garbage.
    """
    stop = Event()

    def heard(_signal: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _place(named: str, prompts: Sequence[Path]) -> tuple[Path, list[Path]]:
    """The file to watch, and the folders of prompts with the one that the file stands in.

    Raises:
        MtftError: There is no such file or dataset.
    """
    path = Path(named)
    if not path.is_file():
        return collection_of(prompts).get(named).path, list(prompts)
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    dataset, subset = (found.search(text) for found in (_DATASET, _SUBSET))
    if dataset is None or path.name != "templates.yaml":
        raise ConfigError("A watched file must be a `templates.yaml`.", found=path)
    sub = None if subset is None or subset.group(1) in ("null", "~") else subset.group(1)
    name = Path(dataset.group(1), sub or "").parts
    folder = path.resolve().parents[len(name)]
    # Only a file that stands in its dataset's folder has a folder of prompts above it.
    return path, [*([folder] if path.resolve().parent == folder.joinpath(*name) else []), *prompts]


def _saves(paths: Sequence[Path], interval: float, limit: int | None, stop: Event) -> Iterator[int]:
    """0 at once, then a number each time one of the files changes, until `stop` is set."""
    state, count = _state(paths), 0
    yield count
    while (limit is None or count < limit) and not stop.wait(interval):
        now = _state(paths)
        if now != state:
            state, count = now, count + 1
            yield count


def _state(paths: Sequence[Path]) -> State:
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Time and size; None while the file is away, as editors that rename leave it for a moment."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _look(
    path: Path,
    folders: Sequence[Path],
    name: str | None,
    choice: RowChoice,
    seed: int,
    seen: dict[str, Template],
) -> None:
    """Render what changed since the last look; a mistake is shown, and the watch goes on."""
    if console().is_terminal:
        console().clear()
    try:
        templates = _templates(path, folders)
        chosen = [one(templates, name)] if name is not None else list(templates.values())
        changed = [template for template in chosen if seen.get(template.id) != template]
        seen.update({template.id: template for template in chosen})
        _show(templates, changed or chosen, choice, seed, folders)
    except (MtftError, OSError, UnicodeError) as error:
        say(f"Error: {error}", "")
    sys.stdout.flush()


def _templates(path: Path, folders: Sequence[Path]) -> DatasetTemplates:
    from mtft.prompting import read_templates
    from mtft.prompting.collection import DatasetTemplates

    file = read_templates(path, cached=False)
    return DatasetTemplates(file.dataset, file.subset, path, file.templates)


def _show(
    templates: DatasetTemplates,
    chosen: Sequence[Template],
    choice: RowChoice,
    seed: int,
    folders: Sequence[Path],
) -> None:
    from mtft.cli.prompt_layout import say_shown
    from mtft.prompting import lint

    for template in chosen:
        say_shown(renderings(templates, template.id, choice, (), seed, folders))
    names = {template.name for template in chosen}
    for finding in lint(templates.values()):
        if finding.template in names:
            say(str(finding))
