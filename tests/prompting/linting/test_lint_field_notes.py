"""Every defect that was counted in public collections, seeded, and the rule that finds it.

The counts are those of the project's notes on promptsource, its forks and the machine-translated prompts.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from mtft.prompting import Finding, Template
from mtft.prompting.linting import FactRow, Facts, Severity, lint
from mtft.prompting.linting.copies import copies_between
from mtft.prompting.linting.files import lint_files
from tests.prompting.linting.seeds import found, free, template
from tests.prompting.linting.test_lint_translations import ARABIC, SOURCE, SPANISH, TELUGU


class Defect(NamedTuple):
    """A counted defect.

    Attributes:
        what: The note.
        rule: What finds it.
        templates: Ones that have it.
        facts: What is known of the dataset.
        severity: Of the finding.
    """

    what: str
    rule: str
    templates: tuple[Template, ...]
    facts: Facts = Facts(hidden_labels=False)
    severity: Severity = "error"


ROW = FactRow("r", {"question": "q", "label": 0})
MACHINE = {"languages": (), "metrics": (), "original_task": None, "choices_in_prompt": None}
DEFECTS = [
    # templates in use
    Defect(
        "languages None: 9,847 of 12,162",
        "language",
        (free("{{ a }} ||| b", languages=()),),
        severity="warning",
    ),
    Defect(
        "454 index `answer_choices[label]` without a guard",
        "label-guard",
        (template(),),
        Facts(hidden_labels=True),
        severity="warning",
    ),
    Defect(
        "137 define choices they never use",
        "choices-unused",
        (template(jinja="{{ question }} yes no ||| {{ a }}"),),
        severity="warning",
    ),
    Defect(
        "11 say `choices_in_prompt: true` with no choices",
        "choices-in-prompt",
        (free("{{ a }} ||| b", choices_in_prompt=True),),
    ),
    Defect("33 duplicate ids", "duplicate-id", (template("a", id=SOURCE.id), SOURCE)),
    Defect(
        "2 files with duplicate names",
        "duplicate-name",
        (template("a", where="f:1"), template("a", id="x", where="f:9")),
    ),
    Defect(
        "one text copied 67 times",
        "duplicate-text",
        (template("a", where="f:1"), template("b", where="f:9")),
        severity="warning",
    ),
    Defect(
        "pipes in an expression",
        "separator-in-code",
        (free("{{ ['a ||| b', 'c ||| d'] | choice }}"),),
        severity="warning",
    ),
    # what the interface lets pass
    Defect(
        "metrics outside the vocabulary: Pearson correlation, Mean Squared Error",
        "metric",
        (template(metrics=("Mean Squared Error",)),),
        severity="warning",
    ),
    Defect('a literal written `{{"text"}}`', "literal", (free('{{ a }} ||| {{"yes"}}'),), severity="note"),
    Defect("a missing separator", "separator", (free("{{ a }} b"),)),
    Defect(
        "an empty target",
        "target-may-lack",
        (free("{{ a }} ||| {% if b %}{{ b }}{% endif %}"),),
        severity="warning",
    ),
    Defect(
        "a missing field is empty text: `{{qestion}}`",
        "unknown-column",
        (free("{{ qestion }} ||| b"),),
        Facts(columns=["question"]),
    ),
    Defect(
        "None is printed as text",
        "row-fails",
        (free("{{ question }} ||| b"),),
        Facts(rows=[FactRow("r", {"question": None})]),
    ),
    Defect(
        "label -1 is silently the last choice",
        "rows-skipped",
        (template(),),
        Facts(rows=[FactRow("r", {"question": "q", "label": -1})]),
        severity="warning",
    ),
    Defect(
        "a label out of range is an empty target",
        "row-fails",
        (template(),),
        Facts(rows=[FactRow("r", {"question": "q", "label": 7})], hidden_labels=False),
    ),
    Defect(
        "a target that is none of its choices",
        "target-not-in-choices",
        (template(jinja="{{ question }} yes no ||| {{ answer_choices[label] }}..."),),
        Facts(rows=[ROW]),
    ),
    Defect(
        "a code that reaches Python's classes", "compiles", (free("{% import 'os' as os %}{{ a }} ||| b"),)
    ),
    Defect(
        "blank rate",
        "blank-rate",
        (free("{% if label %}{{ question }} ||| a{% endif %}"),),
        Facts(rows=[ROW]),
    ),
    # machine translation
    Defect(
        "code put back by position: premise and hypothesis swapped",
        "swapped-placeholders",
        (
            SOURCE,
            template("b", SOURCE.jinja.replace("Does it follow", "So"), SOURCE.answer_choices),
            template("b_es", SPANISH.replace("deduce", "sigue"), "Sí ||| Tal vez ||| No", languages=("es",)),
            template(
                "infer_es",
                SPANISH.replace("Premisa", "@").replace("Hipótesis", "Premisa").replace("@", "Hipótesis"),
                "Sí ||| Tal vez ||| No",
                languages=("es",),
            ),
        ),
    ),
    Defect(
        "533 have `answer_choices: ''`",
        "choices-blank",
        (template(jinja="{{ a }} ||| b", choices="", choices_in_prompt=False),),
    ),
    Defect(
        "22 say `number` for No: Arabic, 12",
        "choice-sense",
        (SOURCE, template("infer_armt", ARABIC, "نعم ||| ربما ||| رقم", **MACHINE)),
    ),
    Defect(
        "22 say `number` for No: Telugu, 10",
        "choice-sense",
        (SOURCE, template("infer_temt", TELUGU, "అవును ||| బహుశా ||| నం", **MACHINE)),
    ),
    Defect(
        "22 say `number` for No: Telugu, 10",
        "choice-sense",
        (SOURCE, template("infer_temt", TELUGU, "అవును ||| బహుశా ||| సంఖ్య", **MACHINE)),
    ),
    Defect("147 show a backslash and an n", "backslash-n", (free("{{ a }}\\n\\nSay. ||| b"),)),
    Defect(
        "`if annotations`, translated, before the tag in the target",
        "translation-extra-text",
        (
            free("{{ a }} ||| {% if b %}{{ b }}{% else %}{{ c }}{% endif %}", name="t"),
            free(
                "{{ a }} ||| ఉల్లేఖనాలు ఉంటే {% if b %}{{ b }}{% else %}{{ c }}{% endif %}",
                name="t_temt",
                **MACHINE,
            ),
        ),
    ),
    Defect(
        "18 untranslated strings in code",
        "untranslated",
        (
            free('{{ a }} Is it so? ||| {{"Yes"}}', name="t"),
            free('{{ a }} هل هو كذلك؟ ||| {{"Yes"}}', name="t_armt", **MACHINE),
        ),
    ),
    Defect(
        "71 of 173 show none of their choices, whose source shows all",
        "translation-choices-in-prompt",
        (SOURCE, template("infer_armt", ARABIC, "صحيح ||| محتمل ||| خطأ", **MACHINE)),
    ),
    Defect(
        "metadata null for all 840",
        "choices-unsaid",
        (template("infer_ar", ARABIC, **MACHINE),),
        severity="warning",
    ),
    Defect(
        "metadata null for all 840", "metric", (template("infer_ar", ARABIC, **MACHINE),), severity="warning"
    ),
    Defect(
        "metadata null for all 840",
        "original-task",
        (template("infer_ar", ARABIC, **MACHINE),),
        severity="warning",
    ),
    Defect(
        "30 human translations say `en`",
        "script",
        (SOURCE, template("infer_arht", ARABIC, "نعم ||| ربما ||| لا")),
    ),
    Defect(
        "30 human translations say `en`",
        "language",
        (SOURCE, template("infer_esht", SPANISH, "Sí ||| Tal vez ||| No")),
        severity="warning",
    ),
    Defect(
        "stray escapes of translation services",
        "html-entity",
        (free("{{ a }} &#39;b&#39; ||| c"),),
        severity="warning",
    ),
]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: d.what)
def test_a_counted_defect_is_found(defect: Defect) -> None:
    findings = lint(defect.templates, facts=defect.facts, notes=True)
    of_rule = [finding for finding in findings if finding.rule == defect.rule]
    assert of_rule, findings
    assert defect.severity in {finding.severity for finding in of_rule} or defect.rule == "blank-rate"


def test_the_table_and_the_guide_name_every_rule() -> None:
    from mtft.prompting.linting import RULES

    guide = (Path(__file__).parents[3] / "docs" / "linting.md").read_text(encoding="utf-8")
    assert [name for name in RULES if f"| `{name}` " not in guide] == []


def test_a_text_spread_over_many_datasets_is_found() -> None:
    files = [(f"flores/{n}", [replace(template("a"), id=f"{n}")]) for n in range(12)]
    assert [finding.rule for finding in copies_between(files)] == ["copied-text"]
    assert list(copies_between(files[:10])) == []


def test_ids_are_unique_between_files() -> None:
    files = [("a", [template("a")]), ("b", [template("a", jinja="{{ b }} ||| c")])]
    assert [finding.rule for finding in copies_between(files)] == ["duplicate-id"]


LEGACY = """dataset: d
templates:
  {uuid}: !Template
    answer_choices: null
    id: {uuid}
    jinja: "{{{{ a }}}} ||| b"
    metadata: !TemplateMetadata {{choices_in_prompt: null, languages: [en], metrics: [Other], original_task: true}}
    name: n
    reference: ''
