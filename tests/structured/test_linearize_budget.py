"""Token budgets: what fits, what goes first, and that every drop is counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import StructureError
from mtft.structured import Table, Title
from mtft.structured.budget import TokenBudget, counted_drops, estimated_tokens
from mtft.structured.linearize import LINEARIZERS, linearize, linearized_text
from tests.structured.tables import KINDS, grid, grids, highlighted, permuted, shuffles, transposed

TITLES = (Title("page_title", "Zed"), Title("section_text", "Long ago it was."), Title("caption", "Scores"))


def words(text: str) -> int:
    return len(text.split())


def items(style: str, table: Table) -> Counter[str]:
    return Counter(item.role for item in LINEARIZERS[style].plan(table).items)


@settings(max_examples=150, deadline=None)
@given(grids(), st.sampled_from(sorted(LINEARIZERS)), st.integers(0, 60), st.integers(0, 60))
def test_a_budget_is_kept_with_as_little_dropped_as_may_be(
    drawn: tuple[Table, int, int], style: str, smaller: int, more: int
) -> None:
    table = replace(drawn[0], titles=TITLES)
    frame = 2 if style.startswith("totto") else 0
    found = [
        linearize(table, style, TokenBudget(size, words))
        for size in (smaller + frame, smaller + frame + more)
    ]
    for made, size in zip(found, (smaller + frame, smaller + frame + more), strict=True):
        assert made.tokens == words(made.text) <= size
        assert not made.dropped - items(style, table)
    assert found[1].dropped <= found[0].dropped
    whole = linearize(table, style)
    roomy = linearize(table, style, TokenBudget(words(whole.text), words))
    assert (roomy.text, roomy.dropped) == (whole.text, Counter())


@settings(max_examples=100, deadline=None)
@given(grids(), st.data(), st.integers(0, 40))
def test_permutations_do_not_show_within_a_budget(
    drawn: tuple[Table, int, int], data: st.DataObject, size: int
) -> None:
    table, heads, stubs = drawn
    rows, columns = data.draw(shuffles(table.n_rows, heads)), data.draw(shuffles(table.n_columns, stubs))
    moved = transposed(permuted(table, rows, columns))
    budget = TokenBudget(size, words)
    assert linearize(moved, "unified", budget) == linearize(table, "unified", budget)


def gone(table: Table, style: str) -> list[str]:
    """The roles in the order in which they go as the budget shrinks, those that go together in one text."""
    seen: list[str] = []
    before: Counter[str] = Counter()
    for size in range(words(linearize(table, style).text), 1 if style.startswith("totto") else -1, -1):
        dropped = linearize(table, style, TokenBudget(size, words)).dropped
        seen += sorted((dropped - before).elements())
        before = dropped
    return seen


def test_section_text_goes_first_and_titles_last() -> None:
    table = highlighted()
    assert gone(table, "unified") == ["section_text", "cell", "cell", "section_title", "page_title"]
    context = ["context_cell"] * 7
    assert gone(table, "totto_full") == [*context, "cell", "cell", "section_title", "page_title"]


def test_cells_far_from_the_highlighted_go_before_near_ones() -> None:
    rows = [["x", "y", "z"], ["near", "mark", "beside"], ["m", "under", "o"], ["p", "far", "farthest"]]
    table = grid(rows, marks=[(1, 1)])
    kept = linearize(table, "row_wise", TokenBudget(17, words)).text
    assert "<highlighted> mark" in kept
    assert "near" in kept
    assert "far" not in kept
    assert linearize(table, "row_wise", TokenBudget(10, words)).text.startswith("col :")


def test_without_highlights_the_last_cells_go_first_and_places_stay() -> None:
    table = grid([["p", "q"], ["a", "b"], ["c", "d"]])
    assert linearize(table, "row_wise", TokenBudget(15, words)).text == "col : p | q row 1 : a | b row 2 : c"
    assert linearize(table, "row_wise", TokenBudget(8, words)).text == "col : p row 1 : a"
    hole = linearize(grid([["p", "q"], ["a", "b"]], marks=[(1, 1)]), "row_wise", TokenBudget(10, words))
    assert hole.text == "col :  | q row 1 :  | <highlighted> b"


def test_no_cell_is_cut() -> None:
    table = grid([["p"], ["one two three"], ["four five six"]])
    for size in range(20):
        text = linearize(table, "unified", TokenBudget(size, words)).text
        assert text in {
            "",
            "<group> <cell> four five six <header> p",
            "<group> <cell> four five six <header> p <group> <cell> one two three <header> p",
        }


def test_a_tokenizer_is_called_once_for_what_fits_and_few_times_for_what_does_not() -> None:
    rows = [[f"c{c}" for c in range(20)], *([f"{r}.{c}" for c in range(20)] for r in range(50))]
    table = grid(rows, marks=[(5, 5)])
    single: list[str] = []
    batches: list[int] = []

    def count(text: str) -> int:
        single.append(text)
        return words(text)

    def count_all(texts: list[str]) -> list[int]:  # type: ignore[type-arg]
        batches.append(len(texts))
        return [words(text) for text in texts]

    roomy = TokenBudget(100_000, count, count_all)  # type: ignore[arg-type]
    linearize(table, "row_wise", roomy)
    assert (len(single), batches) == (1, [])
    linearize(table, "row_wise", TokenBudget(300, count, count_all))  # type: ignore[arg-type]
    assert len(batches) == 1
    assert len(single) <= 12


@pytest.mark.parametrize("style", ["totto", "totto_full"])
def test_a_budget_below_the_frame_is_an_error(style: str) -> None:
    with pytest.raises(StructureError, match="room for the style's frame"):
        linearize(highlighted(), style, TokenBudget(1, words))


@pytest.mark.parametrize("size", [-1, 2.5, True, "3", None])
def test_a_budget_is_a_number_of_tokens(size: object) -> None:
    with pytest.raises(StructureError, match="whole number"):
        TokenBudget(size)  # type: ignore[arg-type]


def test_drops_in_templates_are_counted_where_one_asks() -> None:
    linearized_text(highlighted(), budget=12)
    with counted_drops() as drops:
        linearized_text(highlighted(), budget=12)
        linearized_text(highlighted().as_dict(), "unified", 12)
        linearized_text(highlighted(), "unified")
    assert drops["section_text"] == 2
    assert drops["cell"] >= 2


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("<cell> a </cell>", 3),
        ("internationalisation", 5),
        ("a, b", 3),
        ("नमस्ते", 5),
        ("東京都", 3),
        ("x_y", 3),
    ],
)
def test_the_estimate_counts_tags_marks_and_bytes(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_of_drops_holds_each_item_once(kind: str) -> None:
    for style in LINEARIZERS.values():
        plan = style.plan(KINDS[kind]())
        assert sorted(plan.drop_order()) == list(range(len(plan.items)))
        assert plan.text(set(plan.drop_order())) == (
            "<table> </table>" if style.name.startswith("totto") else ""
        )
