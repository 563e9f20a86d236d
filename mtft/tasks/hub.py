"""Rows of a Hugging Face Hub repository, at a pinned revision; no code of the repository ever runs."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mtft.errors import SourceError, TaskError
from mtft.tasks.confine import confined
from mtft.tasks.raw import Record
from mtft.tasks.source import PARQUET_BRANCH, Source

_ONLINE = "Download it once with `mtft mixture build NAME --online`, HF_HUB_OFFLINE unset."
_SCRIPT = "Where only a loading script exists, pin the branch refs/convert/parquet."


def read_hub(
    source: Source,
    name: str | None,
    split: str,
    data_files: str | None,
    folder: Path | None,
    cache_dir: Path | None,
    *,
    offline: bool,
) -> tuple[Iterator[Record], str]:
    """The rows of a split through `datasets.load_dataset`, and the revision they have.

    Args:
        source: The card's source.
        name: The repository's configuration, or None.
        split: The repository's name of the split.
        data_files: Pattern of files in place of a configuration, or None.
        folder: A repository in a local folder, in place of the Hub's.
        cache_dir: Where prepared data is kept.
        offline: Use no network.

    Raises:
        TaskError: The repository, the configuration or the split is not there, needs a script, or cannot be
            reached.
    """
    if folder is not None and not folder.is_dir():
        raise TaskError("A repository's folder must exist.", found=folder)
    where = source.id or str(folder)
    table = _load(source, name, split, data_files, folder, cache_dir, offline=offline)
    shown = f"{source.id or (folder and folder.name)}/{name + '/' if name else ''}{split}"
    revision = hub_fingerprint(folder) if folder else str(source.revision)
    if (
        revision == PARQUET_BRANCH
    ):  # a branch moves; the prepared data's own fingerprint tells which state it was
        revision = f"{revision}@{table._fingerprint}"
    if not len(table):
        return iter(()), revision
    if not isinstance(table[0], dict):
        raise TaskError(
            "A Hub dataset must have rows of columns.", found=type(table[0]).__name__, where=where
        )
    return (Record(dict(row), number, f"{shown}#{number}") for number, row in enumerate(table)), revision


def _load(
    source: Source,
    name: str | None,
    split: str,
    data_files: str | None,
    folder: Path | None,
    cache_dir: Path | None,
    *,
    offline: bool,
) -> Any:
    import datasets  # heavy: most of a second

    where = str(folder) if folder else f"{source.id} at {source.revision}"
    if folder is None:
        _check_reach(source, offline=offline, cut_off=bool(datasets.config.HF_HUB_OFFLINE))
    try:
        return datasets.load_dataset(
            str(folder or source.id),
            name,
            split=split,
            data_files={split: data_files} if data_files else None,
            revision=None if folder else source.revision,
            cache_dir=str(cache_dir) if cache_dir else None,
        )
    except Exception as error:  # load_dataset raises whatever its parts raise; all of it is about the source
        raise SourceError(
            "A Hub source must load without code of its own, by its configuration and split.",
            found=f"{type(error).__name__}: {' '.join(str(error).split())[:300]}",
            where=where,
            remedy=_ONLINE if offline and folder is None else _SCRIPT,
        ) from error


def hub_file(
    source: Source, file: str, folder: Path | None, cache_dir: Path | None, *, offline: bool
) -> Path | None:
    """One file of a repository on this machine, downloaded if it may be; None where the repository lacks it.

    Args:
        source: The card's source.
        file: Its path within the repository.
        folder: A repository in a local folder, in place of the Hub's.
        cache_dir: Where downloads are kept.
        offline: Use no network.

    Raises:
        TaskError: The path leaves the repository, the Hub cannot be reached, or offline the cache lacks it.
    """
    if folder is not None:
        (path,) = confined(folder, file, f"the repository {folder}")
        return path if path.is_file() else None
    from huggingface_hub import hf_hub_download  # heavy
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        found = hf_hub_download(
            str(source.id),
            file,
            repo_type="dataset",
            revision=source.revision,
            cache_dir=cache_dir,
            local_files_only=offline,
        )
    except LocalEntryNotFoundError as error:
        rule = "A Hub file must be in the cache, or the network allowed."
        raise SourceError(rule, found=f"`{file}` of {source.id}", remedy=_ONLINE) from error
    except EntryNotFoundError:
        return None
    except Exception as error:  # whatever the network and the Hub raise is about the source
        rule = "A file of a Hub source must be reachable."
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise SourceError(rule, found=said, where=f"{source.id} at {source.revision}") from error
    return Path(found)


def _check_reach(source: Source, *, offline: bool, cut_off: bool) -> None:
    """Checks that the source means the Hub and that the network is used only as asked."""
    if Path(str(source.id)).exists():
        raise TaskError(
            "A Hub id must not be the name of a folder here, which `datasets` would read instead.",
            found=f"`{source.id}`",
            remedy="Give a local repository as `path`, or start from another folder.",
        )
    if offline and not cut_off:
        raise TaskError(
            "Without network, a Hub source is read from its cache alone.",
            found=f"`{source.id}`, and HF_HUB_OFFLINE is not set",
            remedy=f"Set HF_HUB_OFFLINE=1 to read the cache alone. {_ONLINE}",
        )


def hub_fingerprint(folder: Path) -> str:
    """32 hexadecimal digits of the names and contents of a local repository's files."""
    digest = blake2b(digest_size=16)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()
