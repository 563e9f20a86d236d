"""Translation sheets as files: CSV for spreadsheets, XLIFF for translation tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from mtft.errors import TemplateError, nearest
from mtft.prompting.translation.delimited import read_csv, write_csv
from mtft.prompting.translation.sheet import SheetRow
from mtft.prompting.translation.xliff import read_xliff, write_xliff

MAX_BYTES = 2**26
_XLIFF = (".xliff", ".xlf")
WRITERS: dict[str, Callable[[list[SheetRow]], str]] = {"csv": write_csv, "xliff": write_xliff}
READERS: dict[str, Callable[[str, Path], list[SheetRow]]] = {"csv": read_csv, "xliff": read_xliff}


def write_sheet(rows: Iterable[SheetRow], format_: str) -> str:
    """The text of a sheet.

    Raises:
        TemplateError: The format is unknown, or XLIFF cannot hold a character.
    """
    return WRITERS[_known(format_)](list(rows))


def read_sheet(path: Path, format_: str | None = None) -> list[SheetRow]:
    """The rows of a sheet, numbered as a spreadsheet numbers them, or by their units.

    Args:
        path: The file.
        format_: csv or xliff; by default what the file's name says.

    Raises:
        TemplateError: The file is no sheet, or misses a column.
    """
    format_ = _known(format_ or format_of(path))
    if path.stat().st_size > MAX_BYTES:
        raise TemplateError("A sheet may have at most 64 MiB.", found=path.stat().st_size, where=path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = "Save it as CSV in UTF-8."
        raise TemplateError("A sheet must be UTF-8.", found=error, where=path, remedy=remedy) from None
    return READERS[format_](text, path)


def format_of(path: Path) -> str:
    """The format that a file's name says."""
    return "xliff" if path.suffix.lower() in _XLIFF else "csv"


def _known(name: str) -> str:
    if name not in WRITERS:
        rule = "A sheet's format must be known."
        raise TemplateError(rule, found=f"`{name}`", remedy=nearest(name, WRITERS))
    return name
