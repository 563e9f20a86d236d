"""Slot error rate: what a text leaves out of a meaning representation, adds to it, and says twice.

    SER = (missing + added + repeated) / slots

How a value is found: by the patterns of `SlotRule` where the slot has one, else by its forms
(`mtft.structured.coverage_forms.value_forms`) as whole words. `yes` and `no` are found by what the slot is
about, with or without a negation. Each value of a list is a slot of its own. A wrong value is missing and
added.

Source: Wen et al. 2015, "Semantically Conditioned LSTM-based Natural Language Generation for Spoken Dialogue
Systems", EMNLP, section 5.1: ERR = (p + q) / N, p missing and q redundant slots of N. There a slot is found
by exact match in delexicalised text; the rules here are our own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from mtft.errors import StructureError
from mtft.structured.coverage_forms import plain, value_forms
from mtft.structured.meaning_representation import slot_name, values_of
from mtft.structured.table import Table

VERSION = "1"
Span = tuple[int, int]
_YES, _NO = frozenset({"yes", "true"}), frozenset({"no", "false"})
_NEGATIONS = frozenset(
    (
        "no",
        "not",
        "non",
        "never",
        "without",
        "neither",
        "nor",
        "none",
        "lack",
        "lacks",
        "lacking",
        "unavailable",
        "cannot",
        "unsupported",
        "excludes",
    )
)
_TURNS = frozenset(("but", "however", "although", "though", "while", "yet", "except", ".", "whereas"))
_VERBS = frozenset(
    ("is", "are", "was", "has", "have", "can", "it", "you", "they", "there", "supports", "features", "offers")
)
_REACH = 8  # words between a negation and what it denies
_DENIED_AFTER = re.compile(
    r"(?: (?!but|and|though|although|while|however|yet|it)\w+){0,2}?"
    r" (?:is|are|was|were|does|do|has) (?:not|no)\b"
    r"|(?: is| are)? (?:unavailable|lacking)\b"
    r"| not (?:allowed|welcome|available|supported|included|possible|friendly|suitable)\b| no\b(?! \w)"
)
# Words of slots' names that say nothing of what the slot is about.
_EMPTY_WORDS = frozenset(
    (
        "has",
        "have",
        "is",
        "are",
        "on",
        "of",
        "the",
        "a",
        "an",
        "in",
        "available",
        "availability",
        "release",
        "released",
        "allowed",
        "allows",
    )
)


@dataclass(frozen=True)
class SlotRule:
    """How the values of one slot are said; every pattern is matched against whole words of `plain` text.

    Attributes:
        values: Plain value → pattern.
        loosely: Plain value → what says it too where it was asked for, but is no sign of it elsewhere.
        topic: Of a slot of `yes` and `no`: what it is about.
        opposite: What says `no` without a negation.
        closed: A value of `values` that was not asked for counts as added.
        repeatable: Saying it twice is no error, as for a name.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    loosely: Mapping[str, str] = field(default_factory=dict)
    topic: str = ""
    opposite: str = ""
    closed: bool = True
    repeatable: bool = False


Rules = Mapping[str, SlotRule]
GENERIC: Rules = {"name": SlotRule(repeatable=True)}


class SlotValue(NamedTuple):
    """One thing to say: a slot and one of its values; None for a bare slot."""

    slot: str
    value: str | None


class SlotErrors(NamedTuple):
    """The errors of one text.

    Attributes:
        slots: Slots to say, each value of a list counted.
        missing: Those not said.
        added: Values said that were not asked for; only what the rules know can be found.
        repeated: Those said twice or more.
    """

    slots: int
    missing: int
    added: int
    repeated: int

    @property
    def rate(self) -> float:
        """The slot error rate; without slots, 0 if nothing is added, else infinite."""
        errors = self.missing + self.added + self.repeated
        return errors / self.slots if self.slots else (float("inf") if errors else 0.0)


