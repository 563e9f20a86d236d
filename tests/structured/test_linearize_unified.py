"""The style `unified`: equal for equal content however it is laid out, different for different content."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mtft.structured import Cell, Table, Title
from mtft.structured.linearize import linearize
from mtft.structured.linearizers.view import View
from mtft.structured.triples import read_triples
from tests.structured.tables import NOTHING, grid, grids, nameless, permuted, scores, shuffles, transposed


def text(table: Table) -> str:
    return linearize(table, "unified").text


@settings(max_examples=300, deadline=None)
@given(grids(), st.data())
def test_permutations_and_transposition_do_not_show(
    drawn: tuple[Table, int, int], data: st.DataObject
) -> None:
    table, heads, stubs = drawn
    rows = data.draw(shuffles(table.n_rows, heads))
    columns = data.draw(shuffles(table.n_columns, stubs))
    moved = permuted(table, rows, columns)
    assert text(moved) == text(table)
    assert text(transposed(moved)) == text(table)


@pytest.mark.parametrize("seed", range(20))
def test_regular_patterns_without_headers_have_one_text(seed: int) -> None:
    """Two rings of three crossings and one of six look the same cell by cell; as wholes they differ."""
    small = {(r, (r + step) % 3 + 3 * half) for half in (0, 1) for r in range(3) for step in (0, 1)}
    small = {(r + 3 * (c > 2), c) for r, c in small}
    large = {(r, (r + step) % 6) for r in range(6) for step in (0, 1)}
    generator = random.Random(seed)

    def told(places: set[tuple[int, int]]) -> str:
        rows, columns = (generator.sample(range(6), 6) for _ in "rc")
        cells = [Cell(rows[r], columns[c], "x") for r, c in places]
        generator.shuffle(cells)
        table = Table(cells=tuple(cells), n_rows=6, n_columns=6)
        return text(transposed(table) if generator.random() < 0.5 else table)

    assert told(small) == told(small)
    assert told(large) == told(large)
    assert told(small) != told(large)


def canonical(table: Table, heads: int, stubs: int) -> Any:
    """The least of all layouts of the table, told apart by nothing but what has no order."""
    at = {(cell.row, cell.column): cell.text for cell in table.cells}
    body_rows, body_columns = range(heads, table.n_rows), range(stubs, table.n_columns)

    def layout(rows: Any, columns: Any) -> list[list[str]]:
        names = [("", *[at.get((0, c), "") if heads else "" for c in columns])]
        lines = [(at.get((r, 0), "") if stubs else "", *[at[r, c] for c in columns]) for r in rows]
        return [list(line) for line in [*names, *lines]]

    found = [layout(r, c) for r in permutations(body_rows) for c in permutations(body_columns)]
    return min([*found, *([list(line) for line in zip(*each, strict=True)] for each in found)])


@settings(max_examples=400, deadline=None)
@given(grids(values="ab", missing=False, marks=False), grids(values="ab", missing=False, marks=False))
def test_different_content_has_different_text(a: tuple[Table, int, int], b: tuple[Table, int, int]) -> None:
    assert (text(a[0]) == text(b[0])) == (canonical(*a) == canonical(*b))


@settings(max_examples=400, deadline=None)
@given(grids(values="ab", missing=False, marks=False), st.data())
def test_an_exchange_of_two_cells_shows_unless_it_is_a_permutation(
    drawn: tuple[Table, int, int], data: st.DataObject
) -> None:
    table, heads, stubs = drawn
    first, second = (data.draw(st.sampled_from(range(len(table.cells)))) for _ in "ab")
    cells = list(table.cells)
    values = cells[second].value, cells[first].value
    cells[first], cells[second] = (
        replace(cells[n], value=v) for n, v in zip((first, second), values, strict=True)
    )
    changed = replace(table, cells=tuple(cells))
    assert (text(changed) == text(table)) == (
        canonical(changed, heads, stubs) == canonical(table, heads, stubs)
    )


@given(
    st.permutations(
        [
            ("Ada", "knows", "Bob"),
            ("Ada", "knows", "Cy"),
            ("Bob", "year", "1843"),
            ("Cy", "year", "1"),
            ("Cy", "year", "1"),
        ]
    )
)
def test_the_order_of_triples_does_not_show(triples: list[tuple[str, str, str]]) -> None:
    assert text(read_triples(triples)) == (
        "<cell> Bob <header> Ada <header> knows <cell> Cy <header> Ada <header> knows "
        "<cell> 1843 <header> Bob <header> year <cell> 1 <header> Cy <header> year <cell> 1 <header> Cy <header> year"
    )


def test_an_order_that_means_something_is_kept() -> None:
    table = nameless(ordered_rows=True)
    assert text(table).index("Kim") < text(table).index("Ana")
    turned = permuted(table, [0, 2, 1], [0, 1])
    assert text(turned).index("Ana") < text(turned).index("Kim")
    assert text(permuted(table, [0, 1, 2], [1, 0])) == text(table)
    assert text(transposed(permuted(table, [0, 1, 2], [1, 0]))) == text(table)


def test_ordered_columns_and_rows_read_row_by_row() -> None:
    table = scores(ordered_rows=True, ordered_columns=True)
    assert [part.split()[0] for part in text(table).split("<cell> ")[1:]] == ["A", "1", "2", "B", "3", "4"]


def test_rows_are_told_where_no_header_tells_them() -> None:
    pairs = {text(grid([["p", "q"], ["a", b], ["c", d]])) for b, d in (("x", "y"), ("y", "x"))}
    assert len(pairs) == 2
    assert all(pair.count("<group>") == 2 for pair in pairs)


def test_columns_of_one_name_are_numbered_where_rows_have_no_names() -> None:
    table = grid([["System", "F1", "F1"], ["A", "1", "2"], ["B", "2", "1"]])
    swapped = grid([["System", "F1", "F1"], ["A", "1", "2"], ["B", "1", "2"]])
    assert text(table) != text(swapped)
    assert text(table).count("<line>") == 4
    assert text(table).count("<group>") == 2


def test_names_that_are_both_rows_and_columns_keep_their_sides() -> None:
    rows = [[NOTHING, "A", "B"], ["A", "0", "1"], ["B", "2", "3"]]
    exchanged = [[NOTHING, "A", "B"], ["A", "0", "1"], ["B", "3", "2"]]
    assert text(grid(rows, 1, 1)) != text(grid(exchanged, 1, 1))


def test_headers_of_nothing_are_told() -> None:
    assert text(grid([["p", "q"]])) == "<header> p <header> q"
    assert text(grid([["p", "q"], ["a"]])) == "<header> q <cell> a <header> p"


TITLES = st.lists(
    st.builds(Title, st.sampled_from(["title", "venue", "caption"]), st.text("<>/role titl\\", max_size=8)),
    max_size=2,
)


@example([Title("venue", "Rome")], [Title("title", "Rome <role> venue")])
@example([Title("title", "a"), Title("title", "b")], [Title("title", "a <title> b")])
@given(TITLES, TITLES)
def test_different_titles_have_different_text(a: list[Title], b: list[Title]) -> None:
    assert (text(Table(titles=tuple(a))) == text(Table(titles=tuple(b)))) == (a == b)


@given(grids())
def test_headers_are_found_as_the_table_gives_them(drawn: tuple[Table, int, int]) -> None:
    table = drawn[0]
    for each in (table, transposed(table)):
        view = View(each)
        for cell in each.cells:
            assert view.above(cell) == each.column_headers(cell)
            assert view.left(cell) == each.row_headers(cell)
