"""The parts of a card that say where rows come from and how their files are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, ClassVar

from mtft.errors import TaskError, nearest
from mtft.tasks import expression

KINDS = ("local", "hub", "prompted", "synthetic")
FORMATS = ("jsonl", "json", "csv", "tsv", "parquet", "conll", "conllu")
QUOTING = ("minimal", "lenient", "none")
PARQUET_BRANCH = "refs/convert/parquet"
_COMMIT = re.compile(r"^[0-9a-f]{40}$")
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")


@dataclass(frozen=True)
class Source:
    """Where a card's rows come from.

    `path` and `name` are expressions over `folder`, `language`, `config`, `split`, `file` and the card's own
    `dataset` and `subset`.

    Attributes:
        kind: `local` files, a `hub` repository, already `prompted` JSON Lines, or the `synthetic` world.
        path: Local, prompted: the file, or a pattern with `*`. Hub: a repository in a local folder.
        root: The folder of `path`: `data_root`, or `card` for files beside the card.
        format: Of the files; by default what the suffix says.
        delimiter: csv and tsv: by default `,` and a tab.
        quoting: csv and tsv: `minimal` (cells in quotes, doubled inside, lines inside), `none` (quotes are
            text), `lenient` (one line per row; a cell is unquoted only where it is quoted well).
        columns: Names of the columns of files without a header, of records that are lists, and of conll
            files.
        json_columns: Columns whose cells are JSON.
        records: json: dotted path to the records.
        key: json: the column that receives the keys, where the records are a mapping's values.
        id: Hub: `owner/name`.
        revision: Hub: the pinned commit (40 hexadecimal digits), or the Parquet branch
            `refs/convert/parquet`.
        name: Hub: the configuration's name.
        data_files: Hub: pattern of the repository's files, in place of its own configurations.
        file: Hub: one file of the repository, read by its `format` as a local one is: for repositories whose
            loading script would be refused, or whose files need this project's readers.
        optional: Hub: splits for which some configurations have no `file`; where it is missing, it is noted
            and not a problem.
        task: Synthetic: the world's task.
        world: Synthetic: the world's settings.
    """

    kind: str
    path: str | None = None
    root: str = "data_root"
    format: str | None = None
    delimiter: str | None = None
    quoting: str = "minimal"
    columns: tuple[str, ...] = ()
    json_columns: tuple[str, ...] = ()
    records: str | None = None
    key: str | None = None
    id: str | None = None
    revision: str | None = None
    name: str | None = None
    data_files: str | None = None
    file: str | None = None
    optional: tuple[str, ...] = ()
    task: str | None = None
    world: dict[str, Any] = field(default_factory=dict)

    def check(self, files: Iterable[str], where: str) -> None:
        """Checks what the types do not say.

        Args:
            files: What `{file}` may stand for.
            where: For messages.

        Raises:
            TaskError: A value is unknown, a key of this kind is missing, or a Hub source is not pinned.
        """
        for name, options in (
            (self.kind, KINDS),
            (self.root, ("data_root", "card")),
            (self.quoting, QUOTING),
        ):
            _known(name, options, where)
        for text in (self.path, self.name, self.data_files, self.file):
            expression.check(text or "", where)
        if self.kind == "local":
            self._check_local(files, where)
        elif self.kind == "synthetic":
            _given(self.task, "task", where)
        elif self.kind == "hub" or self.id:
            self._check_hub(where)
            self._check_file(files, where)
        else:
            _given(self.path, "path", where)

    def format_of(self, file: str) -> str:
        """The format of a local file: the one given, else what its suffix says; of prompted rows, JSON
        Lines.
        """
        return "jsonl" if self.kind == "prompted" else self.format or PurePosixPath(file).suffix.lstrip(".")

    def _check_local(self, files: Iterable[str], where: str) -> None:
        _given(self.path, "path", where)
        for file in files:
            _known(self.format_of(str(self.path).replace("{file}", file)), FORMATS, where)

    def _check_file(self, files: Iterable[str], where: str) -> None:
        """A single file's format is known, and nothing else says what to read."""
        if self.file is None:
            return
        if self.name or self.data_files:
            found = "name" if self.name else "data_files"
            raise TaskError("A source with `file` reads that alone.", found=f"`{found}`", where=where)
        for file in files:
            _known(self.format_of(self.file.replace("{file}", file)), FORMATS, where)

    def _check_hub(self, where: str) -> None:
        _given(self.id or self.path, "id", where)
        if self.id is None:
            return
        if not _HUB_ID.match(self.id):
            raise TaskError("A Hub id must be `owner/name`.", found=f"`{self.id}`", where=where)
        if self.revision != PARQUET_BRANCH and not _COMMIT.match(self.revision or ""):
            raise TaskError(
                "A Hub source must be pinned to a commit.",
                found=f"revision `{self.revision}`",
                where=where,
                remedy=f"Give its 40 digits, or `{PARQUET_BRANCH}` where only a loading script exists.",
            )


def _known(name: str | None, options: tuple[str, ...], where: str) -> None:
    if name not in options:
        rule = f"The source must say one of {', '.join(options)}."
        raise TaskError(rule, found=f"`{name}`", where=where, remedy=nearest(str(name), options))


def _given(value: str | None, key: str, where: str) -> None:
    if not value:
        raise TaskError(f"A source of this kind needs the key `{key}`.", found="none", where=where)


@dataclass(frozen=True)
class Variant:
    """One configuration of a card: a language's folder, or a direction of translation.

    Attributes:
        folder: What `{folder}` stands for in paths; a variant given as text alone is this.
        language: Code of the language, or of the one translated into; under `languages` it is the key.
        source: Code of the language translated from.
        empty: Splits that upstream publishes without rows.
        leave_out: Splits that are not read in this configuration: those of another language, for one.
        values: Columns that every row of this configuration has, with their values.
        name: Name of a language that `mtft.languages` does not know.
        script: Its ISO 15924 script.
        direction: Its direction, "ltr" or "rtl".
        first: Of a pair: the published name of its first language (`mtft.tasks.pairs`).
        second: Of a pair: that of its second.
        backwards: Of a pair: whether it is translated from the second into the first.
        source_folder: Of a pair whose languages have folders of their own: the source's.
    """

    SHORTHAND: ClassVar[str] = "folder"

    folder: str | None = None
    language: str | None = None
    source: str | None = None
    empty: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    script: str | None = None
    direction: str = "ltr"
    first: str | None = field(default=None, metadata={"own": True})
    second: str | None = field(default=None, metadata={"own": True})
    backwards: bool = field(default=False, metadata={"own": True})
    source_folder: str | None = field(default=None, metadata={"own": True})