def slot_values(table: Table) -> list[SlotValue]:
    """The slots of a meaning representation, each value of a list alone.

    Raises:
        StructureError: The table is of another kind.
    """
    if table.kind != "meaning_representation":
        rule = "Slot errors need a table of kind `meaning_representation`."
        raise StructureError(
            rule, found=f"`{table.kind}`", remedy="Score triples by `coverage`, tables by `parent`."
        )
    found = []
    for cell in table.data:
        name = slot_name(table, cell)
        found += [SlotValue(name, value) for value in values_of(table, cell) or (None,)]
    return found


def learned_rules(tables: Iterable[Table]) -> dict[str, SlotRule]:
    """Rules that know every value which a slot has in any of the tables, so that added ones are found.

    Args:
        tables: Meaning representations, as many as there are: of a whole dataset.
    """
    seen: dict[str, dict[str, str]] = {}
    for pair in (pair for table in tables for pair in slot_values(table)):
        if pair.value is not None and not _is_boolean(pair.value) and value_forms(pair.value):
            seen.setdefault(pair.slot, {})[plain(pair.value)] = _pattern_of(pair.value)
    return {slot: SlotRule(values, repeatable=slot == "name") for slot, values in seen.items()}


def slot_errors(text: str, slots: Sequence[SlotValue], rules: Rules = GENERIC) -> SlotErrors:
    """What a text gets wrong of a meaning representation.

    Bare slots count where the rules know what they are about, in either sense.

    Args:
        text: The text.
        slots: From `slot_values`.
        rules: Slot → rule; `GENERIC`, those of `mtft.structured.slot_error_rules`, or `learned_rules`.
    """
    written = plain(text)
    asked = [pair for pair in dict.fromkeys(slots) if _countable(pair, rules)]
    # Names hide what looks like other values: an "Indian Palace" serves no Indian food.
    names = [pair for pair in asked if _is_name(pair, rules)]
    said = {pair: _spans(pair, written, rules) for pair in names}
    hidden = _without(written, [span for spans in said.values() for span in spans])
    said |= {pair: _spans(pair, hidden, rules) for pair in asked if pair not in said}
    explained = [span for spans in said.values() for span in spans]
    return SlotErrors(
        slots=len(asked),
        missing=sum(not spans for spans in said.values()),
        added=_added(hidden, said, explained, rules),
        repeated=sum(_twice(pair, written if pair in names else hidden, rules) for pair in said),
    )


def _twice(pair: SlotValue, written: str, rules: Rules) -> bool:
    """Whether the text says a value twice, beyond doubt: natural texts come back to names and to topics."""
    rule = _rule(pair.slot, rules)
    if rule.repeatable or pair.value is None or _is_boolean(pair.value):
        return False
    return len(_find(rule.values.get(plain(pair.value)) or _pattern_of(pair.value), written)) > 1


def _rule(slot: str, rules: Rules) -> SlotRule:
    return rules.get(slot) or GENERIC.get(slot) or SlotRule()


def _is_boolean(value: str | None) -> bool:
    return value is not None and value.casefold() in _YES | _NO


def _is_about(pair: SlotValue, rules: Rules) -> bool:
    """Whether the slot is found by what it is about."""
    return _is_boolean(pair.value) or (pair.value is None and bool(_rule(pair.slot, rules).topic))


def _countable(pair: SlotValue, rules: Rules) -> bool:
    if pair.value is None:
        return _is_about(pair, rules)
    return _is_boolean(pair.value) or bool(value_forms(pair.value))


def _is_name(pair: SlotValue, rules: Rules) -> bool:
    """Whether a value is of an open set: one that no rule lists."""
    if pair.value is None or _is_boolean(pair.value):
        return False
    return not _rule(pair.slot, rules).values


