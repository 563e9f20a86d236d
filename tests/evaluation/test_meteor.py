"""METEOR with a WordNet of our own, and what is said where there is none."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from nltk.corpus.reader import WordNetCorpusReader
from nltk.translate.meteor_score import meteor_score

from mtft.errors import SuiteError
from mtft.evaluation.metrics.meteor import corpus_meteor, meteor, wordnet_folder
from mtft.evaluation.scorers import find_scorer
from tests.evaluation.wordnet import write_wordnet

ROWS = [
    ("the old boat sank", ["the old vessel sank", "a ship"]),
    ("The boats, sinking", ["the boat sinks", "boats sink .", "x"]),
    ("", ["a boat"]),
    ("x", ["the boat"]),
]


@pytest.fixture
def wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_wordnet(tmp_path / "wordnet")
    monkeypatch.setenv("MTFT_WORDNET", str(folder))
    return folder


def test_equal_to_nltk(wordnet: Path) -> None:
    assert meteor("boat", ["boat"]) == 0.5  # one chunk of one match: half is lost to the penalty

    class Reader(WordNetCorpusReader):
        def map_wn(self, version: str = "wordnet") -> None:
            """nltk's own WordNet, which this would be mapped onto, is not there."""

    reader = Reader(str(wordnet), None)
    draw = random.Random(0)
    words = ["the", "boat", "boats", "vessel", "old", "sank", "sink", "."]
    for _ in range(50):
        prediction, *references = (" ".join(draw.choices(words, k=draw.randint(1, 7))) for _ in range(4))
        expected = meteor_score([r.split() for r in references], prediction.split(), wordnet=reader)
        assert meteor(prediction, references) == pytest.approx(expected)


def test_synonyms_and_stems_match(wordnet: Path) -> None:
    assert meteor("the vessel sank", ["the boat sank"]) == meteor("the boat sank", ["the boat sank"])
    assert meteor("boats", ["boat"]) == 0.5
    # Three words in one chunk: F is 1, the penalty 0.5 (1/3)³.
    assert meteor("the old boat", ["the old boat"]) == pytest.approx(1 - 0.5 / 27)


def test_order_of_rows_and_references_is_nothing(wordnet: Path) -> None:
    whole = corpus_meteor([p for p, _ in ROWS], [r for _, r in ROWS])
    draw = random.Random(0)
    mixed = [(p, draw.sample(r, len(r))) for p, r in draw.sample(ROWS, len(ROWS))]
    assert corpus_meteor([p for p, _ in mixed], [r for _, r in mixed]).value == pytest.approx(whole.value)
    assert meteor(*ROWS[0]) == max(meteor(ROWS[0][0], [r]) for r in ROWS[0][1])
    assert meteor(*ROWS[2]) == 0
    assert whole.signature.startswith(
        "nrefs:var|case:lc|tok:13a|alpha:0.9|beta:3|gamma:0.5|stem:porter|wordnet:"
    )


def test_what_is_missing_is_named(tmp_path: Path, wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (wordnet / "data.verb").unlink()
    with pytest.raises(SuiteError, match=r"without data\.verb"):
        wordnet_folder()
    monkeypatch.setenv("MTFT_WORDNET", str(tmp_path / "nowhere"))
    with pytest.raises(SuiteError, match=r"without lexnames.*MTFT_WORDNET"):
        find_scorer("meteor")
    monkeypatch.delenv("MTFT_WORDNET")
    monkeypatch.setattr("nltk.data.path", [str(tmp_path / "empty")])
    with pytest.raises(SuiteError, match="none among nltk's folders"):
        find_scorer("meteor")
