"""`mtft prompts new`, `show`, `render`, `watch` and `stats` as an author uses them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.prompting import read_templates

run = CliRunner()
CARD = """
dataset: zoo
title: Birds and beasts
cluster: topic_classification
licence: CC0
source: {kind: local, path: "zoo/{folder}/{file}"}
languages: {en: english, sw: swahili}
splits: {train: train.jsonl, test: test.jsonl}
labels: ["no", "yes"]
columns: [animal, facts, label]
metrics: [accuracy]
declared:
  sizes: {source: "a repository @ 1", rows: {train: 40}}
sample: {animal: a sample hen, facts: {legs: 2}, label: 1}
"""
TEMPLATES = """dataset: zoo
templates:
  11111111-1111-4111-8111-111111111111: !Template
    answer_choices: no ||| yes
    id: 11111111-1111-4111-8111-111111111111
    jinja: |-
      Is {{ animal | upper }} a bird?
      |||
      {{ answer_choices[label] }}
    metadata: !TemplateMetadata
      choices_in_prompt: false
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: bird
    reference: ''
  22222222-2222-4222-8222-222222222222: !Template
    answer_choices: null
    id: 22222222-2222-4222-8222-222222222222
    jinja: "Mnyama gani? {{ animal }} ||| {{ animal }}"
    metadata: !TemplateMetadata
      choices_in_prompt: null
      languages: [sw]
      metrics: [Other]
      original_task: false
    name: mnyama
    reference: ''
"""
ANIMALS = {"english": "hen", "swahili": "kuku"}


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a card, without templates."""
    monkeypatch.delenv("MTFT_DATA_ROOT", raising=False)
    (tmp_path / "prompts" / "zoo").mkdir(parents=True)
    (tmp_path / "prompts" / "zoo" / "task.yaml").write_text(CARD, encoding="utf-8")
    return tmp_path / "prompts"


@pytest.fixture
def zoo(prompts: Path) -> Path:
    """The same with templates."""
    (prompts / "zoo" / "templates.yaml").write_text(TEMPLATES, encoding="utf-8")
    return prompts


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder, animal in ANIMALS.items():
        (tmp_path / "data" / "zoo" / folder).mkdir(parents=True)
        rows = [{"animal": f"{animal} {n}", "facts": {"legs": 2}, "label": 1} for n in range(3)]
        for file in ("train", "test"):
            text = "\n".join(map(json.dumps, rows)) + "\n"
            (tmp_path / "data" / "zoo" / folder / f"{file}.jsonl").write_text(text, encoding="utf-8")
    return tmp_path / "data"


