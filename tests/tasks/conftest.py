"""A small card with its files, made in the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mtft.tasks import Problems, Row, Sources, Task, TaskCard, load_card

TEMPLATES = """dataset: {name}
templates:
  11111111-1111-4111-8111-111111111111: !Template
    answer_choices: bad ||| good
    id: 11111111-1111-4111-8111-111111111111
    jinja: "Is it good? {{{{ text }}}} ||| {{{{ answer_choices[label] }}}}"
    metadata: !TemplateMetadata
      choices_in_prompt: false
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: plain
    reference: ""
"""
HEAD = "dataset: own\ncluster: sentiment\nlanguages: {en: en}\n"


class Workshop:
    """Writes cards and files under a folder and reads rows back."""

    def __init__(self, folder: Path) -> None:
        self.cards, self.data = folder / "cards", folder / "data"
        self.data.mkdir()

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def card(self, text: str, name: str = "own", *, head: str = HEAD) -> TaskCard:
        path = self.cards / name / "task.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + text, encoding="utf-8")
        return load_card(path, name)

    def templates(self, name: str = "own") -> None:
        (self.cards / name / "templates.yaml").write_text(TEMPLATES.format(name=name), encoding="utf-8")

    def rows(self, text: str, problems: Problems | None = None, *, strict: bool = False) -> list[Row]:
        """The train rows of a card whose split `train` is the file that `source` names."""
        card = self.card(f"splits: {{train: train}}\n{text}")
        sources = Sources(self.data, strict=strict)
        return list(Task(card, "en").rows("train", sources, problems if problems is not None else Problems()))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def fields(workshop: Workshop) -> Callable[..., list[dict[str, object]]]:
    """Writes one file and gives the fields of its rows under a source's settings."""

    def read(
        name: str, content: str | bytes, problems: Problems | None = None, **source: str
    ) -> list[dict[str, object]]:
        workshop.file(name, content)
        settings = "".join(f", {key}: {value}" for key, value in source.items())
        rows = workshop.rows(f"source: {{kind: local, path: {name}{settings}}}\n", problems)
        return [dict(row.fields) for row in rows]

    return read
