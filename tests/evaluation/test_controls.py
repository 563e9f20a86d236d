from __future__ import annotations

import random

import numpy as np
import pytest

from mtft.evaluation import EvalCell, EvalExample, bag_of_tokens_control, control_samples
from mtft.evaluation.bag_of_tokens import ChoiceProblem, choose, fit
from mtft.tasks.records import Example
from tests.evaluation.conftest import make


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return make("mt5").tokenizer


def example(
    inputs: str, choices: tuple[str, ...] | None, target: str, n: int, template: str = "t1"
) -> Example:
    return Example(
        inputs, (target,), choices, "toy", "en", "train", str(n), f"g{n}", template, "en", "en", "toy", "r"
    )


def labelled(n: int, seed: int, word: str = "boat") -> list[Example]:
    """The label follows from one word, wherever it stands."""
    draw, rows = random.Random(seed), []
    for row in range(n):
        words = draw.choices(["the", "river", "is", "wide", "and", "old"], k=6)
        right = draw.random() < 0.5
        if right:
            words.insert(draw.randint(0, 6), word)
        rows.append(example(" ".join(words), ("no", "yes"), "yes" if right else "no", row))
    return rows


def accuracy(answers: list[tuple[float, ...] | None], tests: list[Example]) -> float:
    pairs = [(a, e) for a, e in zip(answers, tests, strict=True) if a is not None]
    assert pairs
    return sum(e.answer_choices[a.index(max(a))] == e.target for a, e in pairs) / len(pairs)  # type: ignore[index]


def test_it_learns_what_a_shared_word_tells(tokenizer: object) -> None:
    train, test = labelled(300, 0), labelled(80, 1)
    answers = bag_of_tokens_control(train, test, tokenizer)  # type: ignore[arg-type]
    assert accuracy(answers, test) > 0.95


def test_without_the_shared_word_it_is_lost(tokenizer: object) -> None:
    train, test = labelled(300, 0), labelled(80, 1, word="mashua")
    answers = bag_of_tokens_control(train, test, tokenizer)  # type: ignore[arg-type]
    assert accuracy(answers, test) < 0.7


def test_choices_of_their_own_are_told_apart_by_overlap(tokenizer: object) -> None:
    words = ["river", "boat", "wide", "old", "mto", "mpana", "mashua", "kuukuu", "neither", "both"]
    draw, rows = random.Random(2), []
    for n in range(260):
        one, two = draw.sample(words, 2)
        target = draw.choice([one, two])
        rows.append(example(f"the {target} is {target}", (one, two), target, n))
    answers = bag_of_tokens_control(rows[:200], rows[200:], tokenizer)  # type: ignore[arg-type]
    assert accuracy(answers, rows[200:]) > 0.9


def test_templates_without_training_and_free_answers_have_no_control(tokenizer: object) -> None:
    train = labelled(40, 0)
    tests = [example("the boat", ("no", "yes"), "yes", 1, "unseen"), example("the boat", None, "x", 2)]
    assert bag_of_tokens_control(train, tests, tokenizer) == [None, None]  # type: ignore[arg-type]
    assert bag_of_tokens_control([], [], tokenizer) == []  # type: ignore[arg-type]


def test_the_controls_answers_are_samples_like_a_models(tokenizer: object) -> None:
    cell = EvalCell("toy", "en", "sentiment", "en", metrics=("accuracy",))
    tests = [EvalExample(e, "name", cell) for e in labelled(20, 1)]
    lost = EvalExample(example("the boat", ("no", "yes"), "yes", 1, "unseen"), "name", cell)
    samples = control_samples(labelled(100, 0), [*tests, lost], tokenizer)  # type: ignore[arg-type]
    assert {s.model for s in samples} == {"bag_of_tokens"}
    assert all(s.scores for s in samples[:-1])
    assert "no training rows" in samples[-1].unscored_reason


def test_the_classifier_recovers_probabilities_by_hand() -> None:
    """One label word in 3 of 4 prompts right: without a penalty the fitted probability is 3/4."""
    problem = ChoiceProblem([[5]] * 4, [[[1], [2]]] * 4, fixed=True)
    table, owners = problem.features(8)
    right = [True, False, True, False, True, False, False, True]
    weights = fit(table, owners, np.array(right), penalty=0.0)
    (first, *_) = choose(table, owners, weights)
    assert pow(2.718281828, first[0]) == pytest.approx(0.75, abs=1e-3)
