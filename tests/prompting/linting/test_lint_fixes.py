"""Places in files, silencing comments, fixes in the file's text, SARIF; no text makes the linter fall over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.prompting import read_templates
from mtft.prompting.linting import RULES, Facts, Finding, Fix
from mtft.prompting.linting.files import Report, lint_files
from mtft.prompting.linting.fixes import fix_file, fix_files
from mtft.prompting.linting.positions import positions, silenced
from mtft.prompting.linting.sarif import sarif
from tests.prompting.linting.seeds import free, linted_text

ONE, TWO = "0b6d8a9e-91a4-4d6b-8a4a-5b8bbdd6a001", "0b6d8a9e-91a4-4d6b-8a4a-5b8bbdd6a002"
FILE = f"""# Ours. ünï
dataset: d   # a dataset
templates:
  {ONE}: !Template
    answer_choices: ''   # none
    id: {ONE}
    jinja: |-
      Premise: {{{{ a }}}}\\nSay {{{{ a.split('\\n')[0] }}}}:

      😀 é\\n\\nEnd. {{b}}
      |||
      {{{{ b }}}}
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages: [ jp ]
      metrics:
      - Pearson correlation # both
      - "spearman correlation"
      original_task: true
    name:   odd
    reference: ''
  # the second
  {TWO}: !Template
    answer_choices: null
    id: {TWO}
    jinja: "{{{{ a }}}}\\\\nEnd. ||| {{{{ b }}}}"
    metadata: !TemplateMetadata {{choices_in_prompt: null, languages: [en], metrics: [Other], original_task: true}}
    name: even
    reference: ''