def _spans(pair: SlotValue, written: str, rules: Rules) -> list[Span]:
    """Where the text says a slot's value."""
    rule = _rule(pair.slot, rules)
    if _is_about(pair, rules):
        told = _told(pair.slot, written, rule)
        wanted = None if pair.value is None else pair.value.casefold() in _YES
        return [span for span, sense in told if wanted is None or sense is wanted]
    value = plain(pair.value or "")
    patterns = (rule.values.get(value) or _pattern_of(pair.value or ""), rule.loosely.get(value))
    return _find("|".join(filter(None, patterns)), written)


def _told(slot: str, written: str, rule: SlotRule) -> list[tuple[Span, bool]]:
    """Where the text is about a slot of `yes` and `no`, and which of them it says."""
    topic = rule.topic or _name_pattern(slot)
    found = [(span, not _denied(written, span)) for span in _find(topic, written)] if topic else []
    if rule.opposite:
        found += [(span, _denied(written, span)) for span in _find(rule.opposite, written)]
    return found


def _name_pattern(slot: str) -> str:
    """What a slot of `yes` and `no` is about, by its name: `has_linuxRelease` is about `linux`."""
    words = plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", slot)).split()
    return r"\W?".join(re.escape(word) for word in words if word not in _EMPTY_WORDS)


def _denied(written: str, span: Span) -> bool:
    if _DENIED_AFTER.match(written, span[1]):
        return True
    before = written[: span[0]].split()[-_REACH:]
    for at in range(len(before) - 1, -1, -1):
        word, after = before[at], before[at + 1 : at + 2]
        if word in _TURNS or (word == "and" and after and after[0] in _VERBS):
            return False
        if word in _NEGATIONS and after != ["only"]:
            return True
    return False


def _added(
    hidden: str, said: Mapping[SlotValue, Sequence[Span]], explained: Collection[Span], rules: Rules
) -> int:
    """How many values the text says that nobody asked for, outside of what is explained by those asked for."""
    asked: dict[str, set[str | None]] = {}
    for pair in said:
        asked.setdefault(pair.slot, set()).add(None if pair.value is None else plain(pair.value))
    found = 0
    for slot, rule in rules.items():
        wanted = asked.get(slot, set())
        if None in wanted or not rule.closed:
            continue
        if rule.topic:
            own = [pair for pair in said if pair.slot == slot]
            told = [span for span, _ in _told(slot, hidden, rule)]
            found += not any(said[pair] for pair in own) and _any_free(told, explained)
        else:
            others = [pattern for value, pattern in rule.values.items() if value not in wanted]
            found += _distinct([_free(_find(pattern, hidden), explained) for pattern in others])
    return found


def _distinct(found: Iterable[list[Span]]) -> int:
    """How many values are said somewhere, a place counting once where two values look alike."""
    taken: list[Span] = []
    count = 0
    for spans in sorted(found, key=lambda spans: -max((b - a for a, b in spans), default=0)):
        free = _free(spans, taken)
        taken += free
        count += bool(free)
    return count


def _free(spans: Iterable[Span], taken: Collection[Span]) -> list[Span]:
    return [(a, b) for a, b in spans if all(b <= start or end <= a for start, end in taken)]


def _any_free(spans: Iterable[Span], taken: Collection[Span]) -> bool:
    return bool(_free(spans, taken))


@lru_cache(maxsize=2**14)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\S)(?:{pattern})(?!\S)")


@lru_cache(maxsize=2**14)
def _pattern_of(value: str) -> str:
    forms = sorted(value_forms(value), key=len, reverse=True)
    return "|".join(re.escape(form) for form in forms)


def _find(pattern: str, written: str) -> list[Span]:
    return [match.span() for match in _compiled(pattern).finditer(written)] if pattern else []


def _without(written: str, spans: Iterable[Span]) -> str:
    """The text with these places blacked out, every other place where it was."""
    for start, end in spans:
        written = written[:start] + re.sub(r"\S", "#", written[start:end]) + written[end:]
    return written
