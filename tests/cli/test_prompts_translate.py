"""`mtft prompts translate`: sheets out, translations in, and a local model."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.encoding import train_tokenizer
from mtft.modeling import build_model, save_model
from mtft.prompting import lint, read_templates
from mtft.prompting.translation import read_sheet
from mtft.tasks import load_card

run = CliRunner()
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
CARD = f"""# The card of the zoo.
dataset: zoo
cluster: topic_classification
source: {{kind: local, root: card, path: "rows.jsonl"}}
languages: {{en: en}}
splits: {{train: train}}
labels: ["no", "yes"]
columns: [animal, place, label]
templates:
  {ONE}: {{truncatable: animal}}   # the long one

# What templates are shown on.
sample: {{animal: a hen, place: the yard, label: 1}}
"""
TEMPLATES = f"""# Ours.
dataset: zoo
templates:
  {ONE}: !Template
    answer_choices: "no ||| yes"
    id: {ONE}
    jinja: |-
      We saw {{{{ animal }}}} in {{{{ place }}}}.
      Is this animal a bird?
      |||
      {{{{ answer_choices[label] }}}}
    metadata: !TemplateMetadata
      choices_in_prompt: false
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: bird
    reference: ""
  {TWO}: !Template
    answer_choices: null
    id: {TWO}
    jinja: "Which animal lives here: {{{{ place }}}} ||| {{{{ animal }}}}"
    metadata: !TemplateMetadata
      choices_in_prompt: null
      languages: [en]
      metrics: [Other]
      original_task: false
    name: who
    reference: ""
"""
SWAHILI = {
    "We saw ⟦1⟧ in ⟦2⟧.": "Tulimwona ⟦1⟧ katika ⟦2⟧.",
    "Is this animal a bird?": "Je, mnyama huyu ni ndege?",
    "no": "hapana",
    "yes": "ndiyo",
    "Which animal lives here: ⟦1⟧": "Ni mnyama gani anayeishi hapa: ⟦1⟧",
}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MTFT_DATA_ROOT", raising=False)
    folder = tmp_path / "prompts" / "zoo"
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text(CARD, encoding="utf-8")
    (folder / "templates.yaml").write_text(TEMPLATES, encoding="utf-8")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """So small a model is slower on two threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def said(*arguments: object, code: int = 0) -> str:
    result = run.invoke(app, ["prompts", "translate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def exported(zoo: Path, targets: dict[str, str], *options: str) -> Path:
    """A sheet with some of its rows translated."""
    sheet = zoo.parents[1] / "sheet.csv"
    said("export", "zoo", "--language", "sw", "--output", sheet, "--prompts", zoo.parent, *options)
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"target": targets.get(row["source"], "")} for row in rows)
    return sheet


def test_translations_are_appended_and_their_origin_noted(zoo: Path) -> None:
    sheet = exported(zoo, SWAHILI)
    said("import", sheet, "--prompts", zoo.parent, "--origin", "translated by: a friend")
    text, card = ((zoo / name).read_text(encoding="utf-8") for name in ("templates.yaml", "task.yaml"))
    assert text.startswith(TEMPLATES)
    templates = read_templates(zoo / "templates.yaml").templates
    assert [t.name for t in templates] == ["bird", "who", "bird_sw", "who_sw"]
    bird = templates[2]
    assert bird.reference == f"translation of {ONE}"
    assert bird.metadata.languages == ("sw",)
    made = bird.render({"animal": "a hen", "place": "the yard", "label": 1})
    assert made == (
        "Tulimwona a hen katika the yard.\nJe, mnyama huyu ni ndege?",
        ("ndiyo",),
        ("hapana", "ndiyo"),
    )
    assert not [finding for finding in lint(templates) if finding.severity == "error"]
    extras = load_card(zoo / "task.yaml").templates
    assert extras[bird.id].origin == "translated by: a friend"
    assert extras[bird.id].truncatable == "animal"
    assert extras[templates[3].id].truncatable is None
    assert card.startswith(CARD.split("\n\n")[0])
    assert card.endswith(CARD.split("\n\n")[1])
    assert f"{ONE}: {{truncatable: animal}}   # the long one" in card


def test_a_second_import_is_refused_and_exports_leave_out_what_is_translated(zoo: Path) -> None:
    sheet = exported(zoo, SWAHILI, "--template", "bird")
    said("import", sheet, "--prompts", zoo.parent)
    before = (zoo / "templates.yaml").read_bytes()
    assert "bird_sw" in said("import", sheet, "--prompts", zoo.parent, code=2)
    assert (zoo / "templates.yaml").read_bytes() == before
    rest = zoo.parents[1] / "rest.xliff"
    said("export", "zoo", "--language", "sw", "--output", rest, "--prompts", zoo.parent)
    assert {row.template for row in read_sheet(rest)} == {TWO}
    again = said("export", "zoo", "--language", "sw", "--output", rest, "--prompts", zoo.parent, code=2)
    assert "new file" in again


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"We saw ⟦1⟧ in ⟦2⟧.": "Tulimwona ⟦1⟧."}, "row 2: Lost: ⟦2⟧"),
        ({"yes": "Hapana"}, "row 5: the choice 'Hapana'"),
        ({"yes": ""}, "row 5: The translation is empty"),
        ({"no": "{{ animal }}"}, "row 4: A translation must hold no Jinja code"),
    ],
)
def test_what_breaks_a_rule_changes_no_file(zoo: Path, changed: dict[str, str], message: str) -> None:
    sheet = exported(zoo, {**SWAHILI, **changed})
    assert message in said("import", sheet, "--prompts", zoo.parent, code=2)
    assert (zoo / "templates.yaml").read_text(encoding="utf-8") == TEMPLATES
    assert (zoo / "task.yaml").read_text(encoding="utf-8") == CARD


