"""Every suite under eval/ is read and its cells resolve against the cards, without the Hub and without data."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.evaluation import Suite
from mtft.evaluation.cells import Asked, eval_cell
from mtft.evaluation.metrics import METRICS
from mtft.mixing import MixtureSpec
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources, TaskCard

INDEX = CardIndex.load([builtin_folder("prompts")])
COLLECTION = TemplateCollection.builtin()
FILES = sorted((builtin_folder("eval") / "suites").rglob("*.yaml"))
NAMES = [path.stem for path in FILES]
# Which metrics the suites of one kind of task must report.
KINDS = {
    "tagging": {"span_f1", "malformed_rate"},
    "tagging_formats": {"tag_f1", "tag_accuracy", "malformed_rate", "copy_mismatch_rate"},
    "query_domains": {"roc_auc", "label_accuracy"},
    "ranking": {"ndcg", "mrr", "auc", "auc_overall"},
    "qa": {"f1", "exact_match"},
    "summarization": {"rouge_l", "rouge_1", "rouge_2", "chrf", "chrf_pp"},
    "translation": {"chrf", "chrf_pp", "bleu", "bleu_lc"},
}


def asked_of(name: str) -> list[Asked]:
    suite = Suite.load(name)
    trained = MixtureSpec.load(suite.mixture).resolve(INDEX, COLLECTION) if suite.mixture else None
    return suite.asked(INDEX, COLLECTION, trained)


def test_the_suites_that_are_promised_are_there() -> None:
    assert len(NAMES) >= 17
    assert {"xp3_heldout", "xp3_validation", "crosslingual_local", "d2t", "older_systems", *KINDS} <= set(
        NAMES
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_has_a_card_templates_and_scorers(name: str) -> None:
    suite = Suite.load(name)
    assert suite.name == name
    assert suite.title
    asked = asked_of(name)
    assert asked
    keys = [a.task.key for a in asked]
    assert len(keys) == len(set(keys)), "a cell stands once"
    for one in asked:
        assert one.templates
        cell = eval_cell(one, None, ())
        assert set(cell.metrics) <= set(METRICS)
        card = one.task.card
        assert set(one.splits) <= set(card.splits)
        side = "test" if suite.side == "test" else "validation"
        assert one.splits or card.source.kind == "synthetic" or card.division.splits_of(side, card.splits)


@pytest.mark.parametrize("name", KINDS)
def test_a_suite_of_one_kind_of_task_reports_its_metrics(name: str) -> None:
    for one in asked_of(name):
        cell = eval_cell(one, None, ())
        assert {m.name for scorer in cell.metrics for m in METRICS[scorer]} == KINDS[name]


def test_choosing_checkpoints_of_xp3_looks_at_nothing_that_trains_or_is_reported() -> None:
    chosen, reported = asked_of("xp3_validation"), asked_of("xp3_heldout")
    cards: list[TaskCard] = [INDEX[a.task.name] for a in chosen]
    told = [INDEX[a.task.name] for a in reported]
    assert not {c.name for c in cards} & {c.name for c in told}
    assert not {c.cluster for c in cards} & {c.cluster for c in told}
    assert not {str(c.item_group) for c in cards} & {str(c.item_group) for c in told}
    for name in ("xp3", "xp3mt", "xp3all"):
        spec = MixtureSpec.load(name)
        held = spec.validation.tasks
        trained = {entry.task for entry in spec.entries} - set(held)
        assert not {c.name for c in cards} & trained
        assert set(held) <= {c.name for c in cards}


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "tasks", "languages"),
    [
        ("xp3_heldout", ["xcopa", "xwinograd"], ["qu", "zh", "pt"]),
        ("xp3_validation", [], ["sw", "jv", "yo", "en"]),
        ("tagging", [], ["ha", "zu"]),
        ("tagging_formats", [], ["ha", "zu"]),
        ("query_domains", [], ["sw", "th"]),
        ("ranking", [], []),
        ("qa", ["xquad"], ["th", "zh", "ar"]),
        ("translation", ["nusax_mt"], ["bug"]),
    ],
)
def test_the_local_part_of_a_suite_has_rows(
    name: str, tasks: list[str], languages: list[str], data_root: Path
) -> None:
    problems = Problems()
    suite = Suite.load(name).with_items(3).restricted_to(tasks, languages)
    found = suite.examples(INDEX, COLLECTION, Sources(data_root=data_root), problems)
    asked = {a.task.key for a in suite.asked(INDEX, COLLECTION)}
    assert len(problems) == 0
    assert {f"{e.cell.task}:{e.cell.config}" for e in found} == asked
    assert all(e.example.inputs and e.example.targets for e in found)
