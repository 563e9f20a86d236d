"""Restricting a suite to tasks and languages, and published splits taken whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.errors import SourceError, SuiteError, TaskError
from mtft.evaluation import Suite
from mtft.mixing import MixtureSpec
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources
from tests.evaluation.small_world import SmallWorld, make

CARD = """
dataset: dealt
cluster: sentiment
source: {kind: local, path: "mood/{folder}/{file}.jsonl"}
languages: {en: en, de: de}
splits: {train: train, dev: valid, test: test}
division: {kind: hash, shares: {train: 0.5, validation: 0.2, test: 0.3}}
item_group: "mood:{id}"
row_id: "{id}"
columns: [id, text, label, kind]
metrics: [accuracy]
"""


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    made = make(tmp_path)
    templates = (made.root / "prompts" / "mood" / "templates.yaml").read_text(encoding="utf-8")
    made.card("dealt", CARD, templates.partition("templates:")[2])
    return made


def cells(world: SmallWorld, suite: Suite) -> set[tuple[str, str]]:
    return {(e.cell.task, e.cell.config) for e in world.examples(suite)}


BOTH = "tasks: [mood, say]"


@pytest.mark.parametrize(
    ("tasks", "languages", "expected"),
    [
        ([], [], {("mood", "en"), ("mood", "de"), ("say", "en")}),
        (["say"], [], {("say", "en")}),
        ([], ["en"], {("mood", "en"), ("say", "en")}),
        (["mood"], ["de"], {("mood", "de")}),
        (["mood", "say"], ["deu"], {("mood", "de")}),  # an alias of the code
    ],
)
def test_only_what_is_asked_for(
    world: SmallWorld, tasks: list[str], languages: list[str], expected: set[tuple[str, str]]
) -> None:
    suite = world.suite(BOTH)
    restricted = suite.restricted_to(tasks, languages)
    assert cells(world, restricted) == expected
    assert (restricted.fingerprint == suite.fingerprint) == (not tasks and not languages)


@pytest.mark.parametrize(
    ("tasks", "languages", "message"),
    [
        (["moood"], [], "A task to evaluate must be one of the suite's.*Did you mean: mood"),
        ([], ["dde"], "A language to evaluate must be one of the suite's.*Did you mean: de"),
        (["say"], ["de"], "must have one of the languages.*tasks say in de"),
        (["sib200"], [], "one of the suite's"),  # a card of the library is not enough
    ],
)
def test_names_that_the_suite_does_not_have(
    world: SmallWorld, tasks: list[str], languages: list[str], message: str
) -> None:
    with pytest.raises(SuiteError, match=message):
        world.examples(world.suite(BOTH).restricted_to(tasks, languages))


def test_a_mixtures_cells_are_restricted_too() -> None:
    index, collection = CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin()
    suite = Suite.load("mini_xp3")
    trained = MixtureSpec.load("mini_xp3").resolve(index, collection)
    every = suite.asked(index, collection, trained)
    one = suite.restricted_to([every[0].task.name]).asked(index, collection, trained)
    assert {a.task.name for a in one} == {every[0].task.name}
    assert 0 < len(one) < len(every)
    with pytest.raises(SuiteError, match="needs the mixture"):
        suite.asked(index, collection)


# --- whole splits


def test_a_split_taken_whole_has_its_rows_of_every_side(world: SmallWorld) -> None:
    whole = world.examples(world.suite("tasks: [{task: dealt, splits: [dev]}]"))
    assert {e.example.split for e in whole} == {"dev"}
    assert len(whole) == 2 * 5 * 2  # languages, rows, templates
    divided = world.examples(world.suite("tasks: [dealt]"))
    assert {e.example.split for e in divided} == {"train", "dev", "test"}
    assert len({e.example.item_group for e in divided}) < 53


def test_a_cap_draws_from_the_whole_split(world: SmallWorld) -> None:
    suite = world.suite("max_items_per_cell: 3\ntasks: [{task: dealt, splits: [test, dev]}]")
    found = world.examples(suite)
    groups = {(e.cell.config, e.example.item_group) for e in found}
    assert len(groups) == 6
    assert len({group for _, group in groups}) == 3


def test_an_unknown_split_names_the_nearest(world: SmallWorld) -> None:
    with pytest.raises(TaskError, match="Did you mean: test"):
        world.examples(world.suite("tasks: [{task: dealt, splits: [tests]}]"))


def test_rows_that_train_are_in_no_split_that_is_taken_whole(world: SmallWorld) -> None:
    mixture = world.mixture("tasks: [{task: dealt, languages: [en]}]").spec
    divided = world.suite("tasks: [dealt]")
    assert world.examples(divided, mixture=mixture)
    whole = world.suite("tasks: [{task: dealt, languages: [de], splits: [dev]}]")
    with pytest.raises(SuiteError, match=r"no rows that train.*dealt:de"):
        world.examples(whole, mixture=mixture)  # the same items in another language


def test_a_split_beside_those_that_train_may_be_taken(world: SmallWorld) -> None:
    mixture = world.mixture("tasks: [mood]").spec
    assert world.examples(world.suite("tasks: [{task: mood, splits: [test]}]"), mixture=mixture)
    with pytest.raises(SuiteError, match="no rows that train"):
        world.examples(world.suite("tasks: [{task: mood, splits: [train]}]"), mixture=mixture)


def test_shots_do_not_come_from_what_is_scored(world: SmallWorld) -> None:
    with pytest.raises(SuiteError, match="another side than the one that is scored"):
        world.suite("shots: 2\ntasks: [{task: dealt, splits: [dev]}]")
    assert world.suite("shots: 2\ntasks: [{task: dealt, splits: [dev], shots: 0}]")
    with pytest.raises(SuiteError, match="another side"):
        world.suite("tasks: [{task: dealt, splits: [dev]}]").with_shots(2)


def test_files_without_splits_keep_their_fingerprint(world: SmallWorld) -> None:
    plain, whole = world.suite("tasks: [dealt]"), world.suite("tasks: [{task: dealt, splits: [dev]}]")
    assert plain.fingerprint != whole.fingerprint
    assert plain.fingerprint == world.suite("tasks: [{task: dealt}]").fingerprint


def test_problems_of_a_whole_split_are_counted(world: SmallWorld) -> None:
    path = world.root / "mood" / "en" / "valid.jsonl"
    path.write_text(path.read_text(encoding="utf-8") + '{"id": 9}\n', encoding="utf-8")
    problems = Problems()
    world.suite("tasks: [{task: dealt, splits: [dev]}]").examples(*world.library, problems)
    assert problems.count("missing_column") == 1


# --- rows that cannot be reached

HUB_CARD = """
dataset: far
cluster: sentiment
source: {kind: hub, id: mtft/nothing-of-that-name, revision: "0123456789012345678901234567890123456789"}
languages: {en: en}
splits: {test: test}
columns: [id, text, label, kind]
metrics: [accuracy]
"""


@pytest.fixture
def far(world: SmallWorld) -> SmallWorld:
    templates = (world.root / "prompts" / "mood" / "templates.yaml").read_text(encoding="utf-8")
    world.card("far", HUB_CARD, templates.partition("templates:")[2])
    return world


def test_a_source_out_of_reach_leaves_the_rest_of_the_suite(
    far: SmallWorld, caplog: pytest.LogCaptureFixture
) -> None:
    problems = Problems()
    found = far.suite("tasks: [far, mood]").examples(*far.library, problems)
    assert {e.cell.task for e in found} == {"mood"}
    assert problems.count("unreachable_source") == 1
    assert "mtft/nothing-of-that-name" in problems.samples[0]
    assert "far:en is not evaluated" in caplog.text


def test_a_suite_of_which_nothing_can_be_reached_says_why(far: SmallWorld) -> None:
    with pytest.raises(SourceError, match="mtft/nothing-of-that-name"):
        far.examples(far.suite("tasks: [far]"))
    index, collection, _ = far.library
    with pytest.raises(SourceError, match="--data_root"):
        far.suite("tasks: [mood, say]").examples(index, collection, Sources(), Problems())


def test_strictly_it_is_an_error(far: SmallWorld) -> None:
    with pytest.raises(TaskError, match="unreachable_source"):
        far.suite("tasks: [far, mood]").examples(*far.library, Problems(strict=True))
