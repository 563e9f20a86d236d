from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from pathlib import Path

import pytest

from mtft.errors import MtftError, RunError, SuiteError, TaskError
from mtft.evaluation import EvalExample, Suite, TrainedOn, cells_of, examples_fingerprint
from mtft.evaluation.drawing import drawn
from mtft.mixing import MixtureSpec
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Row, Sources


@pytest.fixture(scope="module")
def index() -> CardIndex:
    return CardIndex.load([builtin_folder("prompts")])


@pytest.fixture(scope="module")
def collection() -> TemplateCollection:
    return TemplateCollection.builtin()


def written(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def build(
    suite: Suite, index: CardIndex, collection: TemplateCollection, root: Path | None = None
) -> list[EvalExample]:
    return suite.examples(index, collection, Sources(data_root=root), Problems())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\ntask: [xcopa]\n", "tasks"),
        ("name: a\n", "`tasks` or a `mixture`"),
        ("name: a\ntasks: [{task: xcopa, langages: [et]}]\n", "languages"),
        ("name: a\nprotocol: bloms\ntasks: [xcopa]\n", "bloomz"),
        ("name: a\nside: tset\ntasks: [xcopa]\n", "test"),
        ("name: a\ncells: [reprot]\nmixture: mini_xp3\n", "report"),
        ("name: a\ncells: [validation]\nmixture: mini_xp3\n", "validation side"),
        ("name: a\ntasks: [{task: xcopa, metrics: [acuracy]}]\n", "accuracy"),
        ("name: a\nmax_items_per_cell: 0\ntasks: [xcopa]\n", "at least 1"),
        ("name: a\nmax_items_per_cell: many\ntasks: [xcopa]\n", "whole number"),
        ("[a]\n", "mapping"),
        ("name: [\n", "YAML"),
    ],
)
def test_a_mistake_in_the_file_is_a_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        Suite.load(written(tmp_path, text))
    assert "card" not in str(caught.value)


def test_unknown_names_give_the_nearest(
    tmp_path: Path, index: CardIndex, collection: TemplateCollection
) -> None:
    with pytest.raises(MtftError, match="mini_xp3"):
        Suite.load("mini_xp")
    for tasks, message in (
        ("[xcoppa]", "xcopa"),
        ("[{task: sib200, languages: [enn]}]", "en"),
        ("[{task: mini_xp3/nli, exclude_languages: [qzz]}]", "qac"),
        ("[{task: mini_xp3/nli, templates: [folows]}]", "follows"),
    ):
        suite = Suite.load(written(tmp_path, f"name: a\ntasks: {tasks}\n"))
        with pytest.raises(MtftError, match=message):
            build(suite, index, collection)


@pytest.fixture(scope="module")
def mini(index: CardIndex, collection: TemplateCollection) -> list[EvalExample]:
    return build(Suite.load("mini_xp3").with_items(20), index, collection)


def test_the_mixtures_cells_are_seen_or_held_out(
    mini: list[EvalExample], index: CardIndex, collection: TemplateCollection
) -> None:
    cells = MixtureSpec.load("mini_xp3").resolve(index, collection)
    seen = {f"{c.task}:{c.config}": c.seen for c in cells_of(mini)}
    trained, clusters = {t.task.key for t in cells.train}, {t.task.cluster for t in cells.train}
    for key, found in seen.items():
        assert (found == "seen") == (key in trained)
    for task in cells.report:
        expected = "held_out_cluster" if task.cluster not in clusters else "held_out_pair"
        assert seen[task.key] == expected
    assert {"seen", "held_out_cluster", "held_out_pair"} == set(seen.values())
    assert not {t.key for t in cells.validation} & set(seen)  # what selects checkpoints is not reported
    assert {c.language_status for c in cells_of(mini)} == {"trained"}


def test_at_most_so_many_trained_languages_per_task(mini: list[EvalExample]) -> None:
    trained = defaultdict(set)
    for cell in cells_of(mini):
        if cell.seen == "seen":
            trained[cell.task].add(cell.config)
    assert trained
    assert max(map(len, trained.values())) <= 2


def test_items_are_capped_and_shared_by_templates_and_languages(mini: list[EvalExample]) -> None:
    ids = defaultdict(list)
    for e in mini:
        ids[e.cell.task, e.cell.config, e.template].append(e.example.item_group)
    assert max(map(len, ids.values())) == 20
    for task in ("mini_xp3/nli", "mini_xp3/topic"):
        drawn_groups = {tuple(sorted(groups)) for (t, _, _), groups in ids.items() if t == task}
        assert len(drawn_groups) == 1


