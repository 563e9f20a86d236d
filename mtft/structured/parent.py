"""PARENT: how well a text agrees with its references and with the table it tells.

An n-gram of the text is right where a reference has it, or else as far as the table has its tokens; what a
reference says counts for recall as far as the table supports it. Pure functions; tokens are compared exactly.

Source: Dhingra et al. 2019, "Handling Divergent Reference Texts when Evaluating Table-to-Text Generation",
ACL, arXiv 1906.01081, equations 2 to 8; the presets follow the published programs named at each.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mtft.errors import StructureError, nearest
from mtft.structured.parent_tokens import lowered_mteval_tokens, lowered_words
from mtft.structured.table import Cell, Table

Tokens = Sequence[str]
Entries = Sequence[Tokens]
MAX_ORDER = 4
SMOOTHING = 1e-5  # in place of a recall or a precision of 0
_NO_ZERO = 1e-8  # keeps F finite where both are 0
VERSION = "1"


class ParentScore(NamedTuple):
    """PARENT of one text, each 0 to 1."""

    precision: float
    recall: float
    f: float


@dataclass(frozen=True)
class ParentPreset:
    """One of the published ways to compute PARENT.

    Attributes:
        name: Its name.
        tokens: Text → tokens.
        two_tables: Precision looks at the whole table and all titles, recall at the highlighted cells and the
            titles without section texts; otherwise both look at the highlighted cells and all titles.
        table_weight: The share λ of the table in recall, or None: 1 - how much of the table the reference
            mentions.
        best_reference: Several references: the one with the best F gives all three figures; otherwise each
            figure is the largest of any reference.
        silent: The recall of a text that mentions nothing of the table is 0; otherwise the table's part of it
            is `SMOOTHING`.
    """

    name: str
    tokens: Callable[[str], list[str]]
    two_tables: bool
    table_weight: float | None
    best_reference: bool = True
    silent: bool = False


# totto: google-research/language, language/totto/totto_parent_eval.py; original: the authors' own, there under
# language/table_text_eval; kaijuml: KaijuML/parent 1.1.1.
PRESETS: dict[str, ParentPreset] = {
    preset.name: preset
    for preset in (
        ParentPreset("totto", lowered_mteval_tokens, two_tables=True, table_weight=None),
        ParentPreset("original", lowered_words, two_tables=False, table_weight=0.5),
        ParentPreset("kaijuml", lowered_words, False, 0.5, best_reference=False, silent=True),
    )
}


def find_preset(name: str) -> ParentPreset:
    """The preset of this name.

    Raises:
        StructureError: There is none.
    """
    if name not in PRESETS:
        rule = "A preset of PARENT must be a known one."
        raise StructureError(rule, found=f"`{name}`", remedy=nearest(name, PRESETS))
    return PRESETS[name]


def parent_score(
    prediction: str, references: Sequence[str], table: Table, preset: str = "totto"
) -> ParentScore:
    """PARENT of one text.

    Args:
        prediction: The text; the empty one has precision 0.
        references: All references, in any number and order.
        table: What the text tells.
        preset: A name of `PRESETS`.

    Raises:
        StructureError: The preset is unknown, or there is no reference.
    """
    chosen = find_preset(preset)
    support, claims = (
        [tokens for value in values if (tokens := chosen.tokens(value))]
        for values in parent_values(table, two_tables=chosen.two_tables)
    )
    made = chosen.tokens(prediction)
    return parent(made, [chosen.tokens(r) for r in references], support, claims, chosen)


def parent(
    prediction: Tokens, references: Sequence[Tokens], support: Entries, claims: Entries, preset: ParentPreset
) -> ParentScore:
    """PARENT of one tokenised text.

    Args:
        prediction: The text's tokens.
        references: Each reference's tokens.
        support: The tokens of every value that makes an n-gram of the text true.
        claims: The tokens of every value that the text should mention; none empty.
        preset: How; its `tokens` are not used.

    Raises:
        StructureError: There is no reference.
    """
    if not references:
        raise StructureError("PARENT needs at least one reference.", found="none")
    known = {token for value in support for token in value}
    scores = [_against(prediction, reference, known, claims, preset) for reference in references]
    if preset.best_reference:
        return max(scores, key=lambda score: (score.f, score))  # equal F: not by the references' order
    return ParentScore(*(max(column) for column in zip(*scores, strict=True)))


def _against(
    made: Tokens, reference: Tokens, known: Collection[str], claims: Entries, preset: ParentPreset
) -> ParentScore:
    counts = [(_ngrams(made, n), _ngrams(reference, n)) for n in range(1, MAX_ORDER + 1)]
    precision = _mean([_precision(a, b, known) for a, b in counts])
    heard = _mean([_recall(a, b, known) for a, b in counts]) or SMOOTHING
    recall = _with_table(heard, made, reference, claims, preset)
    return ParentScore(precision, recall, 2 * precision * recall / (precision + recall + _NO_ZERO))


def _with_table(
    heard: float, made: Tokens, reference: Tokens, claims: Entries, preset: ParentPreset
) -> float:
    """Recall of the reference and of the table, weighted geometrically; without a table, of the reference."""
    if not claims:
        return heard
    told = mentioned(claims, made)
    if not told and preset.silent:
        return 0.0
    weight = 1 - mentioned(claims, reference) if preset.table_weight is None else preset.table_weight
    return math.exp((1 - weight) * math.log(heard) + weight * math.log(told or SMOOTHING))


def _ngrams(tokens: Tokens, order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[at : at + order]) for at in range(len(tokens) - order + 1))


def _support(ngram: tuple[str, ...], known: Collection[str]) -> float:
    """The share of the n-gram's tokens that the table has (the paper's word overlap model)."""
    return sum(token in known for token in ngram) / len(ngram)


def _precision(
    made: Counter[tuple[str, ...]], reference: Counter[tuple[str, ...]], known: Collection[str]
) -> float:
    right = 0.0
    for ngram, count in made.items():
        shared = min(1.0, reference[ngram] / count)
        right += count * (shared + (1 - shared) * _support(ngram, known))
    return right / made.total() if made else 0.0


def _recall(
    made: Counter[tuple[str, ...]], reference: Counter[tuple[str, ...]], known: Collection[str]
) -> float:
    wanted = found = 0.0
    for ngram, count in reference.items():
        weight = count * _support(ngram, known)
        wanted += weight
        found += weight * min(1.0, made[ngram] / count)
    return found / wanted if wanted else 1.0


def _mean(orders: Sequence[float]) -> float:
    """Geometric mean over orders; a 0 of order 2 and above is smoothed, one of order 1 stays."""
    smoothed = [orders[0], *(value or SMOOTHING for value in orders[1:])]
    return math.exp(math.fsum(map(math.log, smoothed)) / len(smoothed)) if smoothed[0] else 0.0


def mentioned(values: Entries, text: Tokens) -> float:
    """How much of the values a text mentions: the mean share of each that is a subsequence of the text."""
    present = set(text)
    shares = []
    for value in values:
        kept = [token for token in value if token in present]
        shares.append(_longest_common(kept, text) / len(value))
    return sum(shares) / len(shares)


def _longest_common(one: Tokens, two: Tokens) -> int:
    """Length of the longest common subsequence."""
    lengths = [0] * (len(two) + 1)
    for token in one:
        diagonal = 0
        for at, other in enumerate(two, 1):
            diagonal, lengths[at] = (
                lengths[at],
                diagonal + 1 if token == other else max(lengths[at], lengths[at - 1]),
            )
    return lengths[-1]


def parent_values(table: Table, *, two_tables: bool) -> tuple[list[str], list[str]]:
    """The texts that support a text, and those that it should mention.

    Of a table: cells and titles, as `ParentPreset.two_tables` says. Of triples: subject and object together,
    underscores being spaces, and titles. Of a meaning representation: its slots' values.
    """
    if table.kind == "triples":
        values = [_subject_and_object(table, cell) for cell in table.data]
        values += [title.text for title in table.titles]
        return values, values
    if table.kind == "meaning_representation":
        values = [cell.text for cell in table.data]
        return values, values
    about = [_value(cell) for cell in table.highlighted]
    titles = [title.text.replace("|", "-") for title in table.titles]
    if not two_tables:
        return about + titles, about + titles
    named = [t.text.replace("|", "-") for t in table.titles if t.role != "section_text"]
    return [_value(cell) for cell in table.cells] + titles, about + named


def _value(cell: Cell) -> str:
    return cell.text.strip().replace("|", "-")


def _subject_and_object(table: Table, cell: Cell) -> str:
    subject = " ".join(head.text for head in table.row_headers(cell))
    return f"{subject} {cell.text}".replace("_", " ")