def test_what_the_linter_refuses_changes_no_file(zoo: Path) -> None:
    wrong = {**SWAHILI, "Is this animal a bird?": "Je, mnyama huyu ni ndege?\\n"}
    assert "linter" in said("import", exported(zoo, wrong), "--prompts", zoo.parent, code=2)
    assert (zoo / "templates.yaml").read_text(encoding="utf-8") == TEMPLATES
    assert sorted(path.name for path in zoo.iterdir()) == ["task.yaml", "templates.yaml"]


def test_unfinished_templates_are_passed_over_on_request(zoo: Path) -> None:
    sheet = exported(zoo, {**SWAHILI, "yes": ""})
    told = said("import", sheet, "--partial", "--prompts", zoo.parent)
    assert "unfinished: bird" in told
    assert [t.name for t in read_templates(zoo / "templates.yaml").templates] == ["bird", "who", "who_sw"]


def test_languages_must_differ_and_be_known(zoo: Path) -> None:
    output = zoo.parents[1] / "x.csv"
    for code, message in (("en", "another language"), ("xx", "ISO 639"), ("swa", "`sw`")):
        told = said("export", "zoo", "--language", code, "--output", output, "--prompts", zoo.parent, code=2)
        assert message in told
    assert not output.exists()


def saved_model(folder: Path, family: str, pairs: dict[str, str] | None = None) -> Path:
    """A tiny model with random weights, or one that learned a few pairs by heart."""
    tokenizer = train_tokenizer([*SWAHILI, *SWAHILI.values()] * 20, 420, family)
    model = build_model(family, "tiny", tokenizer, 0)
    if pairs:
        learn(model, tokenizer, pairs)
    save_model(model, tokenizer, folder)
    return folder


def learn(model: torch.nn.Module, tokenizer: object, pairs: dict[str, str]) -> None:
    inputs = tokenizer(list(pairs), return_tensors="pt", padding=True)  # type: ignore[operator]
    eos, pad = tokenizer.eos_token, tokenizer.pad_token_id  # type: ignore[attr-defined]
    labels = tokenizer([text + eos for text in pairs.values()], return_tensors="pt", padding=True)[
        "input_ids"
    ]  # type: ignore[operator]
    labels = labels.masked_fill(labels == pad, -100)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(250):
        loss = model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=labels
        ).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.01:
            break
    model.eval()


@pytest.mark.usefixtures("one_thread")
def test_a_model_that_knows_no_tags_leaves_segments_empty(zoo: Path, tmp_path: Path) -> None:
    model = saved_model(tmp_path / "random", "mt5")
    sheet = tmp_path / "machine.csv"
    options = ("--language", "sw", "--model", model, "--prompts", zoo.parent)
    told = said("machine", "zoo", *options, "--output", sheet)
    rows = read_sheet(sheet)
    assert len(rows) == 5
    assert {row.origin for row in rows} == {"machine-translated by random, not reviewed"}
    for row in rows:
        assert row.target.count("⟦") in (0, row.source.count("⟦"))
        assert row.target or row.segment in told
    assert (zoo / "templates.yaml").read_text(encoding="utf-8") == TEMPLATES


@pytest.mark.usefixtures("one_thread")
def test_a_model_that_translates_adds_templates(zoo: Path, tmp_path: Path) -> None:
    model = saved_model(tmp_path / "heart", "mt5", SWAHILI)
    told = said("machine", "zoo", "--language", "sw", "--model", model, "--prompts", zoo.parent)
    templates = {t.name: t for t in read_templates(zoo / "templates.yaml").templates}
    assert {"bird_sw", "who_sw"} <= templates.keys(), told
    assert templates["bird_sw"].answer_choices == "hapana ||| ndiyo"
    assert templates["who_sw"].jinja.startswith("Ni mnyama gani anayeishi hapa: {{ place }}")
    extras = load_card(zoo / "task.yaml").templates[templates["bird_sw"].id]
    assert extras.origin == "machine-translated by heart, not reviewed"


def test_only_local_encoder_decoders_translate(zoo: Path, tmp_path: Path) -> None:
    options = ("--language", "sw", "--prompts", zoo.parent)
    bloom = saved_model(tmp_path / "bloom", "bloom")
    assert "encoder-decoder" in said("machine", "zoo", *options, "--model", bloom, code=2)
    assert "local folder" in said("machine", "zoo", *options, "--model", "google/mt5-small", code=2)
    mt5 = saved_model(tmp_path / "mt5", "mt5")
    told = said("machine", "zoo", *options, "--model", mt5, "--target_code", "swh_Latn", code=2)
    assert "`swh_Latn`" in told