def test_the_draw_is_nested_and_ignores_the_order_of_rows() -> None:
    rows = [Row({}, f"r{n}", f"g{n // 3}", "en", "file:1") for n in range(60)]
    few, more = drawn(rows, 10), drawn(list(reversed(rows)), 25)
    assert few == more[:10]
    assert len(drawn(rows, None)) == 60
    groups = drawn(rows, 4, whole_groups=True)
    assert len(groups) == 12
    assert len({row.item_group for row in groups}) == 4


def test_the_fingerprint_tells_what_is_evaluated(mini: list[EvalExample]) -> None:
    suite = Suite.load("mini_xp3")
    assert suite.with_items(20).fingerprint != suite.fingerprint
    assert suite.with_items(None) == suite
    assert examples_fingerprint(mini) == examples_fingerprint(list(reversed(mini)))
    assert examples_fingerprint(mini) != examples_fingerprint(mini[1:])


def test_a_suite_may_not_report_what_selects_checkpoints(
    tmp_path: Path, index: CardIndex, collection: TemplateCollection
) -> None:
    text = "name: a\nmixture: mini_xp3\ntasks: [{task: mini_xp3/nli, languages: [qad]}]\n"
    with pytest.raises(SuiteError, match="must not be reported"):
        build(Suite.load(written(tmp_path, text)), index, collection)
    validation = Suite.load(written(tmp_path, text + "side: validation\nmax_items_per_cell: 5\n"))
    assert {e.example.split for e in build(validation, index, collection)} == {"validation"}


def test_validation_cells_on_the_validation_side(
    tmp_path: Path, index: CardIndex, collection: TemplateCollection
) -> None:
    text = "name: a\nmixture: mini_xp3\ncells: [validation]\nside: validation\nmax_items_per_cell: 3\n"
    found = build(Suite.load(written(tmp_path, text)), index, collection)
    assert {e.cell.config for e in found} == {"qad"}


def test_without_a_mixture_nothing_is_called_held_out(
    tmp_path: Path, index: CardIndex, collection: TemplateCollection
) -> None:
    text = "name: a\nmax_items_per_cell: 2\ntasks: [mini_xp3/qa, {task: mini_xp3/nli, languages: [en]}]\n"
    found = build(Suite.load(written(tmp_path, text)), index, collection)
    assert {e.cell.seen for e in found} == {"unknown"}
    assert {e.cell.metrics for e in found if e.cell.task == "mini_xp3/qa"} == {("qa",)}


TWO_TASKS = """name: a
max_items_per_cell: 2
tasks: [{task: mini_xp3/nli, exclude_languages: [qad]}, {task: mini_xp3/qa, exclude_languages: [qad]}]
"""


def test_what_a_finished_model_was_trained_on_decides_what_is_held_out(
    tmp_path: Path, index: CardIndex, collection: TemplateCollection
) -> None:
    """As its run's manifest says it; a suite without a mixture then claims as much as one with it."""
    spec = MixtureSpec.load("mini_xp3")
    mixed = TrainedOn.of_cells("mini_xp3", spec.resolve(index, collection))
    units = [{"task": key.partition(":")[0], "config": key.partition(":")[2]} for key in sorted(mixed.keys)]
    for unit in units:
        card = index.get(unit["task"])
        unit |= {"cluster": card.cluster, "language": card.variants[unit["config"]].language}
    manifest = {"name": "mini_xp3", "units": units, "held_out": {"validation": []}}
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    trained = TrainedOn.of_manifest(path, index)
    assert trained == dataclasses.replace(mixed, selecting=frozenset())
    suite = Suite.load(written(tmp_path, TWO_TASKS))
    found = suite.examples(index, collection, Sources(), Problems(), trained=trained)
    own = {(e.cell.task, e.cell.config): e.cell.seen for e in found}
    mini = suite.examples(index, collection, Sources(), Problems(), mixture=spec)
    assert own == {(e.cell.task, e.cell.config): e.cell.seen for e in mini}
    english = dataclasses.replace(trained, languages=frozenset({"en"}))
    for pretrained, expected in (
        (None, {"trained", ""}),
        (["qab"], {"trained", "pretrained_only", "unseen"}),
    ):
        found = suite.examples(
            index, collection, Sources(), Problems(), trained=english, pretrained=pretrained
        )
        assert {e.cell.language_status for e in found} == expected
    path.write_text('{"units": [{"task": 1}]}', encoding="utf-8")
    with pytest.raises(RunError, match="manifest"):
        TrainedOn.of_manifest(path, index)


