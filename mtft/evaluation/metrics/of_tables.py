"""PARENT, slot error rate and triple coverage of whole corpora."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mtft.errors import StructureError, SuiteError
from mtft.evaluation.metrics.base import CorpusScore
from mtft.evaluation.metrics.corpus import corpus_pairs, with_references
from mtft.structured import Table, coverage, slot_error
from mtft.structured.linearize import as_table
from mtft.structured.parent import VERSION, ParentScore, find_preset, parent_score
from mtft.structured.slot_error import GENERIC, Rules

TableLike = Table | Mapping[str, Any] | str


def read_table(value: TableLike) -> Table:
    """A table, its plain data (`Table.as_dict`), or that as JSON.

    Raises:
        StructureError: It is none of them.
    """
    if not isinstance(value, str):
        return as_table(value)
    try:
        return as_table(json.loads(value))
    except (json.JSONDecodeError, RecursionError) as error:
        raise StructureError("A table must be the JSON of `Table.as_dict`.", found=error) from error


def corpus_parent(
    predictions: Sequence[str],
    references: Sequence[Sequence[str | None]],
    tables: Sequence[TableLike],
    preset: str = "totto",
) -> tuple[ParentScore, str]:
    """Mean PARENT precision, recall and F, each 0 to 1, and the signature.

    Raises:
        SuiteError: The lists do not fit together, or are empty.
        StructureError: A table is none, or the preset is unknown.
    """
    tokens = "13a" if find_preset(preset).two_tables else "none"
    pairs = corpus_pairs(predictions, references)
    _check_tables(pairs, tables)
    found = [parent_score(p, r, read_table(t), preset) for (p, r), t in zip(pairs, tables, strict=True)]
    mean = ParentScore(*(sum(column) / len(found) for column in zip(*found, strict=True)))
    return mean, with_references(f"preset:{preset}|case:lc|tok:{tokens}|mtft-parent:{VERSION}", pairs)


def corpus_slot_error(
    predictions: Sequence[str], tables: Sequence[TableLike], rules: Rules = GENERIC, name: str = "generic"
) -> tuple[dict[str, float], str]:
    """The slot error rate with the shares missing, added and repeated, all over all slots, and the signature.

    Args:
        predictions: The texts.
        tables: A meaning representation each.
        rules: How slots are said.
        name: Of the rules, for the signature.

    Raises:
        SuiteError: The lists do not fit together, or there is no slot.
        StructureError: A table is no meaning representation.
    """
    _check_tables(predictions, tables)
    found = [
        slot_error.slot_errors(text, slot_error.slot_values(read_table(table)), rules)
        for text, table in zip(predictions, tables, strict=True)
    ]
    slots, *errors = (sum(column) for column in zip(*found, strict=True))
    if not slots:
        raise SuiteError("A slot error rate needs at least one slot.", found="none")
    shares = dict(zip(("missing", "added", "repeated"), (e / slots for e in errors), strict=True))
    signature = f"nrefs:0|rules:{name}|case:lc|mtft-slot-error:{slot_error.VERSION}"
    return {"slot_error": sum(shares.values()), **shares}, signature


def corpus_coverage(predictions: Sequence[str], tables: Sequence[TableLike]) -> CorpusScore:
    """The share of all triples that the texts cover, 0 to 1, and the signature.

    Raises:
        SuiteError: The lists do not fit together, or there is no triple.
        StructureError: A table is no set of triples.
    """
    _check_tables(predictions, tables)
    found = [
        coverage.triple_coverage(text, read_table(table))
        for text, table in zip(predictions, tables, strict=True)
    ]
    triples = sum(one.triples for one in found)
    if not triples:
        raise SuiteError("Triple coverage needs at least one triple.", found="none")
    signature = f"nrefs:0|case:lc|mtft-coverage:{coverage.VERSION}"
    return CorpusScore(sum(one.covered for one in found) / triples, signature)


def _check_tables(texts: Sequence[object], tables: Sequence[TableLike]) -> None:
    if not texts or len(texts) != len(tables):
        found = f"{len(texts):,} predictions and {len(tables):,} tables"
        raise SuiteError("Every prediction must have its table, and there must be one.", found=found)
