"""How rows are reached: the data folder, the network, strictness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from mtft.errors import SourceError, TaskError
from mtft.synthetic import generator_fingerprint
from mtft.tasks import expression
from mtft.tasks.card import CardFile
from mtft.tasks.confine import confined
from mtft.tasks.conll import read_conll
from mtft.tasks.conllu import read_conllu
from mtft.tasks.delimited import read_delimited
from mtft.tasks.hub import hub_file, hub_fingerprint, read_hub
from mtft.tasks.json_files import read_json, read_jsonl
from mtft.tasks.parquet import read_parquet
from mtft.tasks.problems import Reporter
from mtft.tasks.raw import Drop, Record
from mtft.tasks.readers import READERS
from mtft.tasks.source import PARQUET_BRANCH, Source

FormatReader = Callable[[Path, str, Source, Drop], Iterator[Record]]
FORMAT_READERS: dict[str, FormatReader] = {
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_delimited,
    "tsv": read_delimited,
    "parquet": read_parquet,
    "conll": read_conll,
    "conllu": read_conllu,
}


@dataclass(frozen=True)
class Sources:
    """How rows are reached.

    Attributes:
        data_root: The folder that local cards name their files in.
        offline: Use no network: Hub datasets come from their cache alone.
        strict: The first problem is fatal.
        cache_dir: Where `datasets` keeps what it prepared; by default its own place.
    """

    data_root: Path | None = None
    offline: bool = True
    strict: bool = False
    cache_dir: Path | None = None


class Batch(NamedTuple):
    """The records of one file or Hub split.

    Attributes:
        records: They.
        revision: The pinned revision, or the file's content hash.
        stem: The file's name without suffix, for ids that are unique over several files.
    """

    records: Iterator[Record]
    revision: str
    stem: str = ""


def read_split(
    card: CardFile, config: str, split: str, sources: Sources, reporter: Reporter
) -> Iterator[Batch]:
    """The files or Hub split of a published split, lazily; the synthetic world is not read here.

    A missing file is reported and yields nothing.

    Raises:
        TaskError: There is no data folder, a path leaves it, or the Hub source cannot be reached.
    """
    if split in card.variants[config].leave_out:
        return
    if card.source.id or card.source.kind == "hub":
        if card.source.file is None:
            yield _hub_batch(card, config, split, sources)
        else:
            yield from _hub_file_batch(card, config, split, sources, reporter)
        return
    root, files = local_files(card, config, split, sources)
    present = [path for path in files if path.is_file()]
    for path in files or [root / _path(card, config, split)]:
        if not path.is_file():
            reporter.drop("missing_file", _shown(path, root), "the file does not exist")
    if card.reader is not None and present:
        records = READERS[card.reader](
            present, _shown(present[0], root), present[0].parent.parent, reporter.drop
        )
        yield Batch(records, file_hash(present[0]))
        return
    for path in present:
        reader = FORMAT_READERS[card.source.format_of(path.name)]
        stem = path.stem if len(files) > 1 else ""
        yield Batch(reader(path, _shown(path, root), card.source, reporter.drop), file_hash(path), stem)


def local_files(card: CardFile, config: str, split: str, sources: Sources) -> tuple[Path, list[Path]]:
    """The folder that a card's paths start from, and the files of a split.

    Raises:
        TaskError: There is no data folder, or a path leaves it.
    """
    root = card.path.parent if card.source.root == "card" else sources.data_root
    if root is None or not root.is_dir():
        raise SourceError(
            f"The task `{card.name}` reads files under the data folder, which must exist.",
            found=root,
            remedy="Give it with --data_root (or MTFT_DATA_ROOT); docs/data.md says what it holds.",
        )
    return root, confined(root, _path(card, config, split), str(card.path))


def _path(card: CardFile, config: str, split: str) -> str:
    return _filled(card, config, split, card.source.path or "")


def _filled(card: CardFile, config: str, split: str, text: str) -> str:
    """An expression over what a path may name.

    Raises:
        TaskError: It names something else.
    """
    variant = card.variants[config]
    values = {"dataset": card.dataset, "subset": card.subset or "", "config": config, "split": split}
    values |= {"language": card.language_of(config), "folder": variant.folder or config}
    try:
        return expression.evaluate(text, {**values, "file": card.splits.get(split, split)})
    except KeyError as error:
        known = ", ".join([*values, "file"])
        rule = f"A path may name only {known}."
        raise TaskError(rule, found=f"`{error.args[0]}`", where=card.path) from None


def _hub_batch(card: CardFile, config: str, split: str, sources: Sources) -> Batch:
    source = card.source

    def filled(text: str | None) -> str | None:
        return _filled(card, config, split, text) if text else None

    folder = _repository(card, config, split, sources)
    name, published = filled(source.name), card.splits[split]
    records, revision = read_hub(
        source, name, published, filled(source.data_files), folder, sources.cache_dir, offline=sources.offline
    )
    return Batch(records, revision)


def _hub_file_batch(
    card: CardFile, config: str, split: str, sources: Sources, reporter: Reporter
) -> Iterator[Batch]:
    """The records of one file of a repository; one that the repository lacks is reported."""
    source, folder = card.source, _repository(card, config, split, sources)
    file = _filled(card, config, split, str(source.file))
    shown = f"{source.id or (folder and folder.name)}/{file}"
    path = hub_file(source, file, folder, sources.cache_dir, offline=sources.offline)
    if path is None:
        if card.may_lack(config, split):
            reporter.note("missing_file", shown)
        else:
            reporter.drop("missing_file", shown, "the repository has no such file")
        return
    reader = FORMAT_READERS[source.format_of(file)]
    revision = str(source.revision) if source.id else file_hash(path)
    if revision == PARQUET_BRANCH:  # a branch moves
        revision = f"{revision}@{file_hash(path)}"
    yield Batch(reader(path, shown, source, reporter.drop), revision)


def _repository(card: CardFile, config: str, split: str, sources: Sources) -> Path | None:
    """The local folder that stands for the Hub's repository, where the source names one."""
    if card.source.id is not None:
        return None
    _, (folder,) = local_files(card, config, split, sources)
    return folder


def source_fingerprint(card: CardFile, config: str, sources: Sources) -> str:
    """A hash of everything that rows of a configuration are read from: file contents, or the pinned
    revision.
    """
    parts = [card.fingerprint, config]
    if card.source.kind == "synthetic":
        parts += [generator_fingerprint(), repr(sorted(card.source.world.items()))]
    elif card.source.id is not None:
        parts.append(f"{card.source.id}@{card.source.revision}")
    else:
        for split in card.splits:
            for path in local_files(card, config, split, sources)[1]:
                parts.append(_content_hash(path))
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _content_hash(path: Path) -> str:
    if path.is_dir():
        return hub_fingerprint(path)
    return file_hash(path) if path.is_file() else "missing"


def file_hash(path: Path) -> str:
    """32 hexadecimal digits of a file's content; kept while size and time of the file stay."""
    state = path.stat()
    return _file_hash(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_hash(path: Path, size: int, mtime: int) -> str:
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
