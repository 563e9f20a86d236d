"""Rows that were taken from other datasets, as a card declares them and as their references give them away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

from mtft.tasks.card import CardFile
from mtft.tasks.division import SIDES
from mtft.tasks.problems import Problems, Reporter
from mtft.tasks.reach import Sources, source_fingerprint
from mtft.tasks.references import SEPARATOR, letters
from mtft.tasks.rows import card_rows


def reference_hash(text: str) -> int:
    """64 bits of a reference's letters and digits alone: quotation marks, spacing and case differ between
    releases.
    """
    return int.from_bytes(
        blake2b(letters(text).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


class Copied(NamedTuple):
    """What is known of a row's origin.

    Attributes:
        labelled: Tasks that its own label names.
        matched: Task → how many of the row's references stand there too.
    """

    labelled: tuple[str, ...]
    matched: dict[str, int]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that either gives away; none: the row is its dataset's own."""
        return tuple(dict.fromkeys((*self.labelled, *self.matched)))


@dataclass(frozen=True, eq=False)
class CopyGuard:
    """Recognises the rows of one card that were taken from others.

    Attributes:
        card: The card, with `copies`.
        others: Task → card, those that it may have been taken from and that are looked at.
    """

    card: CardFile
    others: Mapping[str, CardFile]

    @property
    def fingerprint(self) -> str:
        """Whose rows it takes out."""
        return ",".join(sorted(self.others))

    def data_fingerprints(self, sources: Sources) -> list[str]:
        """Hashes of the data that its verdicts follow from, beside the rows'."""
        return [
            source_fingerprint(card, config, sources)
            for card in self.others.values()
            for config in card.variants
        ]

    def copied(self, fields: Mapping[str, Any], sources: Sources) -> Copied:
        """Where a row comes from.

        Args:
            fields: The row's columns.
            sources: How the other datasets' rows are reached.
        """
        assert self.card.copies is not None
        labels = str(fields[self.card.copies.column]).split(SEPARATOR)
        named = [task for label, task in self.card.copies.of.items() if label in labels]
        hashes = [reference_hash(text) for text in fields["references"]]
        found = {
            name: sum(each in known for each in hashes)
            for name, card in self.others.items()
            for known in [references_of(card, sources)]
        }
        labelled = tuple(dict.fromkeys(task for task in named if task in self.others))
        return Copied(labelled, {name: count for name, count in found.items() if count})

    def leaves_out(self, fields: Mapping[str, Any], sources: Sources) -> bool:
        """Whether the row was taken from one of the others."""
        return bool(self.copied(fields, sources).tasks)


@lru_cache(maxsize=16)
def references_of(card: CardFile, sources: Sources) -> frozenset[int]:
    """The hashes of all references of a card, every language and side of it that is at hand."""
    return frozenset(reference_hash(text) for text in _references(card, sources))


def _references(card: CardFile, sources: Sources) -> Iterator[str]:
    quiet = Reporter(Problems(), card.name)  # what is wrong is reported where these rows are asked for
    for config in card.variants:
        for side in SIDES:
            for row in card_rows(card, config, side, sources, quiet):
                yield from row.fields["references"]