"""


def write(folder: Path, text: str, newline: str = "\n", bom: str = "") -> Path:
    path = folder / "templates.yaml"
    path.write_bytes((bom + text.replace("\n", newline)).encode())
    return path


def report_on(path: Path) -> Report:
    return lint_files([path], lambda _path, _file: Facts(columns=["a", "b"]))


def findings_of(path: Path) -> list[Finding]:
    return report_on(path).findings


def test_findings_stand_at_the_line_they_are_about(tmp_path: Path) -> None:
    at = {(f.rule, f.line_number) for f in findings_of(write(tmp_path, FILE))}
    assert at == {
        ("backslash-n", 8), ("backslash-n", 10), ("mustache", 10), ("choices-blank", 5),
        ("choices-in-prompt", 14), ("language", 15), ("metric", 17), ("metric", 18), ("backslash-n", 26),
    }  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_fixes_change_their_values_alone(tmp_path: Path, newline: str, bom: str) -> None:
    path = write(tmp_path, FILE.replace("é\\n\\n", "é\\n"), newline, bom)
    path.chmod(0o640)
    (fixed,) = fix_files(findings_of(path))
    assert (fixed.path, fixed.made, fixed.left) == (path, 7, 0)
    expected = (
        FILE.replace("''   # none", "null   # none")
        .replace("choices_in_prompt: true", "choices_in_prompt: false")
        .replace("[ jp ]", "[ ja ]")
        .replace("- Pearson correlation", "- Pearson Correlation")
        .replace('"spearman correlation"', "Spearman Correlation")
        .replace("}}\\nSay", "}}\n      Say")
        .replace("é\\n\\nEnd", "é\n      End")
        .replace('"{{ a }}\\\\nEnd. ||| {{ b }}"', "|-\n      {{ a }}\n      End. ||| {{ b }}")
    )
    assert path.read_bytes() == (bom + expected.replace("\n", newline)).encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
    first, second = read_templates(path).templates
    assert "split('\\n')" in first.jinja
    assert (first.answer_choices, first.metadata.languages) == (None, ("ja",))
    assert second.jinja == "{{ a }}\nEnd. ||| {{ b }}"
    assert {f.rule for f in findings_of(path)} == {"mustache", "script"}
    assert "-    answer_choices: ''" in fixed.diff
    assert "+    answer_choices: null" in fixed.diff


def test_a_second_fix_finds_nothing_to_do(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    fix_files(findings_of(path))
    before = path.read_bytes()
    assert [finding for finding in findings_of(path) if finding.fix] == []
    assert fix_files(findings_of(path)) == []
    assert path.read_bytes() == before


def test_a_value_that_others_share_is_left(tmp_path: Path) -> None:
    text = FILE.replace("answer_choices: ''", "answer_choices: &none ''").replace(
        "answer_choices: null", "answer_choices: *none"
    )
    path = write(tmp_path, text)
    assert read_templates(path).templates[1].answer_choices == ""
    fixed = fix_file(path, {(ONE, ("answer_choices",)): Fix(("answer_choices",), None)})
    assert (fixed.made, fixed.left, fixed.diff) == (0, 1, "")
    assert path.read_text(encoding="utf-8") == text


def test_a_missing_value_is_left(tmp_path: Path) -> None:
    path = write(tmp_path, FILE.replace("    reference: ''\n", ""))
    fixed = fix_file(path, {(ONE, ("reference",)): Fix(("reference",), "y")})
    assert (fixed.made, fixed.left) == (0, 1)


def test_comments_silence_rules(tmp_path: Path) -> None:
    text = FILE.replace("  # the second", "  # lint: ignore backslash-n").replace(
        f"  {ONE}: !Template", f"  # lint: ignore metric, language\n  {ONE}: !Template"
    )
    found = {(f.rule, f.template) for f in findings_of(write(tmp_path, text))}
    assert ("backslash-n", "odd") not in found  # the comment stands within the first template
    assert ("backslash-n", "even") in found
    assert not {"metric", "language"} & {rule for rule, _ in found}
    text = FILE.replace(f"    id: {TWO}", f"    # lint: ignore backslash-n\n    id: {TWO}")
    assert {(f.rule, f.template) for f in findings_of(write(tmp_path, text)) if f.rule == "backslash-n"} == {
        ("backslash-n", "odd")
    }


def test_positions_of_values() -> None:
    at = positions(FILE)
    for path, span in at.values.items():
        raw = FILE[span.start : span.end]
        assert raw.strip("'\"") == span.text or span.style in ("|", '"'), path
    assert at.line_of(("templates", ONE, "metadata", "metrics", 1)) == 18
    assert at.line_of(("templates", ONE, "metadata", "gone")) == 13
    assert at.line_of(("gone",)) is None
    assert silenced(FILE, {ONE: 4}) == {}


def test_sarif_has_the_required_structure(tmp_path: Path) -> None:
    findings = findings_of(write(tmp_path, FILE))
    log = json.loads(json.dumps(sarif(findings, tmp_path.parent, "1.2.3")))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert len(run["results"]) == len(findings)
    for result, finding in zip(run["results"], findings, strict=True):
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == finding.rule
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"] == {"uri": f"{tmp_path.name}/templates.yaml", "uriBaseId": "SRCROOT"}
        assert place["region"]["startLine"] == finding.line_number >= 1


def test_uris_are_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "with space ü"
    folder.mkdir()
    log = sarif(findings_of(write(folder, FILE)), tmp_path, "1")
    uri = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "with%20space%20%C3%BC/templates.yaml"


PIECES = st.sampled_from(
    [
        "{{ a }}",
        "{% if a %}",
        "{% endif %}",
        "{% for x in a %}",
        "{% endfor %}",
        "|||",
        " ||| ",
        "\\n",
        "{a}",
        "}}",
        "{{",
        "{{ answer_choices[label] }}",
        "{{ [1, 2] | choice }}",
        "{% set y = a.b %}",
        "{{ y['c'] }}",
        "Yes:",
        "رقم",
        "\ufdd0",
        "&quot;",
        "{{ 'x' if a }}",
        "{#",
        "#}",
        "{{ 1/0 }}",
        "{% raw %}",
        "{% endraw %}",
        "\n",
        "é",
        "\u202e",
        "{{ a ~ '|||' }}",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(PIECES, max_size=12),
    st.none() | st.lists(PIECES, max_size=4),
    st.sampled_from(["en", "ar", "xx", "es"]),
)
def test_no_template_makes_the_linter_fall_over(
    jinja: list[str], choices: list[str] | None, language: str
) -> None:
    text = None if choices is None else "".join(choices)
    made = free("".join(jinja), languages=(language,), answer_choices=text)
    findings = linted_text([free("{{ a }} is so ||| b", name="odd_source"), made])
    assert all(isinstance(finding.message, str) for finding in findings)
