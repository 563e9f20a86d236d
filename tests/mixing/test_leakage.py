"""Rows that one dataset took from another: recognised by label and by reference, left out or counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.errors import MixtureError
from mtft.mixing import BuiltMixture, Mixture, MixtureSpec
from mtft.mixing.leakage import Leakage, leakage
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources
from mtft.tasks.copies import reference_hash
from tests.mixing.conftest import World, template

CARD = """
dataset: {name}
cluster: structure_to_text
licence: CC0-1.0
source: {{kind: local, path: "{name}/{{file}}.jsonl"}}
languages: {{en: en}}
splits: {{train: train, test: test}}
item_group: "{name}:{{split}}:{{id}}"
metrics: [chrf]
"""
COPIES = "copies: {column: source, of: {first: ours, ours_too: ours, elsewhere: theirs}}\n"
SPEC = """
name: copied
tasks: [ours, collected]
held_out: {report: {tasks: [collected]}}
leakage: MODE
"""


def facts(*numbers: int, source: str = "") -> list[dict[str, object]]:
    return [
        {"id": n, "fact": f"fact {n}", "references": [f"It is {n}.", f"{n}, it is said"], "source": source}
        for n in numbers
    ]


@pytest.fixture
def copied(tmp_path: Path) -> World:
    """`collected` has rows 3 and 7 of `ours` under a label, and row 8, in other spelling, without one."""
    world = World(tmp_path)
    for name, more, uuid in (("ours", "", 11), ("collected", COPIES, 12)):
        folder = world.prompts / name
        folder.mkdir(parents=True)
        (folder / "task.yaml").write_text(CARD.format(name=name) + more)
        jinja = "Say {{ fact }}. ||| {{ references | join('|||') }}"
        (folder / "templates.yaml").write_text(
            f"dataset: {name}\ntemplates:" + template(uuid, "say", jinja, "null")
        )
    world.write("ours/train.jsonl", facts(1, 2, 3))
    world.write("ours/test.jsonl", facts(7, 8))
    world.write("collected/train.jsonl", facts(50, source="own"))
    spelled = {"id": 8, "fact": "fact 8", "references": ["IT IS  8", "an own wording"], "source": "own"}
    rows = [
        *facts(3, 7, source="first"),
        spelled,
        *facts(60, 61, source="own"),
        *facts(62, source="elsewhere"),
    ]
    world.write("collected/test.jsonl", rows)
    return world


def built(world: World, mode: str) -> BuiltMixture:
    return world.build(SPEC.replace("MODE", mode))


def reported(world: World, mode: str) -> list[str]:
    spec = world.spec(SPEC.replace("MODE", mode))
    (task,) = world.cells(spec).report
    return [str(row.fields["id"]) for row in task.rows("test", world.sources(), Problems())]


def test_letters_and_digits_decide_whether_two_references_are_one() -> None:
    assert reference_hash('The "Great  Hall", 1888.') == reference_hash("the great hall 1888")
    assert reference_hash("ＡＢ１") == reference_hash("ab1")
    assert reference_hash("18.88") != reference_hash("18.89")


def test_copies_are_left_out_of_what_is_reported(copied: World) -> None:
    assert reported(copied, "exclude") == ["60", "61", "62"]
    assert reported(copied, "report") == ["3", "7", "8", "60", "61", "62"]


@pytest.mark.parametrize("mode", ["exclude", "report"])
def test_the_counts_stand_in_manifest_and_description(copied: World, mode: str) -> None:
    found = built(copied, mode)
    train, test = found.leakage
    assert (train.side, train.rows, train.copies) == ("train", 1, 0)
    expected = Leakage("collected", "en", "test", 6, 3, 12, 6, 4, 5, {"ours": 6})
    assert test == expected
    mixture = Mixture(found, found.index())
    record = mixture.manifest()["leakage"]
    assert record["mode"] == mode
    assert record["cells"][1]["copied"] == 6
    line = "3 of 6 rows, 6 of 12 references (50.0%) come from ours (4 by label, 5 by match)"
    assert line in mixture.describe(width=200)


def test_copies_do_not_train_where_their_origin_is_reported(copied: World) -> None:
    copied.write("collected/train.jsonl", [*facts(7, source="first"), *facts(50, source="own")])
    text = SPEC.replace("tasks: [collected]", "tasks: [ours]").replace("MODE", "exclude")
    mixture = copied.build(text)
    (shard,) = mixture.shards
    assert shard.summary.rows == 1
    assert shard.summary.dropped["copy_of_another_dataset"] == 1
    kept = copied.build(text.replace("exclude", "report"), cache="cache")
    assert kept.shards[0].summary.rows == 2, "another mode is another shard"


def test_a_new_row_of_the_origin_is_seen(copied: World) -> None:
    assert built(copied, "exclude").leakage[1].copies == 3
    copied.write("ours/test.jsonl", facts(7, 8, 60))
    assert built(copied, "exclude").leakage[1].copies == 4
    assert reported(copied, "exclude") == ["61", "62"]


def test_alone_a_dataset_has_no_copies(copied: World) -> None:
    found = copied.build("name: alone\ntasks: [collected]\nleakage: exclude\n")
    assert found.leakage == ()
    assert found.spec.fingerprint != copied.build("name: alone\ntasks: [collected]\n").spec.fingerprint


def test_the_mode_must_be_known(copied: World) -> None:
    with pytest.raises(MixtureError, match=r"`leakage` must be one of report, exclude\..*mean: exclude"):
        MixtureSpec.load(copied.spec(SPEC.replace("MODE", "exlude")).path)


@pytest.fixture(scope="module")
def dart(data_root: Path) -> dict[str, Leakage]:
    """What DART has from WebNLG and E2E in the built-in mixture, by side."""
    cells = MixtureSpec.load("d2t").resolve(
        CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin()
    )
    return {found.side: found for found in leakage(cells, Sources(data_root=data_root))}


@pytest.mark.data
@pytest.mark.parametrize(("side", "share"), [("validation", 0.941), ("test", 0.952)])
def test_most_of_dart_comes_from_webnlg_and_e2e(dart: dict[str, Leakage], side: str, share: float) -> None:
    found = dart[side]
    assert found.copied / found.references == pytest.approx(share, abs=0.001)
    assert found.labelled == found.copied, "every copy is labelled"
    assert set(found.of) == {"webnlg", "e2e_cleaned"}


@pytest.mark.data
def test_matching_alone_finds_what_the_files_at_hand_hold(dart: dict[str, Leakage]) -> None:
    """The local files are slices of WebNLG and E2E, so most originals are not there to be met."""
    assert (dart["validation"].matched, dart["validation"].references) == (1850, 5093)
    assert (dart["test"].matched, dart["test"].references) == (342, 2426)


@pytest.mark.data
def test_the_built_in_mixture_reports_only_what_is_darts_own(data_root: Path) -> None:
    cells = MixtureSpec.load("d2t").resolve(
        CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin()
    )
    task = next(task for task in cells.report if task.name == "dart")
    found = list(task.rows("test", Sources(data_root=data_root), Problems()))
    assert len(found) == 117
    assert {row.fields["category"] for row in found} == {"WikiSQL", "WikiTableQuestions"}
