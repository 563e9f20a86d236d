"""Sheets out and back, as CSV and as XLIFF, and every breach with its row."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mtft.errors import TemplateError
from mtft.prompting import Template, TemplateCollection, TemplateMetadata
from mtft.prompting.translation import (
    SheetRow,
    choice_conflicts,
    filled_rows,
    read_sheet,
    sheet_rows,
    translations_of,
    write_sheet,
)

ENGLISH = TemplateMetadata(True, ("en",), ("Accuracy",), True)
NLI = Template(
    "11111111-1111-4111-8111-111111111111",
    "nli",
    'Given "{{ premise }}", is "{{ hypothesis }}" true? Yes, no, or maybe?\n'
    '=== <b> & "c" ||| {{ answer_choices[label] }}',
    "Yes ||| Maybe ||| No",
    metadata=ENGLISH,
)
PLAIN = Template(
    "22222222-2222-4222-8222-222222222222", "plain", "Say {{ text }} ||| {{ text }}", metadata=ENGLISH
)
BY_ID = {template.id: template for template in (NLI, PLAIN)}
SWAHILI = {
    "input.1": 'Ikiwa "⟦1⟧", je, "⟦2⟧" ni kweli? Ndiyo, hapana, au labda?',
    "input.2": '=== <b> & "c"',
    "choice.1": "Ndiyo",
    "choice.2": "Labda",
    "choice.3": "Hapana",
}
FORMATS = ("csv", "xliff")


def rows(targets: dict[str, str] = SWAHILI) -> list[SheetRow]:
    made = [row for template in (NLI, PLAIN) for row in sheet_rows("zoo/nli", template, "sw")]
    return [replace(row, target=targets.get(row.segment, "") if row.name == "nli" else "") for row in made]


def through(made: Sequence[SheetRow], format_: str, tmp_path: Path) -> list[SheetRow]:
    path = tmp_path / f"sheet.{format_}"
    path.write_text(write_sheet(made, format_), encoding="utf-8", newline="")
    return read_sheet(path)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_sheet_comes_back_as_it_was(format_: str, tmp_path: Path) -> None:
    back = through(rows(), format_, tmp_path)
    for before, after in zip(rows(), back, strict=True):
        for name in ("dataset", "template", "segment", "key", "language", "source", "target", "version"):
            assert getattr(before, name) == getattr(after, name)
    found = translations_of(back, BY_ID, Path("s"), origin="by hand")
    (translation,) = found.translations
    assert found.empty == ["plain"]
    assert translation.template.answer_choices == "Ndiyo ||| Labda ||| Hapana"
    assert translation.origin == "by hand"
    made = translation.template.render({"premise": "a", "hypothesis": "b", "label": 1})
    assert made is not None
    assert made.inputs == 'Ikiwa "a", je, "b" ni kweli? Ndiyo, hapana, au labda?\n=== <b> & "c"'
    assert made.targets == ("Labda",)


def test_choices_stand_together_under_one_key() -> None:
    choices = [row for row in rows() if row.segment.startswith("choice")]
    assert len({row.key for row in choices}) == 1
    assert "Yes | Maybe | No" in choices[0].context
    numbers = [at for at, row in enumerate(rows()) if row.key]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input.1": SWAHILI["input.1"].replace("⟦2⟧", "")}, "row 2: Lost: ⟦2⟧"),
        ({"input.1": SWAHILI["input.1"].replace("⟦2⟧", "⟦1⟧")}, "row 2: The tag ⟦1⟧ stands there 2 times"),
        ({"input.1": SWAHILI["input.1"] + "⟦9⟧"}, "row 2: The tag ⟦9⟧ is not of this segment"),
        ({"choice.2": ""}, "row 5: The translation is empty"),
        ({"choice.3": " ndiyo "}, "row 6: the choice ' ndiyo ' is that of row 4 too"),
    ],
)
def test_breaches_name_their_row(changed: dict[str, str], message: str, tmp_path: Path) -> None:
    back = through(rows({**SWAHILI, **changed}), "csv", tmp_path)
    with pytest.raises(TemplateError) as caught:
        translations_of(back, BY_ID, tmp_path / "sheet.csv", origin="")
    assert message in str(caught.value)
    assert "sheet.csv" in str(caught.value)


def test_missing_doubled_and_foreign_rows_are_refused() -> None:
    whole = [replace(row, row=at) for at, row in enumerate(rows(), 2)]
    for broken, message in (
        ([row for row in whole if row.segment != "choice.2"], "misses the rows of choice.2"),
        ([*whole, replace(whole[3], row=9)], "row 9: `choice.2` stands in row 5 already"),
        ([*whole, replace(whole[0], segment="input.7", row=9)], "has no segment `input.7`"),
        ([*whole, replace(whole[0], template="x", row=9)], "row 9: the template 'x' is not of this dataset"),
        ([replace(row, version="0") for row in whole], "changed after the export"),
        ([replace(row, language="en") for row in whole], "is in `en` already"),
        ([replace(row, language="=1+1") for row in whole], "row 2: '=1+1' is no code of a language"),
    ):
        with pytest.raises(TemplateError) as caught:
            translations_of(broken, BY_ID, Path("s"), origin="")
        assert message in str(caught.value)


def test_unfinished_templates_are_passed_over_only_when_asked() -> None:
    half = rows({"input.1": SWAHILI["input.1"]})
    found = translations_of(half, BY_ID, Path("s"), origin="", partial=True)
    assert (found.translations, found.unfinished, found.empty) == ([], ["nli"], ["plain"])
    with pytest.raises(TemplateError, match="empty"):
        translations_of(half, BY_ID, Path("s"), origin="")


def test_rows_may_be_sorted_and_semicolons_used(tmp_path: Path) -> None:
    text = write_sheet(rows(), "csv").removeprefix("\ufeff")
    table = list(csv.reader(io.StringIO(text)))
    out = io.StringIO()
    csv.writer(out, delimiter=";", lineterminator="\r\n").writerows([table[0], *reversed(table[1:])])
    path = tmp_path / "s.csv"
    path.write_text(out.getvalue(), encoding="utf-8-sig", newline="")
    found = translations_of(read_sheet(path), BY_ID, path, origin="")
    assert [made.template.name for made in found.translations] == ["nli_sw"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"x,y\n1,2\n", "columns"),
        ("a.csv", b"", "columns"),
        ("a.csv", "dataset,é".encode("latin-1"), "UTF-8"),
        ("a.csv", b'dataset,template,segment,language,target,version\n"a', "readable CSV"),
        ("a.xliff", b"<a>", "readable XML"),
        ("a.xliff", b"<a/>", "XLIFF 1.2"),
        ("a.xliff", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ("a.xliff", b"\0", "readable XML"),
    ],
)
def test_what_is_no_sheet_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TemplateError, match=message):
        read_sheet(path)


def test_xliff_units_hold_tags_alone(tmp_path: Path) -> None:
    text = write_sheet(rows(), "xliff")
    assert '<x id="1" />' in text
    assert "⟦" not in text.replace("⟦1⟧ is", "").replace("⟦2⟧ is", "").replace("⟦3⟧ is", "")
    path = tmp_path / "a.xliff"
    path.write_text(text.replace('<x id="1" />', "<b/>"), encoding="utf-8")
    with pytest.raises(TemplateError, match="<b>"):
        read_sheet(path)
    with pytest.raises(TemplateError, match="characters of XML"):
        write_sheet([replace(rows()[0], source="\x01")], "xliff")


def test_one_set_of_choices_in_two_ways_is_told() -> None:
    first = [replace(row, target=SWAHILI.get(row.segment, "")) for row in sheet_rows("d", NLI, "sw")]
    second = [replace(row, target="La", row=9) if row.segment == "choice.3" else row for row in first]
    assert choice_conflicts(first) == []
    (message,) = choice_conflicts([*first, *second])
    assert "'Hapana'" in message
    assert "'La' (row 9)" in message


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", ["xcopa", "xwinograd", "sib200", "nusax_mt"])
def test_built_in_templates_survive_a_sheet(name: str, format_: str, tmp_path: Path) -> None:
    english = [t for t in TemplateCollection.builtin().get(name).values() if t.language == "en"]
    templates = [t for t in english if sheet_rows(name, t, "mi")]
    made = [replace(row, target=row.source) for t in templates for row in sheet_rows(name, t, "mi")]
    back = through(made, format_, tmp_path)
    found = translations_of(back, {t.id: t for t in templates}, tmp_path, origin="")
    assert [t.template.jinja for t in found.translations] == [t.jinja for t in templates]
    assert [t.template.answer_choices for t in found.translations] == [t.answer_choices for t in templates]


def upper(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


def loses_tags(texts: Sequence[str]) -> list[str]:
    return [text.replace("⟦", "").replace("⟧", "").upper() for text in texts]


def always_x(texts: Sequence[str]) -> list[str]:
    return ["x"] * len(texts)


def test_a_machine_keeps_tags_or_is_asked_for_the_words_between_them() -> None:
    whole, empty = filled_rows("d", NLI, "sw", upper, "machine")
    assert empty == []
    assert whole[0].target == 'GIVEN "⟦1⟧", IS "⟦2⟧" TRUE? YES, NO, OR MAYBE?'
    between, empty = filled_rows("d", NLI, "sw", loses_tags, "machine")
    assert empty == []
    assert between[0].target == whole[0].target
    assert {row.origin for row in whole} == {"machine"}


def test_choices_that_come_out_alike_stay_empty_together() -> None:
    made, empty = filled_rows("d", NLI, "sw", always_x, "machine")
    assert empty == ["choice.1", "choice.2", "choice.3"]
    assert made[0].target == 'x "⟦1⟧x⟦2⟧x?' or "⟦1⟧" in made[0].target
