"""Meaning representations: the scanner, list values, and files with several texts each."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from mtft.errors import StructureError
from mtft.structured import (
    Cell,
    Table,
    Title,
    read_meaning_representation,
    read_meaning_representation_file,
    to_meaning_representation,
    values_of,
)
from mtft.structured.scan import scan


@pytest.mark.parametrize(
    ("text", "act", "slots"),
    [
        ("name[The Oak], area[city centre]", None, [("name", "The Oak"), ("area", "city centre")]),
        (
            "inform(a[x, y], b[E 10+ (for all, really)])",
            "inform",
            [("a", "x, y"), ("b", "E 10+ (for all, really)")],
        ),
        ("ask(rating, b[], c)", "ask", [("rating", None), ("b", ""), ("c", None)]),
        ("bye()", "bye", []),
        ("bye", None, [("bye", None)]),
        (
            "begrüßen(größe[12 m²],名前[寿司、ラーメン])",
            "begrüßen",
            [("größe", "12 m²"), ("名前", "寿司、ラーメン")],
        ),
        ("a[x [y, z] w], b[[q]]", None, [("a", "x [y, z] w"), ("b", "[q]")]),
        (" f( a [ x ] ,b[:)] ) ", "f", [("a", " x "), ("b", ":)")]),
        ("price (net)[5, 6], b[c]", None, [("price (net)", "5, 6"), ("b", "c")]),
        ("f(price (net)[5], g(h))", "f", [("price (net)", "5"), ("g(h)", None)]),
        ("a[1], a[1], a[2]", None, [("a", "1"), ("a", "1"), ("a", "2")]),
        ("a[:(], b[)]", None, [("a", ":("), ("b", ")")]),
        ("f(a[x\ny],\n b[z])", "f", [("a", "x\ny"), ("b", "z")]),
    ],
)
def test_scanning(text: str, act: str | None, slots: list[tuple[str, str | None]]) -> None:
    assert scan(text) == (act, slots)
    table = read_meaning_representation(text)
    assert scan(to_meaning_representation(table)) == (act, slots)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inform(name[x]", "balanced"),
        ("inform name[x])", "comma must follow"),
        ("name[x", "balanced"),
        ("name]x[", "balanced"),
        ("name[x]], b[c]", "comma must follow"),
        ("name[x]y", "comma must follow"),
        ("name[x] area[y]", "comma must follow"),
        ("[x]", "must have a name"),
        ("a[x], , b[y]", "must have a name"),
        ("a[x],", "must have a name"),
        ("f(a[x], )", "must have a name"),
        ("(a[x])", "must have a name"),
        ("f(a[x]) g(b[y])", "comma must follow"),
        ("a)b", "balanced"),
        ("", "must name"),
        ("  ", "must name"),
        (float("nan"), "must be text"),
        (None, "must be text"),
        ("x" * 1_000_001, "characters long"),
    ],
)
def test_what_is_no_meaning_representation(text: str, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        read_meaning_representation(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "a" * 100_000 + "(", " " * 100_000 + "x", "a[" * 50_000, "(," * 50_000,
                                  "a, " * 100_000 + "b", "f(" + " " * 100_000 + "[]" * 100_000 + ")"])  # fmt: skip
def test_hostile_texts_take_linear_time(text: str) -> None:
    with contextlib.suppress(StructureError):
        read_meaning_representation(text)


def test_list_values_are_split_when_asked() -> None:
    table = read_meaning_representation(
        "inform(genres[shooter, puzzle (hard, long)], exp_release_date[May 3, 2019], rating, platforms[], x[a,b])"
    )
    genres, date, rating, platforms, other = table.data
    assert genres.value == "shooter, puzzle (hard, long)"
    assert values_of(table, genres) == ("shooter", "puzzle (hard, long)")
    assert values_of(table, date) == ("May 3, 2019",)
    assert values_of(table, rating) == values_of(table, platforms) == ()
    assert values_of(table, other) == ("a,b",)
    assert values_of(table, other, {"x"}) == ("a", "b")


def test_what_cannot_be_written() -> None:
    def table(name: str, value: str | None, act: str | None = None) -> Table:
        cells = (Cell(0, 0, name, column_header=True), Cell(1, 0, value))
        titles = () if act is None else (Title("dialogue_act", act),)
        return Table("meaning_representation", titles, cells, 2, 1)

    assert to_meaning_representation(table("a (b)", "c")) == "a (b)[c]"
    for broken in (
        table("a", "x]"),
        table("a, b", "x"),
        table(" a", "x"),
        table("", None),
        table("f(x)", None),
        table("a", "x", "f,"),
        table("a", "x", ""),
    ):
        with pytest.raises(StructureError, match="Names must"):
            to_meaning_representation(broken)
    with pytest.raises(StructureError, match="kind"):
        to_meaning_representation(Table())


def test_files_with_several_texts_each(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(
        '\ufeffref,mr\r\none,"f(a[1, 2])"\r\ntwo,g()\r\nthree,"f(a[1, 2])"\r\nfour,f(a[\r\n', encoding="utf-8"
    )
    skipped: list[StructureError] = []
    first, second = read_meaning_representation_file(path, skip=skipped.append)
    assert (first.id, first.references, first.category, first.size) == ("0", ("one", "three"), "f", 1)
    assert (second.id, second.references, second.category, second.size) == ("1", ("two",), "g", 0)
    assert len(skipped) == 1
    rows = list(read_meaning_representation_file(path, grouped=False, skip=skipped.append))
    assert [(entry.id, entry.references) for entry in rows] == [
        ("0", ("one",)),
        ("1", ("two",)),
        ("2", ("three",)),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("mr,text\na,b\n", "must name"),
        ("mr,ref,mr\na,b,c\n", "once each"),
        ("mr,ref\na[1],b,c\n", "2 fields"),
        ("", "must name"),
    ],
)
def test_broken_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StructureError, match=message):
        list(read_meaning_representation_file(path))
