"""Slot error rate: missing, added, repeated; patterns, negations, values in words."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import StructureError
from mtft.structured import Table
from mtft.structured.meaning_representation import (
    read_meaning_representation,
    read_meaning_representation_file,
)
from mtft.structured.slot_error import (
    GENERIC,
    SlotErrors,
    SlotRule,
    SlotValue,
    learned_rules,
    slot_errors,
    slot_values,
)
from mtft.structured.slot_error_rules import E2E, RULES, VIGGO, rules_of


def errors(meaning: str, text: str, rules: str = "generic") -> tuple[int, int, int]:
    found = slot_errors(text, slot_values(read_meaning_representation(meaning)), rules_of(rules))
    return found[1:]


INN = "name[The Inn], eatType[pub], food[Indian], area[riverside], familyFriendly[no]"
GAME = "inform(name[Tetris], genres[puzzle, arcade], has_multiplayer[no], release_year[1984])"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Inn is an Indian pub by the river, not for families.", (0, 0, 0)),
        ("The Inn is an Indian pub by the river.", (1, 0, 0)),
        (
            "The Inn is an Indian pub by the river; it welcomes children.",
            (1, 1, 0),
        ),  # wrong: missing and added
        ("The Inn is a French pub by the river and isn't family-friendly.", (1, 1, 0)),
        ("The Inn is a cheap Indian pub by the river, no kids allowed.", (0, 1, 0)),
        ("", (5, 0, 0)),
        ("Riverside Indian pub The Inn in the riverside area. Kids are not welcome.", (0, 0, 1)),
    ],
)
def test_restaurants_by_hand(text: str, expected: tuple[int, int, int]) -> None:
    assert errors(INN, text, "e2e_cleaned") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tetris (1984) is a single-player arcade puzzler.", (0, 0, 0)),
        ("Tetris is a puzzle arcade game from 1984 that doesn't have multiplayer.", (0, 0, 0)),
        ("Tetris is a 1984 arcade game without multiplayer.", (1, 0, 0)),  # each value of a list counts
        ("Tetris is a 1984 arcade puzzle game with multiplayer.", (1, 1, 0)),
        ("Tetris, a 1984 arcade puzzle game on Linux, has no multiplayer.", (0, 1, 0)),
        ("Tetris, a 1984 arcade puzzle platformer, has no multiplayer.", (0, 1, 0)),
    ],
)
def test_games_by_hand(text: str, expected: tuple[int, int, int]) -> None:
    assert errors(GAME, text, "viggo") == expected


def test_names_hide_what_looks_like_a_value() -> None:
    assert errors("name[Raja Indian Palace], food[English]", "Raja Indian Palace is English", "e2e_cleaned") == (
        0, 0, 0,
    )  # fmt: skip
    assert errors("name[Raja Indian Palace], food[Indian]", "Raja Indian Palace", "e2e_cleaned") == (1, 0, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It has Linux support.", "yes"),
        ("It is on Steam but not on Linux.", "no"),
        ("It is not on Steam but has a Linux release.", "yes"),
        ("It isn't on Steam. It runs on Linux.", "yes"),
        ("Linux is not supported.", "no"),
        ("It has neither a Mac nor a Linux release.", "no"),
        ("It is not only on Linux.", "yes"),
    ],
)
def test_negation_reaches_as_far_as_it_should(text: str, said: str) -> None:
    other = "no" if said == "yes" else "yes"
    assert errors(f"inform(has_linux_release[{said}])", text)[0] == 0
    assert errors(f"inform(has_linux_release[{other}])", text)[0] == 1


def test_generic_values_may_be_dates_numbers_and_lists() -> None:
    meaning = "inform(exp_release_date[February 22, 2019], genres[puzzle, music], players[4])"
    assert errors(meaning, "A music and puzzle game for four players, out on the 22nd of February 2019") == (
        0,
        0,
        0,
    )
    assert errors("inform(color[red])", "red, red") == (0, 0, 1)
    assert errors("inform(name[Ann])", "Ann, Ann") == (0, 0, 0)


def test_bare_slots_count_where_rules_know_their_topic() -> None:
    asked = slot_values(read_meaning_representation("request(has_multiplayer, esrb)"))
    assert asked == [SlotValue("has_multiplayer", None), SlotValue("esrb", None)]
    assert slot_errors("Do you like multiplayer?", asked, VIGGO)[:2] == (1, 0)
    assert slot_errors("Do you like it?", asked, VIGGO) == SlotErrors(1, 1, 0, 0)
    assert slot_errors("Do you like it?", asked, GENERIC).slots == 0


def test_learned_rules_find_what_was_not_asked_for() -> None:
    tables = [
        read_meaning_representation(f"color[{c}], size[{s}]") for c, s in (("red", "big"), ("blue", "small"))
    ]
    rules = learned_rules(tables)
    asked = slot_values(tables[0])
    assert slot_errors("big and red", asked, rules) == SlotErrors(2, 0, 0, 0)
    assert slot_errors("big and blue", asked, rules) == SlotErrors(2, 1, 1, 0)
    assert slot_errors("big and blue", asked) == SlotErrors(2, 1, 0, 0)


def test_rates() -> None:
    assert SlotErrors(4, 1, 1, 0).rate == 0.5
    assert SlotErrors(0, 0, 0, 0).rate == 0
    assert SlotErrors(0, 0, 1, 0).rate == float("inf")


def test_other_structures_are_refused() -> None:
    with pytest.raises(StructureError, match="meaning_representation"):
        slot_values(Table(kind="triples"))


@pytest.mark.parametrize("dataset", RULES)
def test_every_pattern_is_one(dataset: str) -> None:
    for slot, rule in RULES[dataset].items():
        assert isinstance(rule, SlotRule)
        slot_errors("x", [SlotValue(slot, value) for value in (*rule.values, "yes", "no")], RULES[dataset])
        assert set(rule.loosely) <= set(rule.values)


SLOTS = st.sampled_from([*E2E, *VIGGO, "new"])
VALUES = st.sampled_from([None, "yes", "no", "pub", "a, b", "£20-25", "", "(", "3", "Nintendo Switch"])


@given(st.lists(st.tuples(SLOTS, VALUES), max_size=8), st.text(max_size=60), st.randoms())
def test_order_of_slots_is_nothing(
    slots: list[tuple[str, str | None]], text: str, draw: random.Random
) -> None:
    asked = [SlotValue(*slot) for slot in slots]
    mixed = asked[:]
    draw.shuffle(mixed)
    for rules in (GENERIC, E2E, VIGGO):
        found = slot_errors(text, asked, rules)
        assert found == slot_errors(text, mixed, rules)
        assert 0 <= found.missing <= found.slots


@pytest.mark.data
@pytest.mark.parametrize(
    ("dataset", "file", "most"), [("e2e_cleaned", "test", 0.05), ("viggo", "test", 0.03)]
)
def test_references_have_few_errors_and_others_many(
    data_root: Path, dataset: str, file: str, most: float
) -> None:
    """The floor that docs/metrics.md names: what the rules make of texts that people wrote."""
    rules = rules_of(dataset)
    rows = [
        (text, slot_values(entry.table))
        for entry in read_meaning_representation_file(data_root / dataset / "en" / f"{file}.csv")
        for text in entry.references
    ]
    assert rate(rows, rules) < most
    texts = [text for text, _ in rows]
    random.Random(0).shuffle(texts)
    assert rate([(text, slots) for text, (_, slots) in zip(texts, rows, strict=True)], rules) > 0.7


def rate(rows: list[tuple[str, list[SlotValue]]], rules: dict[str, SlotRule]) -> float:
    found = [slot_errors(text, slots, rules) for text, slots in rows]
    return sum(sum(one[1:]) for one in found) / sum(one.slots for one in found)
