"""Every prompt that comes with the package is sound."""

from __future__ import annotations

from collections import Counter

import pytest

from mtft.prompting import TemplateCollection, lint
from mtft.resources import builtin_folder

COLLECTION = TemplateCollection.builtin()
KEYS = COLLECTION.keys()
REAL = {
    *("xcopa", "xwinograd", "xquad", "americasnli", "nusax_senti", "nusax_mt", "afrisenti", "sib200"),
    *("masakhaner2", "contextual_product_qa/epqa", "contextual_product_qa/hetpqa"),
    "contextual_product_qa/semipqa",
    *("masakhaner2_tags", "sib200_domain", "ud_pos", "conll2000", "conll2003"),
    *("webnlg", "dart", "e2e_cleaned", "viggo", "scigen", "logicnlg", "totto"),
}


def test_all_files_are_found() -> None:
    found = list(builtin_folder("prompts").rglob("templates.yaml"))
    assert len(found) == len(KEYS) >= 90
    assert {"/".join(filter(None, key)) for key in KEYS} >= REAL


@pytest.mark.parametrize("key", KEYS, ids=lambda key: "/".join(filter(None, key)))
def test_each_file_holds_enough_sound_templates(key: tuple[str, str | None]) -> None:
    templates = COLLECTION.get(*key)
    findings = lint(templates.values())
    assert [str(finding) for finding in findings if finding.severity == "error"] == []
    if "/".join(filter(None, key)) in REAL:
        assert [str(finding) for finding in findings] == []
        assert sum(template.language == "en" for template in templates.values()) >= 4


def test_ids_are_unique_over_all_files() -> None:
    ids = Counter(template.id for key in KEYS for template in COLLECTION.get(*key).values())
    assert max(ids.values()) == 1


def test_three_datasets_have_prompts_in_the_languages_of_their_data() -> None:
    languages = {
        name: Counter(template.language for template in COLLECTION.get(name).values())
        for name in ("xcopa", "sib200", "americasnli")
    }
    assert len(languages["xcopa"]) >= 7
    assert len(languages["sib200"]) >= 13
    assert languages["americasnli"]["es"] >= 2
    assert all(count >= 2 for counts in languages.values() for count in counts.values())


def test_prompts_do_not_all_lean_on_xcopas_defective_column() -> None:
    for language, floor in (("en", 3), ("it", 2), ("id", 2), ("tr", 2), ("th", 2), ("sw", 2)):
        independent = [
            template
            for template in COLLECTION.get("xcopa").values()
            if template.language == language and "question" not in template.fields()
        ]
        assert len(independent) >= floor