"""


def of_text(folder: Path, text: str) -> list[Finding]:
    path = folder / "templates.yaml"
    path.write_text(text, encoding="utf-8")
    return lint_files([path], lambda _path, _file: Facts()).findings


def test_six_templates_have_a_key_without_meaning(tmp_path: Path) -> None:
    text = LEGACY.format(uuid=SOURCE.id)
    assert of_text(tmp_path, text) == []
    (finding,) = of_text(tmp_path, text + "    task_template: true\n")
    assert (finding.rule, finding.line_number) == ("legacy-key", 10)


def test_files_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    text = LEGACY.format(uuid=SOURCE.id)
    second = text.partition("templates:\n")[2]
    assert [(f.rule, f.line_number) for f in of_text(tmp_path, text + second)] == [("duplicate-id", 10)]
    other = second.replace(SOURCE.id, template("z").id)
    assert [(f.rule, f.line_number) for f in of_text(tmp_path, text + other)] == [("duplicate-name", 15)]
    assert [(f.rule, f.line_number) for f in of_text(tmp_path, text + "    odd: 1\n")] == [
        ("file-format", 10)
    ]
    assert [f.rule for f in of_text(tmp_path, "{")] == ["file-format"]


def test_every_seeded_rule_leaves_the_sound_template_alone() -> None:
    assert found([SOURCE], hidden_labels=False) == []
