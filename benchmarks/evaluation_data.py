"""What the evaluation benchmark asks: prompts and choices over rows of three datasets, in our own wording."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from mtft.encoding import train_tokenizer

NLI_CHOICES = ("True", "Neither", "False")
TOPICS = ("science/technology", "travel", "politics", "sports", "health", "entertainment", "geography")
_LINK = {"cause": "because", "effect": "so"}


@dataclass(frozen=True)
class Question:
    """One prompt and the choices after it, which begin with their space."""

    prompt: str
    choices: tuple[str, ...]


def _tsv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def americasnli(root: Path) -> list[Question]:
    """Three choices, a word each: natural-language inference in ten languages."""
    return [
        Question(
            f"Premise: {row['premise']}\nClaim: {row['hypothesis']}\n"
            "Given the premise, is the claim True, False or Neither? Answer:",
            _spaced(NLI_CHOICES),
        )
        for path in sorted((root / "americasnli").glob("*/test.tsv"))
        for row in _tsv(path)
    ]


def sib200(root: Path) -> list[Question]:
    """Seven choices of a few tokens: the topic of a sentence in all languages there are."""
    return [
        Question(f"{row['text']}\nWhat is this sentence about? Topic:", _spaced(TOPICS))
        for path in sorted((root / "sib200").glob("*/test.tsv"))
        for row in _tsv(path)
    ]


def xcopa(root: Path) -> list[Question]:
    """Two choices, a sentence each: which one is the cause or the effect, in eleven languages."""
    found = []
    for path in sorted((root / "xcopa").glob("??/test.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            prompt = f"{row['premise'].rstrip('.。 ')} {_LINK[row['question']]}"
            found.append(Question(prompt, _spaced((row["choice1"], row["choice2"]))))
    return found


DATASETS = {"americasnli": americasnli, "sib200": sib200, "xcopa": xcopa}


def spread(questions: list[Question], count: int) -> list[Question]:
    """So many of them, at even distances: of all languages alike."""
    count = min(count, len(questions))
    return [questions[number * len(questions) // count] for number in range(count)]


def own_tokenizer(root: Path, family: str, vocab_size: int) -> PreTrainedTokenizerBase:
    """A tokenizer of the datasets' own text."""
    return train_tokenizer(_texts(root), vocab_size, family)  # type: ignore[arg-type]


def _texts(root: Path) -> Iterable[str]:
    for read in DATASETS.values():
        for question in read(root):
            yield question.prompt
            yield from question.choices


def _spaced(choices: Iterable[str]) -> tuple[str, ...]:
    return tuple(f" {choice}" for choice in choices)
