"""Questions of the micro-world with candidates of graded relevance, and with domains that they may be about."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from mtft.synthetic.concepts import NAMES, TOPICS
from mtft.synthetic.grammar import Grammar
from mtft.synthetic.scenes import Fact, Scene, random_fact

RELEVANCE = ("irrelevant", "partly", "fully")


def ranking(scene: Scene, grammar: Grammar) -> Iterator[dict[str, Any]]:
    """A question and five sentences, in a random order, with their relevance.

    Fully relevant is the fact that is asked for; partly, two that share its verb or its thing but not both; not at
    all, two of other topics.
    """
    draw = random.Random(f"mini_xp3 ranking {scene.number}")
    fact = draw.choice(scene.facts)
    found = [(fact, 2), *((each, 1) for each in _near(draw, fact, scene))]
    elsewhere = draw.sample([topic for topic in range(len(TOPICS)) if topic != scene.topic], 2)
    found += [
        (random_fact(draw, draw.randrange(len(NAMES)), topic, scene.polarity), 0) for topic in elsewhere
    ]
    draw.shuffle(found)
    question = grammar.who(fact)
    for candidate, label in found:
        yield {"query": question, "candidate": f"{grammar.sentence(candidate)}.", "label": label}


def _near(draw: random.Random, fact: Fact, scene: Scene) -> Iterator[Fact]:
    """The fact with another verb, and with another thing, each about somebody."""
    chosen = TOPICS[scene.topic]
    verb = draw.choice([word for word in chosen.verbs if word != fact.verb])
    yield fact._replace(verb=verb, person=draw.randrange(len(NAMES)))
    noun = draw.choice([word for word in chosen.nouns if word != fact.noun])
    yield fact._replace(noun=noun, person=draw.randrange(len(NAMES)))


def domain(scene: Scene, grammar: Grammar) -> Iterator[dict[str, Any]]:
    """A question once for every topic: whether it is about that one (1) or not (0)."""
    draw = random.Random(f"mini_xp3 domain {scene.number}")
    fact = draw.choice(scene.facts)
    question = grammar.who(fact) if draw.random() < 0.5 else grammar.what(fact)
    for number, topic in enumerate(TOPICS):
        yield {"query": question, "domain": topic.label, "label": int(number == scene.topic)}
