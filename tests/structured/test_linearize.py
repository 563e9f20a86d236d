"""Every style on every kind of table, against texts written out; escaping; tags; no value lost."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import StructureError
from mtft.structured import Cell, Table, Title
from mtft.structured.linearize import LINEARIZERS, Linearized, linearize, tags
from mtft.structured.linearizers.markup import escaped, separated, unescaped, unseparated
from mtft.structured.linearizers.view import MAX_MENTIONS
from tests.structured.tables import KINDS, grid, grids, highlighted, scores

# fmt: off
GOLDEN = {
    # --- unified
    ("unified", "scores"): (
        "<caption> Scores <cell> 1 <header> A <header> P <cell> 2 <header> A <header> R <cell> 3 "
        "<header> B <header> P <cell> 4 <header> B <header> R <cell> A <header> Model <cell> B "
        "<header> Model"
    ),
    ("unified", "nameless"): (
        "<title> Cup <group> <cell> Ana <header> player <cell> Blues <header> team <group> <cell> Kim "
        "<header> player <cell> Reds <header> team"
    ),
    ("unified", "highlighted"): (
        "<page_title> Zed <section_title> Films <section_text> Long ago. <cell> lead <header> 1999 "
        "<header> Kind <header> Role <cell> Bo <header> 1999 <header> Name <header> Role"
    ),
    ("unified", "facts"): (
        "<title> People <cell> Rome <header> Ada_L <header> birthPlace <cell> Bob <header> Ada_L "
        "<header> knows <cell> Cy <header> Ada_L <header> knows <cell> Cy <header> Bob <header> knows"
    ),
    ("unified", "request"): (
        "<dialogue_act> inform <cell> <header> area <cell> pub <header> eatType <cell> <no_value> "
        "<header> kids <cell> Zed <header> name"
    ),
    # --- totto
    ("totto", "scores"): (
        "<caption> Scores </caption> <table> <cell> 1 <col_header> P </col_header> <row_header> A "
        "</row_header> </cell> <cell> 2 <col_header> R </col_header> <row_header> A </row_header> "
        "</cell> <cell> 3 <col_header> P </col_header> <row_header> B </row_header> </cell> <cell> 4 "
        "<col_header> R </col_header> <row_header> B </row_header> </cell> <cell> A <col_header> "
        "Model </col_header> </cell> <cell> B <col_header> Model </col_header> </cell> </table>"
    ),
    ("totto", "nameless"): (
        "<title> Cup </title> <table> <cell> Kim <col_header> player </col_header> </cell> <cell> "
        "Reds <col_header> team </col_header> </cell> <cell> Ana <col_header> player </col_header> "
        "</cell> <cell> Blues <col_header> team </col_header> </cell> </table>"
    ),
    ("totto", "highlighted"): (
        "<page_title> Zed </page_title> <section_title> Films </section_title> <table> <cell> Bo "
        "<col_header> Role </col_header> <col_header> Name </col_header> <row_header> 1999 "
        "</row_header> </cell> <cell> lead <col_header> Role </col_header> <col_header> Kind "
        "</col_header> <row_header> 1999 </row_header> </cell> </table>"
    ),
    ("totto", "facts"): (
        "<title> People </title> <table> <cell> Rome <col_header> birthPlace </col_header> "
        "<row_header> Ada_L </row_header> </cell> <cell> Bob <col_header> knows </col_header> "
        "<row_header> Ada_L </row_header> </cell> <cell> Cy <col_header> knows </col_header> "
        "<row_header> Ada_L </row_header> </cell> <cell> Cy <col_header> knows </col_header> "
        "<row_header> Bob </row_header> </cell> </table>"
    ),
    ("totto", "request"): (
        "<dialogue_act> inform </dialogue_act> <table> <cell> Zed <col_header> name </col_header> "
        "</cell> <cell> pub <col_header> eatType </col_header> </cell> <cell> <no_value> <col_header> "
        "kids </col_header> </cell> <cell> <col_header> area </col_header> </cell> </table>"
    ),
    # --- totto_full
    ("totto_full", "scores"): (
        "<caption> Scores </caption> <table> <row> <cell> Model </cell> <cell> P </cell> <cell> R "
        "</cell> </row> <row> <cell> A <col_header> Model </col_header> </cell> <cell> 1 <col_header> "
        "P </col_header> <row_header> A </row_header> </cell> <cell> 2 <col_header> R </col_header> "
        "<row_header> A </row_header> </cell> </row> <row> <cell> B <col_header> Model </col_header> "
        "</cell> <cell> 3 <col_header> P </col_header> <row_header> B </row_header> </cell> <cell> 4 "
        "<col_header> R </col_header> <row_header> B </row_header> </cell> </row> </table>"
    ),
    ("totto_full", "nameless"): (
        "<title> Cup </title> <table> <row> <cell> player </cell> <cell> team </cell> </row> <row> "
        "<cell> Kim <col_header> player </col_header> </cell> <cell> Reds <col_header> team "
        "</col_header> </cell> </row> <row> <cell> Ana <col_header> player </col_header> </cell> "
        "<cell> Blues <col_header> team </col_header> </cell> </row> </table>"
    ),
    ("totto_full", "highlighted"): (
        "<page_title> Zed </page_title> <section_title> Films </section_title> <table> <row> <cell> "
        "Year </cell> <cell> Role </cell> </row> <row> <cell> Name <col_header> Role </col_header> "
        "</cell> <cell> Kind <col_header> Role </col_header> </cell> </row> <row> <cell> 1999 "
        "<col_header> Year </col_header> </cell> <highlighted_cell> Bo <col_header> Role "
        "</col_header> <col_header> Name </col_header> <row_header> 1999 </row_header> "
        "</highlighted_cell> <highlighted_cell> lead <col_header> Role </col_header> <col_header> "
        "Kind </col_header> <row_header> 1999 </row_header> </highlighted_cell> </row> <row> <cell> "
        "Al <col_header> Role </col_header> <col_header> Name </col_header> <row_header> 1999 "
        "</row_header> </cell> <cell> minor <col_header> Role </col_header> <col_header> Kind "
        "</col_header> <row_header> 1999 </row_header> </cell> </row> </table>"
    ),
    ("totto_full", "facts"): (
        "<title> People </title> <table> <row> <cell> birthPlace </cell> <cell> knows </cell> <cell> "
        "knows </cell> </row> <row> <cell> Ada_L </cell> <cell> Rome <col_header> birthPlace "
        "</col_header> <row_header> Ada_L </row_header> </cell> <cell> Bob <col_header> knows "
        "</col_header> <row_header> Ada_L </row_header> </cell> <cell> Cy <col_header> knows "
        "</col_header> <row_header> Ada_L </row_header> </cell> </row> <row> <cell> Bob </cell> "
        "<cell> Cy <col_header> knows </col_header> <row_header> Bob </row_header> </cell> </row> "
        "</table>"
    ),
    ("totto_full", "request"): (
        "<dialogue_act> inform </dialogue_act> <table> <row> <cell> name </cell> <cell> eatType "
        "</cell> <cell> kids </cell> <cell> area </cell> </row> <row> <cell> Zed <col_header> name "
        "</col_header> </cell> <cell> pub <col_header> eatType </col_header> </cell> <cell> "
        "<no_value> <col_header> kids </col_header> </cell> <cell> <col_header> area </col_header> "
        "</cell> </row> </table>"
    ),
    # --- triples
    ("triples", "scores"): (
        "<H> [TABLECONTEXT] <R> [CAPTION] <T> Scores <H> A <R> P <T> 1 <H> A <R> R <T> 2 <H> B <R> P "
        "<T> 3 <H> B <R> R <T> 4 <R> Model <T> A <R> Model <T> B"
    ),
    ("triples", "nameless"): (
        "<H> [TABLECONTEXT] <R> [TITLE] <T> Cup <H> [ROW_1] <R> player <T> Kim <H> [ROW_1] <R> team "
        "<T> Reds <H> [ROW_2] <R> player <T> Ana <H> [ROW_2] <R> team <T> Blues"
    ),
    ("triples", "highlighted"): (
        "<H> [TABLECONTEXT] <R> [PAGE_TITLE] <T> Zed <H> [TABLECONTEXT] <R> [SECTION_TITLE] <T> Films "
        "<H> [TABLECONTEXT] <R> [SECTION_TEXT] <T> Long ago. <H> 1999 <R> Role <R> Name <T> Bo <H> "
        "1999 <R> Role <R> Kind <T> lead"
    ),
    ("triples", "facts"): (
        "<H> [TABLECONTEXT] <R> [TITLE] <T> People <H> Ada_L <R> birthPlace <T> Rome <H> Ada_L <R> "
        "knows <T> Bob <H> Ada_L <R> knows <T> Cy <H> Bob <R> knows <T> Cy"
    ),
    ("triples", "request"): (
        "<H> [TABLECONTEXT] <R> [DIALOGUE_ACT] <T> inform <R> name <T> Zed <R> eatType <T> pub <R> "
        "kids <R> area <T>"
    ),
    # --- key_value
    ("key_value", "scores"): (
        "caption : Scores | A / P : 1 | A / R : 2 | B / P : 3 | B / R : 4 | Model : A | Model : B"
    ),
    ("key_value", "nameless"): (
        "title : Cup | row 1 / player : Kim | row 1 / team : Reds | row 2 / player : Ana | row 2 / "
        "team : Blues"
    ),
    ("key_value", "highlighted"): (
        "page_title : Zed | section_title : Films | section_text : Long ago. | 1999 / Role / Name : "
        "Bo | 1999 / Role / Kind : lead"
    ),
    ("key_value", "facts"): (
        "title : People | Ada_L / birthPlace : Rome | Ada_L / knows : Bob | Ada_L / knows : Cy | Bob "
        "/ knows : Cy"
    ),
    ("key_value", "request"): (
        "dialogue_act : inform | name : Zed | eatType : pub | kids | area :"
    ),
    # --- row_wise
    ("row_wise", "scores"): (
        "caption : Scores col : Model | P | R row 1 : A | 1 | 2 row 2 : B | 3 | 4"
    ),
    ("row_wise", "nameless"): (
        "title : Cup col : player | team row 1 : Kim | Reds row 2 : Ana | Blues"
    ),
    ("row_wise", "highlighted"): (
        "page_title : Zed section_title : Films section_text : Long ago. col : Year | Role | Role col "
        ": Year | Name | Kind row 1 : 1999 | <highlighted> Bo | <highlighted> lead row 2 : 1999 | Al "
        "| minor"
    ),
    ("row_wise", "facts"): (
        "title : People col :  | birthPlace | knows | knows row 1 : Ada_L | Rome | Bob | Cy row 2 : "
        "Bob |  | Cy"
    ),
    ("row_wise", "request"): (
        "dialogue_act : inform col : name | eatType | kids | area row 1 : Zed | pub | <no_value> | "
    ),
    # --- natural
    ("natural", "scores"): (
        "The table shows Scores. The P of A is 1. The R of A is 2. The P of B is 3. The R of B is 4. "
        "The Model is A. The Model is B."
    ),
    ("natural", "nameless"): (
        "The title is Cup. The player of row 1 is Kim. The team of row 1 is Reds. The player of row 2 "
        "is Ana. The team of row 2 is Blues."
    ),
    ("natural", "highlighted"): (
        "This is about Zed. The section is Films. Long ago. The Role, Name of 1999 is Bo. The Role, "
        "Kind of 1999 is lead."
    ),
    ("natural", "facts"): (
        "The title is People. The birth place of Ada L is Rome. The knows of Ada L is Bob. The knows "
        "of Ada L is Cy. The knows of Bob is Cy."
    ),
    ("natural", "request"): (
        "The dialogue act is inform. The name is Zed. The eat type is pub. The kids is open. The area "
        "is empty."
    ),
}
# fmt: on
TAG = re.compile(r"</?\w+>")


@pytest.mark.parametrize(("style", "kind"), GOLDEN, ids="-".join)
def test_each_style_tells_each_kind_of_table(style: str, kind: str) -> None:
    assert linearize(KINDS[kind](), style).text == GOLDEN[style, kind]


def test_the_texts_cover_all_styles_and_kinds() -> None:
    assert set(GOLDEN) == {(style, kind) for style in LINEARIZERS for kind in KINDS}


@pytest.mark.parametrize("style", LINEARIZERS)
def test_what_is_not_told_by_design_is_counted(style: str) -> None:
    others = {"cell": 2, "header": 1}
    expected = {
        "totto": {**others, "section_text": 1},
        "totto_full": {"section_text": 1},
        "row_wise": {},
    }.get(style, others)
    assert linearize(highlighted(), style).omitted == Counter(expected)
    assert linearize(scores(), style) == Linearized(GOLDEN[style, "scores"])


@settings(max_examples=200, deadline=None)
@given(grids(values=["v1", "v2", "v3", ""], marks=False))
def test_no_value_is_lost(drawn: tuple[Table, int, int]) -> None:
    """Each value stands in the text at least as often as in the table; of equal headers, one is enough."""
    table = drawn[0]
    for style in LINEARIZERS:
        text = linearize(table, style).text
        values = Counter(cell.text for cell in table.data if cell.text)
        for value, count in values.items():
            assert len(re.findall(rf"\b{value}\b", text)) == count, style
        for cell in table.cells:
            assert cell.text in text


@pytest.mark.parametrize("style", LINEARIZERS)
@pytest.mark.parametrize("kind", KINDS)
def test_tags_are_complete_and_balanced(style: str, kind: str) -> None:
    titles = tuple(Title(role, "x") for role in ("title", "caption", "dialogue_act", "venue", "section_text"))
    table = KINDS[kind]()
    table = Table(
        kind=table.kind, titles=titles, cells=table.cells, n_rows=table.n_rows, n_columns=table.n_columns
    )
    found = Counter(TAG.findall(linearize(table, style).text))
    assert set(found) <= set(tags(style))
    for tag in found:
        if tag.startswith("</"):
            assert found[tag] == found[tag.replace("/", "")]


def test_tags_of_several_styles_come_once() -> None:
    assert len(set(tags())) == len(tags())
    assert set(tags("unified", "totto")) == {*tags("unified"), *tags("totto")}
    assert tags("natural") == tags("key_value") == ()


FORGERIES = [
    "<cell>",
    "a <cell> b",
    "<\\cell>",
    "</table>",
    "<H> x <R> y",
    "<T>",
    "\\<cell>",
    "<\\\\row>",
    "<br>",
    "a < b",
]


@given(st.one_of(st.sampled_from(FORGERIES), st.text(), st.text(alphabet="<>/\\cel |:H")))
def test_escaping_is_undone(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert unseparated(separated(text)) == text


@given(st.text(alphabet="<>/\\cel |:H"))
def test_escaped_text_holds_no_tag_and_no_separator(text: str) -> None:
    assert not set(TAG.findall(escaped(text))) & set(tags())
    assert not {"|", ":", "/"} & set(separated(text).split())


def test_text_that_looks_like_nothing_of_ours_stays_as_it_is() -> None:
    for text in ("a < b > c", "<br>", "10:30", "km/h", "x|y", "C:\\path", "<Cell>"):
        assert escaped(text) == separated(text) == text


@pytest.mark.parametrize("style", sorted(set(LINEARIZERS) - {"natural"}))
@pytest.mark.parametrize("value", [*FORGERIES, "a | b : c", "x row 2 : y", ": | :", "a / b"])
def test_data_forges_no_structure(style: str, value: str) -> None:
    """A value that looks like structure leaves as many tags and separators as one that does not."""
    texts = [
        linearize(grid([["p", v], [v, "y"]], 1, 1, titles=(Title("caption", v),)), style).text
        for v in ("plain", value)
    ]
    marks = [Counter(w for w in text.split() if w in {"|", ":", "/", *tags()}) for text in texts]
    if style != "key_value" and style != "row_wise":
        marks = [Counter({tag: n for tag, n in found.items() if tag in tags()}) for found in marks]
    assert marks[0] == marks[1]


def test_an_unknown_style_names_the_nearest() -> None:
    with pytest.raises(StructureError, match=r"unifid.*unified"):
        linearize(scores(), "unifid")


def test_an_empty_table_is_an_empty_text_or_a_frame() -> None:
    texts = {style: linearize(Table(), style).text for style in LINEARIZERS}
    assert texts.pop("totto") == texts.pop("totto_full") == "<table> </table>"
    assert set(texts.values()) == {""}


def test_headers_upon_headers_are_refused_rather_than_told_by_the_million() -> None:
    size = 1 + int((2 * MAX_MENTIONS) ** 0.5)
    cells = tuple(Cell(row, 0, "h", column_header=True, highlighted=True) for row in range(size))
    table = Table(cells=cells, n_rows=size, n_columns=1, accumulated=True)
    with pytest.raises(StructureError, match="headers together"):
        linearize(table, "unified")


@pytest.mark.parametrize("style", LINEARIZERS)
def test_ten_thousand_cells(style: str) -> None:
    rows = [[f"{r} {c}" for c in range(100)] for r in range(100)]
    assert linearize(grid(rows), style).text.count("99 99") == 1
