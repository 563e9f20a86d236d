"""Two tiny datasets in files: one with choices in two languages, one of free texts without a train side."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtft.evaluation import EvalExample, Suite
from mtft.mixing import BuiltMixture, MixtureSpec, build_mixture
from mtft.prompting import TemplateCollection
from mtft.tasks import CardIndex, Problems, Sources

MOOD = """
dataset: mood
cluster: sentiment
source: {kind: local, path: "mood/{folder}/{file}.jsonl"}
languages: {en: en, de: de}
splits: {train: train, validation: valid, test: test}
item_group: "mood:{id}"
row_id: "{id}"
columns: [id, text, label, kind]
metrics: [accuracy]
slices: [kind]
"""
SAY = """
dataset: say
cluster: structure_to_text
source: {kind: local, path: "say/{folder}/{file}.jsonl"}
languages: {en: en}
splits: {validation: valid, test: test}
item_group: "say:{id}"
row_id: "{id}"
metrics: [chrf]
max_new_tokens: 4
"""
TEMPLATE = """
  {key}: !Template
    answer_choices: {choices}
    id: {key}
    jinja: "{jinja}"
    metadata: !TemplateMetadata {{choices_in_prompt: null, languages: [en], metrics: [], original_task: true}}
    name: {name}
    reference: ''
"""


def template(number: int, name: str, jinja: str, choices: str = "null") -> str:
    key = f"00000000-0000-4000-8000-{number:012d}"
    return TEMPLATE.format(key=key, name=name, jinja=jinja, choices=choices)


@dataclass(frozen=True)
class SmallWorld:
    """Where its files are."""

    root: Path

    def write(self, place: str, rows: Iterable[dict[str, Any]]) -> None:
        path = self.root / f"{place}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def card(self, name: str, card: str, templates: str) -> None:
        folder = self.root / "prompts" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "task.yaml").write_text(card, encoding="utf-8")
        text = f"dataset: {name}\ntemplates:{templates}"
        (folder / "templates.yaml").write_text(text, encoding="utf-8")

    def suite(self, text: str = "tasks: [mood]") -> Suite:
        path = self.root / "suite.yaml"
        path.write_text(f"name: small\n{text}\n", encoding="utf-8")
        return Suite.load(path)

    @property
    def library(self) -> tuple[CardIndex, TemplateCollection, Sources]:
        prompts = self.root / "prompts"
        return (
            CardIndex.load([prompts]),
            TemplateCollection.from_folder(prompts),
            Sources(data_root=self.root),
        )

    def examples(self, suite: Suite, **more: Any) -> list[EvalExample]:
        return suite.examples(*self.library, Problems(), **more)

    def mixture(self, text: str) -> BuiltMixture:
        path = self.root / "mixture.yaml"
        path.write_text(f"name: small\n{text}\n", encoding="utf-8")
        spec, (index, collection, sources) = MixtureSpec.load(path), self.library
        return build_mixture(spec, spec.resolve(index, collection), sources, self.root / "cache")


def mood_rows(language: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [
        {"id": n, "text": f"{language} text {n}", "label": int(n % 4 == 0), "kind": "ab"[n % 2]}
        for n in numbers
    ]


def make(root: Path) -> SmallWorld:
    """Forty train rows, five validation and eight test rows; every fourth label is `bad`."""
    made = SmallWorld(root)
    choices = "good ||| bad"
    ask = template(1, "ask", "{{text}} Good or bad? ||| {{answer_choices[label]}}", choices)
    tell = template(2, "tell", r"{{text}}\nMood:\n||| {{answer_choices[label]}}", choices)
    made.card("mood", MOOD, ask + tell)
    made.card("say", SAY, template(3, "say it", "Say: {{text}} ||| {{text}}!"))
    sides = {"train": range(40), "valid": range(100, 105), "test": range(200, 208)}
    for split, numbers in sides.items():
        for language in ("en", "de"):
            made.write(f"mood/{language}/{split}", mood_rows(language, numbers))
        made.write(f"say/en/{split}", [{"id": n, "text": f"word {n}"} for n in numbers])
    return made
