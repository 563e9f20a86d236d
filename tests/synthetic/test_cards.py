"""The micro-world as tasks: cards, and the mixture that holds languages and a cluster out."""

from __future__ import annotations

from mtft.mixing import MixtureSpec
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.synthetic import TASKS, world
from mtft.tasks import SIDES, CardIndex, Problems, Sources

INDEX = CardIndex.load([builtin_folder("prompts")])
COLLECTION = TemplateCollection.builtin()
CHOICE_TASKS = ("nli", "sentiment", "topic", "multiple_choice")


def test_every_task_of_the_world_has_a_card_and_the_clusters_are_twelve() -> None:
    cards = [INDEX.get(f"mini_xp3/{task}") for task in TASKS]
    assert len({card.cluster for card in cards}) == 12
    for card in cards:
        assert card.source.task == card.subset
        assert {card.language_of(config) for config in card.variants} == set(world().languages())


def test_the_mixture_divides_the_cells_as_documented() -> None:
    cells = MixtureSpec.load("mini_xp3").resolve(INDEX, COLLECTION)
    reported = {(task.name, task.language) for task in cells.report}
    assert {f"mini_xp3/{task}" for task in CHOICE_TASKS} <= {name for name, _ in reported}
    assert sum(name == "mini_xp3/paraphrase" for name, _ in reported) == 8
    trained = {(cell.task.name, cell.task.language) for cell in cells.train}
    assert not reported & trained
    for name in (f"mini_xp3/{task}" for task in CHOICE_TASKS):
        orders = {world().language(language).order for task, language in trained if task == name}
        assert orders == {"SVO", "SOV", "VSO"}
        assert {language for task, language in reported if task == name} == {"qaa", "qae", "qag"}


def test_rows_come_through_the_card_unchanged_and_every_template_renders_them() -> None:
    cells = MixtureSpec.load("mini_xp3").resolve(INDEX, COLLECTION)
    task = next(task for task in cells.report if (task.name, task.language) == ("mini_xp3/nli", "qag"))
    problems = Problems()
    for side in SIDES:
        rows = [*task.rows(side, Sources(), problems)]
        expected = [*world().rows("nli", "qag", side)]
        assert [dict(row.fields) for row in rows] == [row["fields"] for row in expected]
        assert [row.item_group for row in rows] == [row["item_group"] for row in expected]
    examples = [*task.examples("test", Sources(), problems, max_groups=50)]
    assert len(examples) == 50 * len(task.templates)
    assert {choice for example in examples for choice in example.answer_choices or ()} == {
        "yes",
        "maybe",
        "no",
    }
    assert problems.as_dict()["total"] == 0
