"""Raw text: kinds in their shares, in the right languages, and never about an evaluated fact."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from mtft.synthetic import DocumentMix, World

SINGLE, MIXED, PARALLEL = DocumentMix(1, 0, 0), DocumentMix(0, 1, 0), DocumentMix(0, 0, 1)


def _sentences(documents: Iterable[str]) -> list[str]:
    return [part.strip() for document in documents for part in document.split(".") if part.strip()]


def _language_sets(micro: World, sentence: str) -> list[set[str]]:
    """For each word that is no digit, the languages that have it."""
    return [
        {code for code in micro.languages() if word in micro.vocabulary(code)}
        for word in sentence.split()
        if not word.isdigit()
    ]


def test_documents_are_a_function_of_their_seed(micro: World) -> None:
    assert [*micro.documents(seed=3, count=40)] == [*micro.documents(seed=3, count=40)]
    assert [*micro.documents(seed=3, count=40)] != [*micro.documents(seed=4, count=40)]


def test_no_document_states_an_evaluated_fact(micro: World) -> None:
    evaluated = {
        frozenset(grammar.sentence(fact).split())
        for fact in micro.evaluated_facts
        for grammar in micro.grammars.values()
    }
    stated = {frozenset(sentence.split()) for sentence in _sentences(micro.documents(count=4000, mix=SINGLE))}
    assert len(stated) > 3000
    assert not stated & evaluated


def test_single_language_documents_keep_to_one_language(micro: World) -> None:
    for document in micro.documents(count=100, mix=SINGLE):
        assert set.intersection(*_language_sets(micro, document.replace(".", "")))


def test_mixed_documents_mix(micro: World) -> None:
    mixed = [
        not set.intersection(*_language_sets(micro, s))
        for s in _sentences(micro.documents(count=100, mix=MIXED))
    ]
    assert sum(mixed) > 150


def test_parallel_documents_say_one_fact_in_several_languages(micro: World) -> None:
    back = {word: c for grammar in micro.grammars.values() for c, word in grammar.lexicon.items()}
    back |= {grammar.word(index): str(index) for grammar in micro.grammars.values() for index in range(10)}
    for document in micro.documents(count=100, mix=PARALLEL):
        facts = {tuple(sorted(back.get(w, f"digit {w}") for w in s.split())) for s in _sentences([document])}
        assert len(facts) == 1
        assert document.count(".") == PARALLEL.parallel_languages


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_object_first_share(micro: World, share: float) -> None:
    mix = DocumentMix(1, 0, 0, object_first=share)
    english = [
        s for s in _sentences(micro.documents(count=300, mix=mix)) if s.split()[-1] in micro.vocabulary("en")
    ]
    assert all(sentence[0].isdigit() == bool(share) for sentence in english if " plants" in sentence)