def test_a_cell_that_selected_the_models_checkpoint_is_not_reported(
    tmp_path: Path, index: CardIndex, collection: TemplateCollection
) -> None:
    trained = TrainedOn("m", frozenset(), frozenset(), frozenset(), frozenset({"mini_xp3/nli:en"}))
    suite = Suite.load(written(tmp_path, "name: a\ntasks: [{task: mini_xp3/nli, languages: [en]}]\n"))
    with pytest.raises(SuiteError, match="selects checkpoints"):
        suite.examples(index, collection, Sources(), Problems(), trained=trained)


@pytest.mark.parametrize(
    "twice",
    [
        "[mini_xp3/nli, mini_xp3/nli]",
        "[mini_xp3/nli, {task: mini_xp3/nli, languages: [en], max_items_per_cell: 3}]",
    ],
)
def test_a_cell_is_asked_for_once(
    twice: str, tmp_path: Path, index: CardIndex, collection: TemplateCollection
) -> None:
    suite = Suite.load(written(tmp_path, f"name: a\ntasks: {twice}\n"))
    with pytest.raises(SuiteError, match="asked for once"):
        suite.asked(index, collection)


OWN_CARD = """dataset: own
cluster: sentiment
source: {kind: local, path: "rows.jsonl"}
languages: {en: en}
splits: {test: test}
metrics: [accuracy]
"""
OWN_TEMPLATES = """dataset: own
templates:
  3f3cb0f2-6bb8-4d8c-9c69-3c8f1f0b6a51: !Template
    answer_choices: good ||| bad
    id: 3f3cb0f2-6bb8-4d8c-9c69-3c8f1f0b6a51
    jinja: "{{text}} Good or bad? ||| {{answer}}"
    metadata: !TemplateMetadata {choices_in_prompt: true, languages: [en], metrics: [Accuracy],
    original_task: true}
    name: plain
    reference: ""
"""


def test_rows_that_cannot_be_scored_are_counted_and_fatal_under_strict(
    tmp_path: Path, collection: TemplateCollection
) -> None:
    folder = tmp_path / "prompts" / "own"
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text(OWN_CARD, encoding="utf-8")
    (folder / "templates.yaml").write_text(OWN_TEMPLATES, encoding="utf-8")
    rows = '{"text": "Fine.", "answer": "good"}\n{"text": "Poor.", "answer": "awful"}\n'
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    index = CardIndex.load([tmp_path / "prompts"])
    own = TemplateCollection.from_folder(tmp_path / "prompts")
    suite = Suite.load(written(tmp_path, "name: a\ntasks: [own]\n"))
    problems = Problems()
    found = suite.examples(index, own, Sources(data_root=tmp_path), problems)
    assert len(found) == 1
    assert len(problems) == 1
    with pytest.raises(TaskError):
        suite.examples(index, own, Sources(data_root=tmp_path), Problems(strict=True))


def test_a_template_without_choices_cannot_be_ranked(tmp_path: Path) -> None:
    folder = tmp_path / "prompts" / "own"
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text(OWN_CARD, encoding="utf-8")
    free = OWN_TEMPLATES.replace("answer_choices: good ||| bad", "answer_choices: null")
    (folder / "templates.yaml").write_text(free, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"text": "Fine.", "answer": "good"}\n', encoding="utf-8")
    index, own = CardIndex.load([tmp_path / "prompts"]), TemplateCollection.from_folder(tmp_path / "prompts")
    problems = Problems()
    suite = Suite.load(written(tmp_path, "name: a\ntasks: [own]\n"))
    found = suite.examples(index, own, Sources(data_root=tmp_path), problems)
    assert len(found) == 1  # it stays, and counts as unscored
    assert problems.count("unscorable") == 1
    assert "gives no answer choices" in problems.samples[0]


@pytest.mark.data
@pytest.mark.parametrize("name", ["open_multilingual", "crosslingual_local"])
def test_suites_on_real_data(
    name: str, index: CardIndex, collection: TemplateCollection, data_root: Path
) -> None:
    problems = Problems()
    suite = Suite.load(name).with_items(8)
    found = suite.examples(index, collection, Sources(data_root=data_root), problems)
    cells = cells_of(found)
    assert len(problems) == 0
    assert len({c.task for c in cells}) >= 9
    assert len({c.language for c in cells}) >= 20
    drawn_groups: dict[tuple[str, str], set[str]] = defaultdict(set)
    for e in found:
        drawn_groups[e.cell.task, e.cell.config].add(e.example.item_group)
    shared: dict[str, set[frozenset[str]]] = defaultdict(set)
    for (task, _), groups in drawn_groups.items():
        shared[task].add(frozenset(groups))
    assert all(len(shared[task]) == 1 for task in ("sib200", "xcopa", "nusax_senti", "xquad"))
