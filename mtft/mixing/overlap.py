"""The overlap index of a mixture: sorted hashes of all text that trains, in which evaluation looks up its items.

One file, mapped into memory when read:

    4,096 bytes     magic, then the header as JSON, then spaces
    ngrams          sorted uint64, little-endian, each once: `text_hashes`' n-grams
    short           the same of short texts and short items
    groups          the same of item groups (`group_hash`)
    32 bytes        SHA-256 of what stands before
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtft.errors import MixtureError
from mtft.mixing.files import DIGEST
from mtft.mixing.shard_writer import group_hash
from mtft.mixing.text_hashes import CHARACTERS, LEAST_ITEM_WORDS, LEAST_WORDS, NORMALISATION, WORDS, Hashes

MAGIC, HEADER = b"mtft overlap index 1\n", 4096
SECTIONS = ("ngrams", "short", "groups")
LONGEST_NAME = 200


@dataclass(frozen=True)
class OverlapRule:
    """When two texts count as one; see `mtft.mixing.text_hashes`.

    Attributes:
        words: Of an n-gram.
        characters: Of one in scripts without spaces.
        least_words: Of a short text that is compared by itself.
        least_item_words: Of a short item that is compared as a whole.
        normalisation: Version.
    """

    words: int = WORDS
    characters: int = CHARACTERS
    least_words: int = LEAST_WORDS
    least_item_words: int = LEAST_ITEM_WORDS
    normalisation: int = NORMALISATION


class OverlapIndex:
    """The hashes of what trains, mapped from a file: a look-up touches only the pages it needs.

    Args:
        path: The file, which may come from anywhere: its header and size are checked, nothing in it is run.

    Attributes:
        path: The file.
        fingerprint: Of the rows that train.
        name: The mixture's.
        rule: When texts count as one.
        counts: Section → hashes.

    Raises:
        MixtureError: It is no such file, or was written under another rule.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                content = _header(file.read(HEADER))
            self.fingerprint, self.name = str(content["fingerprint"]), str(content["name"])
            self.rule = OverlapRule(**content["rule"])
            self.counts = {name: int(content["counts"][name]) for name in SECTIONS}
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise _refusal(path, error) from error
        whole = HEADER + 8 * sum(self.counts.values()) + DIGEST
        if min(self.counts.values()) < 0 or size != whole:
            raise _refusal(path, f"{size:,} bytes, where its header promises {whole:,}")
        if self.rule != OverlapRule():
            raise _refusal(path, f"hashes by the rule {self.rule}, where this version has {OverlapRule()}")

    def ngrams(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these n-grams train."""
        return self._found("ngrams", hashes)

    def short(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these short texts and items train."""
        return self._found("short", hashes)

    def groups(self, item_groups: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Which of these item groups train, in whatever language."""
        return self._found("groups", np.array([group_hash(each) for each in item_groups], dtype=np.uint64))

    def describe(self) -> dict[str, Any]:
        """What a record says of it."""
        return {
            "mixture": self.name,
            "fingerprint": self.fingerprint,
            "rule": asdict(self.rule),
            "counts": self.counts,
        }

    def section(self, name: str) -> Hashes:
        """All hashes of a section, sorted, mapped."""
        before = sum(self.counts[each] for each in SECTIONS[: SECTIONS.index(name)])
        if not self.counts[name]:  # nothing cannot be mapped
            return np.zeros(0, dtype=np.uint64)
        offset, shape = HEADER + 8 * before, (self.counts[name],)
        return np.memmap(self.path, dtype="<u8", mode="r", offset=offset, shape=shape)

    def _found(self, name: str, hashes: Hashes) -> npt.NDArray[np.bool_]:
        known = self.section(name)
        if not len(known):
            return np.zeros(len(hashes), dtype=np.bool_)
        wanted, back = np.unique(hashes, return_inverse=True)  # ascending: neighbours share pages
        places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        found: npt.NDArray[np.bool_] = (np.asarray(known[places]) == wanted)[back]
        return found


def _header(block: bytes) -> dict[str, Any]:
    if not block.startswith(MAGIC):
        raise ValueError("another beginning")
    content = json.loads(block[len(MAGIC) :])
    if not isinstance(content, dict):
        raise TypeError("a header that is no mapping")
    return content


def _refusal(path: Path, found: object) -> MixtureError:
    return MixtureError(
        "An overlap index must be a whole file that this version of mtft wrote.",
        found=found,
        where=path,
        remedy="Build the mixture again: `mtft mixture build NAME` says where the index is.",
    )