def said(*arguments: object, code: int = 0) -> str:
    result = run.invoke(app, ["prompts", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def test_new_takes_columns_from_the_data_then_from_the_sample(prompts: Path, data: Path) -> None:
    path = prompts / "zoo" / "templates.yaml"
    said("new", "zoo", "--prompts", prompts, "--data_root", data)
    assert '#   animal  "hen 0"' in path.read_text(encoding="utf-8")
    assert "# Labels, by number: 0 no, 1 yes." in path.read_text(encoding="utf-8")
    first = path.read_text(encoding="utf-8")
    said("new", "zoo", "--prompts", prompts, "--name", "mine", "--language", "sw")
    said("new", "zoo", "--prompts", prompts, "--name", "mine")
    assert path.read_text(encoding="utf-8").startswith(first)
    assert '#   animal  "a sample hen"' in path.read_text(encoding="utf-8")
    templates = read_templates(path).templates
    assert [template.name for template in templates] == ["draft", "mine", "mine_2"]
    assert [template.language for template in templates] == ["en", "sw", "en"]
    assert len({template.id for template in templates}) == 3
    assert "facts: 2" in said("render", "zoo", "draft", "--prompts", prompts)


def test_new_without_a_card_needs_columns_and_a_folder(tmp_path: Path) -> None:
    assert "--columns" in said("new", "aviary", "--prompts", tmp_path, code=2)
    said("new", "aviary", "--columns", "text, wing-span", "--prompts", tmp_path)
    (template,) = read_templates(tmp_path / "aviary" / "templates.yaml").templates
    assert template.fields() == {"text", "wing_span"}
    assert "--prompts FOLDER" in said("new", "aviary", "--columns", "text", code=2)
    assert "must lie in" in said("new", "../aviary", "--columns", "text", "--prompts", tmp_path, code=2)


def test_new_says_when_a_folder_replaces_built_in_templates(tmp_path: Path) -> None:
    assert (
        "replaces the built-in templates"
        in run.invoke(app, ["prompts", "new", "xcopa", "--prompts", str(tmp_path)]).stderr
    )


def test_rows_in_several_languages_stand_beside_their_renderings(zoo: Path, data: Path) -> None:
    options = ("zoo", "--languages", "en,sw", "--limit", 2, "--prompts", zoo, "--data_root", data)
    made = json.loads(said("render", *options, "--json"))
    assert [(m["template"], m["language"]) for m in made] == [
        ("bird", "en"), ("bird", "en"), ("bird", "sw"), ("mnyama", "sw"), ("bird", "sw"), ("mnyama", "sw"),
    ]  # fmt: skip
    assert made[0]["pieces"] == [["Is ", None], ["HEN 0", "animal"], [" a bird?", None]]
    assert made[0]["fields"]["facts"] == {"legs": 2}
    text = said("render", *options)
    assert (
        'animal: kuku 1\nfacts: {"legs": 2}\nlabel: 1\n\nIs KUKU 1 a bird?\n→ yes\nchoices: no | yes\n'
        in text
    )
    assert "\x1b" not in text
    own = json.loads(said("render", *options, "--prompt_languages", "own", "--json"))
    assert {(m["template"], m["language"]) for m in own} == {("bird", "en"), ("mnyama", "sw")}


def test_without_data_the_sample_is_rendered(zoo: Path) -> None:
    result = run.invoke(app, ["prompts", "render", "zoo", "bird", "--prompts", str(zoo)])
    assert "Is A SAMPLE HEN a bird?" in result.stdout
    assert "Shown is the card's sample." in result.stderr
    assert "Is A SAMPLE HEN a bird?" in said("render", "zoo", "bird", "--sample", "--prompts", zoo)
    elsewhere = ["prompts", "render", "zoo", "bird", "--prompts", str(zoo), "--data_root", str(zoo)]
    assert "the file does not exist" in run.invoke(app, elsewhere).stderr
    shown = said("show", "zoo", "bird", "--prompts", zoo)
    assert "columns: animal, label" in shown
    assert "{{ animal | upper }}" in shown
    assert "Is A SAMPLE HEN a bird?" in shown
    assert "Mnyama gani" in said("show", "zoo", "--prompts", zoo)


def on_a_terminal(*arguments: str, width: int, **variables: str) -> str:
    """What a command prints on a terminal of this width."""
    reader, writer = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm-256color", **variables}
    command = [sys.executable, "-m", "mtft.cli", "prompts", *arguments]
    process = subprocess.Popen(command, stdout=writer, stderr=subprocess.DEVNULL, env=environment)
    os.close(writer)
    parts = []
    try:
        while part := os.read(reader, 65536):
            parts.append(part)
    except OSError:  # the other end was closed
        pass
    os.close(reader)
    assert process.wait() == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.processes
def test_a_wide_terminal_shows_columns_side_by_side_and_in_colour(zoo: Path) -> None:
    arguments = ("render", "zoo", "bird", "--sample", "--prompts", str(zoo))
    wide = on_a_terminal(*arguments, width=120)
    line = next(line for line in wide.splitlines() if "animal:" in line)
    assert "a bird?" in line
    colours = re.findall(r"\x1b\[([0-9;]*)m(?:a sample hen|A SAMPLE HEN)\x1b", line)
    assert len(colours) == 2
    assert colours[1] == f"1;{colours[0]}"
    narrow = ESCAPE.sub("", on_a_terminal(*arguments, width=60))
    assert "animal: a sample hen\n" in narrow
    plain = on_a_terminal(*arguments, width=120, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", plain)


@pytest.mark.processes
def test_control_characters_of_a_row_do_not_reach_the_terminal(zoo: Path) -> None:
    row = json.dumps({"animal": "\x1b]0;title\x07hen", "label": 1})
    shown = on_a_terminal("render", "zoo", "bird", "--row", row, "--prompts", str(zoo), width=120)
    assert "\x1b]" not in shown
    assert "␛]0;title" in shown


@pytest.mark.processes
def test_watch_renders_on_save_and_goes_on_after_a_mistake(zoo: Path, tmp_path: Path) -> None:
    path, log = zoo / "zoo" / "templates.yaml", tmp_path / "log.txt"
    command = [sys.executable, "-u", "-m", "mtft.cli", "prompts", "watch", str(path)]
    environment = {name: value for name, value in os.environ.items() if name != "MTFT_DATA_ROOT"}
    with log.open("wb") as out:
        watching = subprocess.Popen(
            [*command, "--interval", "0.05", "--saves", "3"], stdout=out, stderr=out, env=environment
        )

    def wait_for(text: str) -> str:
        end = time.monotonic() + 60
        while text not in (found := log.read_text(encoding="utf-8")):
            assert watching.poll() is None, found
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found

    try:
        wait_for("Is A SAMPLE HEN a bird?")
        path.write_text(TEMPLATES.replace("a bird?", "{{ colour }}?"), encoding="utf-8")
        assert "a row's columns" in wait_for("colour") or "the row has" in wait_for("colour")
        path.write_text(TEMPLATES.replace("jinja: |-", "jinja: ["), encoding="utf-8")
        wait_for("Error: ")
        time.sleep(0.2)
        path.write_text(TEMPLATES.replace("a bird?", "an owl?"), encoding="utf-8")
        assert watching.wait(timeout=60) == 0
    finally:
        watching.kill()
        watching.wait()
    text = log.read_text(encoding="utf-8")
    assert "Is A SAMPLE HEN an owl?" in text
    # Only what changed is shown again.
    assert "mnyama" not in text[text.index("Error: ") :]


def test_watch_refuses_what_is_no_template_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    assert "templates.yaml" in said("watch", tmp_path / "notes.txt", code=2)
    assert "Known:" in said("watch", "no_such_dataset", code=2)


def test_watch_takes_a_file_that_stands_outside_a_folder_of_prompts(tmp_path: Path) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(TEMPLATES.replace("dataset: zoo", "dataset: no_card"), encoding="utf-8")
    assert "must have a card" in said("watch", path, "--saves", 0)
    row = json.dumps({"animal": "hen", "label": 1})
    assert "Is HEN a bird?" in said("watch", path, "--saves", 0, "--row", row)


def test_stats_count_and_leave_unknown_what_nobody_states(zoo: Path) -> None:
    (zoo / "pond").mkdir()
    (zoo / "pond" / "templates.yaml").write_text(
        TEMPLATES.replace("dataset: zoo", "dataset: pond")
        .replace("1111-", "3333-")
        .replace("2222-", "4444-"),
        encoding="utf-8",
    )
    facts = json.loads(said("stats", "--only", "--prompts", zoo, "--json"))
    assert (facts["datasets"], facts["templates"]) == (2, 4)
    assert facts["languages"] == {"en": 2, "sw": 2}
    assert facts["choices"] == {"2": 2, "none": 2}
    assert facts["original_task"] == {"yes": 2, "no": 2}
    assert facts["metrics"] == {"Accuracy": 2, "Other": 2}
    assert facts["clusters"]["topic_classification"] == {"datasets": 1, "templates": 2}
    assert facts["largest"]["share_of_templates"] == 1.0
    assert facts["largest_by_train_rows"]["datasets"] == ["zoo"]
    assert facts["unknown_sizes"] == 1
    lines = {line["dataset"]: line for line in facts["per_dataset"]}
    # 40 rows of train are stated for each of two languages; of test nothing is.
    assert (lines["zoo"]["train"], lines["zoo"]["total"]) == (80, None)
    assert (lines["pond"]["train"], lines["pond"]["cluster"]) == (None, None)
    text = said("stats", "--only", "--prompts", zoo)
    assert re.search(r"^zoo +topic_classification +2 +en, sw +2 +1 +1 +\d+ +80 +unknown$", text, re.MULTILINE)
    assert "--prompts FOLDER" in said("stats", "--only", code=2)


class Tags(HTMLParser):
    """The tags of a page, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_of_stats_is_one_escaped_file(zoo: Path, tmp_path: Path) -> None:
    path = zoo / "zoo" / "templates.yaml"
    path.write_text(TEMPLATES.replace("[Accuracy]", "['<img src=x onerror=1>']"), encoding="utf-8")
    page = tmp_path / "out" / "page.html"
    said("stats", "--only", "--prompts", zoo, "--html", page)
    tags = Tags()
    tags.feed(page.read_text(encoding="utf-8"))
    assert "img" not in tags.tags
    assert "&lt;img src=x" in page.read_text(encoding="utf-8")
    assert tags.loaded == []
    assert tags.tags.count("table") == 8


def test_built_in_stats_name_every_dataset() -> None:
    facts = json.loads(said("stats", "--json"))
    assert facts["datasets"] == len(json.loads(said("list", "--json")))
    assert all(line["cluster"] for line in facts["per_dataset"])
