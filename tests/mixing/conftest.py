"""A small world of two sibling datasets: parallel in three languages, sharing their sentences."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtft.mixing import BuiltMixture, Mixture, MixtureCells, MixtureSpec, build_mixture
from mtft.prompting import TemplateCollection
from mtft.tasks import CardIndex, Sources

LANGUAGES = ("en", "de", "sw")
ROWS = 30

MOOD_CARD = """
dataset: mood
title: is it good or bad
cluster: sentiment
licence: CC0-1.0
source: {kind: local, path: "mood/{folder}/{file}.jsonl"}
languages: {en: en, de: de, sw: sw}
splits: {train: train, validation: valid, test: test}
division: {kind: published}
item_group: "sentence:{id}"
row_id: "{id}"
metrics: [accuracy]
"""

THING_CARD = """
dataset: thing
title: what is it about
cluster: topic_classification
licence: CC0-1.0
source: {kind: local, path: "thing/{folder}/all.jsonl"}
languages: {en: en, de: de}
splits: {all: all}
division: {kind: hash, shares: {train: 0.6, validation: 0.2, test: 0.2}}
item_group: "thing:{id}"
row_id: "{id}"
metrics: [accuracy]
"""


def template(uuid: int, name: str, jinja: str, choices: str) -> str:
    key = f"00000000-0000-4000-8000-{uuid:012d}"
    return f"""
  {key}: !Template
    answer_choices: {choices}
    id: {key}
    jinja: "{jinja}"
    metadata: !TemplateMetadata
      choices_in_prompt: null
      languages: [en]
      metrics: [Accuracy]
      original_task: true
    name: {name}
    reference: ''
"""


MOOD_TEMPLATES = "dataset: mood\ntemplates:" + "".join(
    [
        template(1, "ask", "{{text}} Good or bad? ||| {{answer_choices[label]}}", "good ||| bad"),
        template(2, "tell", "Mood of: {{text}} ||| {{answer_choices[label]}}", "good ||| bad"),
        template(3, "only the good", "{% if label == 0 %}Say it: {{text}} ||| {{text}}{% endif %}", "null"),
    ]
)
THING_TEMPLATES = "dataset: thing\ntemplates:" + template(
    4, "about/what", "About what? {{text}} ||| {{answer_choices[label]}}", "sea ||| sky"
)

SPEC = """
name: small
seed: 3
tasks: [mood, thing]
held_out:
  report: {languages: [sw]}
"""


def words(language: str, number: int) -> str:
    return f"{language} words number {number}"


@dataclass
class World:
    """Where the small world's files are, and how to mix it."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def prompts(self) -> Path:
        return self.root / "prompts"

    def write(self, name: str, rows: list[dict[str, object]]) -> Path:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def append(self, name: str, *lines: str) -> None:
        with (self.data / name).open("a", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)

    def spec(self, text: str = SPEC, name: str = "small.yaml") -> MixtureSpec:
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        return MixtureSpec.load(path)

    def cells(self, spec: MixtureSpec) -> MixtureCells:
        return spec.resolve(CardIndex.load([self.prompts]), TemplateCollection.from_folder(self.prompts))

    def sources(self, strict: bool = False) -> Sources:
        return Sources(data_root=self.data, strict=strict)

    def build(
        self,
        text: str = SPEC,
        *,
        strict: bool = False,
        cache: str = "cache",
        spec: MixtureSpec | None = None,
        **more: Any,
    ) -> BuiltMixture:
        spec = spec or self.spec(text)
        return build_mixture(spec, self.cells(spec), self.sources(strict), self.root / cache, **more)

    def mixture(self, text: str = SPEC, **more: object) -> Mixture:
        built = self.build(text)
        return Mixture(built, built.index(count_words), **more)  # type: ignore[arg-type]


class _Words:
    """Lengths in words, and a count of the calls."""

    fingerprint = "words"
    calls = 0

    def __call__(self, inputs: list[str], targets: list[str]) -> tuple[np.ndarray, np.ndarray]:
        self.calls += 1
        first, second = ([len(text.split()) for text in texts] for texts in (inputs, targets))
        return np.array(first, dtype=np.int32), np.array(second, dtype=np.int32)


count_words = _Words()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The small world, new for each test."""
    made = World(tmp_path)
    for card, templates, name in (
        (MOOD_CARD, MOOD_TEMPLATES, "mood"),
        (THING_CARD, THING_TEMPLATES, "thing"),
    ):
        folder = made.prompts / name
        folder.mkdir(parents=True)
        (folder / "task.yaml").write_text(card, encoding="utf-8")
        (folder / "templates.yaml").write_text(templates, encoding="utf-8")
    ids = {"train": range(ROWS), "valid": range(100, 105), "test": range(200, 208)}
    for language in LANGUAGES:
        for split, numbers in ids.items():
            rows = [{"id": i, "text": words(language, i), "label": i % 2} for i in numbers]
            made.write(f"mood/{language}/{split}.jsonl", rows)
        made.write(
            f"thing/{language}/all.jsonl",
            [{"id": i, "text": f"thing {words(language, i)}", "label": i % 2} for i in range(40)],
        )
    return made


@pytest.fixture
def kept(world: World) -> Callable[[BuiltMixture], list[str]]:
    """The kept texts of a build."""
    return lambda built: list(built.texts())
