"""Facts and scenes: what is true in the micro-world, before any language says it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import NamedTuple

from mtft.synthetic.concepts import DIGITS, NAMES, POLARITIES, QUALITIES, TOPICS

FACTS_PER_SCENE = 2


class Fact(NamedTuple):
    """Somebody does something to a number of things of some quality.

    Attributes:
        person: Index into `concepts.NAMES`.
        verb: English word of the verb.
        number: How many, 2 to 9.
        quality: English word of the quality.
        noun: English word of the thing.
    """

    person: int
    verb: str
    number: int
    quality: str
    noun: str


class Scene(NamedTuple):
    """A few facts of one topic and mood about different people: the item all tasks and languages share.

    Attributes:
        number: Its place in the world.
        topic: Index into `concepts.TOPICS`.
        polarity: Of all its qualities.
        facts: Its facts.
    """

    number: int
    topic: int
    polarity: str
    facts: tuple[Fact, ...]

    @property
    def item_group(self) -> str:
        """What its rows in all languages and tasks have in common."""
        return f"mini_xp3/scene/{self.number}"


def random_fact(draw: random.Random, person: int, topic: int, polarity: str) -> Fact:
    """A fact about a person within a topic and a mood."""
    chosen = TOPICS[topic]
    verb, noun = draw.choice(chosen.verbs), draw.choice(chosen.nouns)
    return Fact(person, verb, draw.choice(DIGITS), draw.choice(QUALITIES[polarity]), noun)


def random_facts(
    draw: random.Random, topic: int, polarity: str, count: int = FACTS_PER_SCENE
) -> tuple[Fact, ...]:
    """Facts about different people that do different things to different things."""
    people = draw.sample(range(len(NAMES)), count)
    while True:
        facts = tuple(random_fact(draw, person, topic, polarity) for person in people)
        if len({fact.noun for fact in facts}) == len({fact.verb for fact in facts}) == count:
            return facts


def build_scenes(seed: int, count: int) -> tuple[Scene, ...]:
    """So many scenes, topics and moods in equal shares; no fact stands in two of them."""
    draw = random.Random(f"mini_xp3 scenes {seed}")
    used: set[Fact] = set()
    scenes = []
    for index in range(count):
        topic, polarity = index % len(TOPICS), POLARITIES[index // len(TOPICS) % len(POLARITIES)]
        facts = random_facts(draw, topic, polarity)
        while used.intersection(facts):
            facts = random_facts(draw, topic, polarity)
        used.update(facts)
        scenes.append(Scene(index, topic, polarity, facts))
    return tuple(scenes)


def other_scenes(draw: random.Random, forbidden: frozenset[Fact]) -> Iterator[tuple[Fact, ...]]:
    """Facts of endless further scenes, none of which is forbidden."""
    while True:
        facts = random_facts(draw, draw.randrange(len(TOPICS)), draw.choice(POLARITIES))
        if not forbidden.intersection(facts):
            yield facts


def side_of(item_group: str, shares: dict[str, float]) -> str:
    """The side an item group falls on: a hash of its name, in [0, 1), against the shares summed up."""
    digest = hashlib.sha256(item_group.encode()).digest()
    place, bound = int.from_bytes(digest[:8], "big") / 2**64, 0.0
    for side, share in shares.items():
        bound += share
        if place < bound:
            return side
    return side
