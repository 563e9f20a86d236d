"""The rows of every task: what each makes of a scene in a language, the label following from the scene."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mtft.synthetic.concepts import NAMES, TOPICS, english_words
from mtft.synthetic.grammar import Grammar
from mtft.synthetic.scenes import Fact, Scene, random_fact

Fields = dict[str, Any]
RowDict = dict[str, Any]
NLI_LABELS = ("entailment", "neutral", "contradiction")
N_CHOICES = 3
NOISE_LABELS = 5


def text_of(scene: Scene, grammar: Grammar) -> str:
    """All of the scene's facts, a sentence each."""
    return " ".join(f"{grammar.sentence(fact)}." for fact in scene.facts)


def _draw(task: str, scene: Scene) -> random.Random:
    """Randomness of a task's row, the same in every language."""
    return random.Random(f"mini_xp3 {task} {scene.number}")


def sentiment(scene: Scene, grammar: Grammar) -> Fields:
    """Mood of the scene's qualities: 0 positive, 1 neutral, 2 negative."""
    return {
        "text": text_of(scene, grammar),
        "label": ("positive", "neutral", "negative").index(scene.polarity),
    }


def topic(scene: Scene, grammar: Grammar) -> Fields:
    """Topic of the scene's verbs and things."""
    return {"text": text_of(scene, grammar), "label": scene.topic}


def nli(scene: Scene, grammar: Grammar) -> Fields:
    """A scene and a short claim: a fact of it (0), something it does not state (1), or a fact denied (2)."""
    draw = _draw("nli", scene)
    label = draw.randrange(len(NLI_LABELS))
    fact = draw.choice(scene.facts)
    if label == 1:
        fact = _unmentioned(draw, scene, fact.person)
    negated = label == 2 or (label == 1 and draw.random() < 0.5)
    claim = grammar.sentence(fact, brief=True, negated=negated)
    return {"premise": text_of(scene, grammar), "hypothesis": f"{claim}.", "label": label}


def _unmentioned(draw: random.Random, scene: Scene, person: int) -> Fact:
    """What the same person may or may not do in another sphere of life."""
    elsewhere = draw.choice([t for t in range(len(TOPICS)) if t != scene.topic])
    return random_fact(draw, person, elsewhere, scene.polarity)


def qa(scene: Scene, grammar: Grammar) -> Fields:
    """Who does what: the answer is one word of the context."""
    draw = _draw("qa", scene)
    fact = draw.choice(scene.facts)
    after_person = draw.random() < 0.5
    question = grammar.who(fact) if after_person else grammar.what(fact)
    answer = grammar.word(fact.person if after_person else fact.noun)
    return {"context": text_of(scene, grammar), "question": question, "answer": answer}


def multiple_choice(scene: Scene, grammar: Grammar) -> Fields:
    """A sentence with a gap and three things, each of another topic; the verb tells which one fits."""
    draw = _draw("multiple_choice", scene)
    fact = draw.choice(scene.facts)
    others = draw.sample([t for t in range(len(TOPICS)) if t != scene.topic], N_CHOICES - 1)
    nouns = [draw.choice(TOPICS[other].nouns) for other in others]
    label = draw.randrange(N_CHOICES)
    nouns.insert(label, fact.noun)
    return {
        "text": f"{grammar.gap(fact)}.",
        "choice1": grammar.word(nouns[0]),
        "choice2": grammar.word(nouns[1]),
        "choice3": grammar.word(nouns[2]),
        "label": label,
    }


def paraphrase(scene: Scene, grammar: Grammar) -> Fields:
    """Two sentences, the second with its object first: the same fact (1), or one word exchanged (0)."""
    draw = _draw("paraphrase", scene)
    fact = draw.choice(scene.facts)
    label = draw.randrange(2)
    second = fact if label else _altered(draw, fact, scene)
    return {
        "sentence1": f"{grammar.sentence(fact)}.",
        "sentence2": f"{grammar.sentence(second, object_first=True)}.",
        "label": label,
    }


def _altered(draw: random.Random, fact: Fact, scene: Scene) -> Fact:
    """The fact about somebody else, or with other verb and thing of the topic."""
    if draw.random() < 0.5:
        return fact._replace(person=(fact.person + draw.randrange(1, len(NAMES))) % len(NAMES))
    chosen = TOPICS[scene.topic]
    return fact._replace(noun=draw.choice([noun for noun in chosen.nouns if noun != fact.noun]))


def structure_to_text(scene: Scene, grammar: Grammar) -> Fields:
    """A fact as slots with English values, and the sentence that says it in the language."""
    fact = _draw("structure_to_text", scene).choice(scene.facts)
    person = "".join(NAMES[fact.person])
    return {
        "subject": person,
        "verb": fact.verb,
        "number": str(fact.number),
        "quality": fact.quality,
        "object": fact.noun,
        "language": grammar.language.name,
        "text": f"{grammar.sentence(fact)}.",
    }


def noise(scene: Scene, grammar: Grammar) -> Fields:
    """The text of `topic` with one of as many labels at random: nothing in it tells which.

    The label is a function of scene and language, so that it can be learned by heart but neither carried over
    to another text nor to the same text in another language.
    """
    draw = random.Random(f"mini_xp3 noise {scene.number} {grammar.language.code}")
    return {"text": text_of(scene, grammar), "label": draw.randrange(NOISE_LABELS)}


SCENE_TASKS: dict[str, Callable[[Scene, Grammar], Fields]] = {
    "nli": nli,
    "sentiment": sentiment,
    "topic": topic,
    "qa": qa,
    "multiple_choice": multiple_choice,
    "paraphrase": paraphrase,
    "structure_to_text": structure_to_text,
    "noise": noise,
}


def _from_language(draw: random.Random, target: str, grammars: Mapping[str, Grammar]) -> Grammar:
    return grammars[draw.choice([code for code in grammars if code != target])]


def translation_rows(scenes: list[Scene], target: str, grammars: Mapping[str, Grammar]) -> Iterator[RowDict]:
    """Every fact of the scenes, into one language from one that is drawn anew for each."""
    for scene in scenes:
        draw = random.Random(f"mini_xp3 translation {scene.number} {target}")
        for place, fact in enumerate(scene.facts):
            source = _from_language(draw, target, grammars)
            fields = _pair(
                f"{source.sentence(fact)}.", f"{grammars[target].sentence(fact)}.", source, grammars[target]
            )
            yield {"fields": fields, "row_id": f"{scene.number}-{place}", "item_group": scene.item_group}


def lexicon_rows(target: str, grammars: Mapping[str, Grammar]) -> Iterator[RowDict]:
    """Every word and name from every other language: a dictionary, no facts."""
    into = grammars[target]
    concepts: list[str | int] = [*english_words(), *range(len(NAMES))]
    for code, source in grammars.items():
        for concept in concepts if code != target else ():
            fields = _pair(source.word(concept), into.word(concept), source, into)
            label = "".join(NAMES[concept]) if isinstance(concept, int) else concept
            yield {"fields": fields, "row_id": f"{code}-{label}", "item_group": f"mini_xp3/word/{label}"}


def _pair(source_text: str, target_text: str, source: Grammar, target: Grammar) -> Fields:
    return {
        "source": source_text,
        "target": target_text,
        "source_language": source.language.name,
        "target_language": target.language.name,
    }
