from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mtft.encoding import Encoded, TokenLengths
from mtft.mixing import Mixture, MixtureSpec, build_mixture
from mtft.runs.controls import ShuffledTargets
from mtft.runs.data import Library


class Characters:
    """An encoder of letters."""

    fingerprint = "characters"

    def encode_batch(self, inputs: Sequence[str], targets: Sequence[str]) -> list[Encoded]:
        ids = (
            np.arange(len(each), dtype=np.int32)
            for pair in zip(inputs, targets, strict=True)
            for each in pair
        )
        return [Encoded(prompt, target) for prompt, target in zip(ids, ids, strict=True)]


MEASURE = TokenLengths(Characters())


@pytest.fixture(scope="module")
def mixture(pocket: Path, tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    library = Library.open([], None, strict=True)
    spec = MixtureSpec.load(pocket / "pocket.yaml")
    cells = spec.resolve(library.cards, library.templates)
    built = build_mixture(spec, cells, library.sources, tmp_path_factory.mktemp("cache"))
    return Mixture(built, built.index())


def test_shuffling_keeps_prompts_and_label_words_and_breaks_what_joins_them(mixture: Mixture) -> None:
    positions = np.arange(400)
    true, shuffled = mixture.examples(positions), ShuffledTargets(mixture, 1, MEASURE).examples(positions)
    assert [e.inputs for e in true] == [e.inputs for e in shuffled]
    choices = [(a, b) for a, b in zip(true, shuffled, strict=True) if a.answer_choices]
    assert all(b.target in (b.answer_choices or ()) for _, b in choices)
    kept = np.mean([a.target == b.target for a, b in choices])
    expected = np.mean([1 / len(a.answer_choices or ()) for a, _ in choices])
    assert abs(kept - expected) < 0.12
    free = [(a, b) for a, b in zip(true, shuffled, strict=True) if not a.answer_choices]
    assert np.mean([a.target == b.target for a, b in free]) < 0.4
    assert {b.target for _, b in free} <= {e.target for e in mixture.examples(np.arange(4 * len(mixture)))}


def test_shuffling_is_a_function_of_the_position(mixture: Mixture) -> None:
    control = ShuffledTargets(mixture, 1, MEASURE)
    together = control.examples(np.array([7, 3, 11]))
    assert [control.examples(np.array([p]))[0] for p in (7, 3, 11)] == together
    assert control.fingerprint != mixture.fingerprint
    assert ShuffledTargets(mixture, 2, MEASURE).examples(np.arange(50)) != control.examples(np.arange(50))


def test_lengths_are_those_of_the_shuffled_targets(mixture: Mixture) -> None:
    """A pack planned with the true targets' lengths could overflow."""
    control, positions = ShuffledTargets(mixture, 1, MEASURE), np.arange(60)
    prompts, targets = control.lengths(positions)
    assert prompts.tolist() == [len(example.inputs) for example in control.examples(positions)]
    assert targets.tolist() == [len(example.target) for example in control.examples(positions)]
