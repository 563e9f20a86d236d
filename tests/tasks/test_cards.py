"""Cards: strict keys, paths that stay inside, pinned hubs, and a user's own dataset without Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.errors import TaskError, TemplateError
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Problems, Sources, Task, load_card

GOOD = "splits: {train: t}\nsource: {kind: local, path: f.jsonl}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "lables: [a]", "Did you mean: labels"),
        (GOOD + "title: 3", "must be text"),
        (GOOD + "labels: [yes, no]", "Quote it"),
        (GOOD + "no: x", "key must be text"),
        (GOOD + "title: a\ntitle: b", "twice"),
        (GOOD + "metrics: [acuracy]", "Did you mean: accuracy"),
        (GOOD + "reader: xwinogard", "Did you mean: xwinograd"),
        (GOOD + "item_group: '{x|hsh}'", "Did you mean: hash"),
        (GOOD + "item_group: '{x'", "Braces"),
        (GOOD + "licence: CC-BY-NC 4.0", "non_commercial: true"),
        (GOOD + "division: {kind: hsh, shares: {train: 1.0}}", "Did you mean: hash"),
        (GOOD + "division: {kind: hash, shares: {train: 0.5}}", "add up to 1"),
        (GOOD + "division: {sides: {trian: [train]}}", "Did you mean: train"),
        (GOOD + "division: {sides: {train: [trane]}}", "Did you mean: train"),
        (GOOD + "title: !!python/object/apply:os.system [ls]", "readable YAML"),
        ("splits: {train: t}\nsource: {kind: locl, path: f.jsonl}", "Did you mean: local"),
        ("splits: {train: t}\nsource: {kind: local, path: f.xls}", "jsonl, json, csv"),
        ("splits: {train: t}\nsource: {kind: local}", "needs the key `path`"),
        ("splits: {train: t}\nsource: {kind: hub, id: a/b}", "pinned"),
        ("splits: {train: t}\nsource: {kind: hub, id: a/b, revision: main}", "pinned"),
        ("splits: {train: t}\nsource: {kind: hub, id: ../b, revision: refs/convert/parquet}", "owner/name"),
        ("source: {kind: local, path: f.jsonl}", "name its splits"),
        ("splits: {train: t}", "`source` must be given"),
    ],
)
def test_mistakes_in_cards_are_told_with_file_and_remedy(workshop, text, message) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        workshop.card(text)
    assert "task.yaml" in str(caught.value)


def test_an_unknown_key_is_told_with_its_line(workshop) -> None:
    with pytest.raises(TaskError, match=r"task\.yaml:6"):
        workshop.card(GOOD + "lables: [a]")


@pytest.mark.parametrize(
    ("cluster", "good"), [("dialogue_acts", True), ("sentimant", False), ("Sentiment", False), ("a b", False)]
)
def test_clusters_may_be_new_but_not_misspelt(workshop, cluster, good) -> None:
    head = f"dataset: own\ncluster: {cluster}\nlanguages: {{en: en}}\n"
    if good:
        assert workshop.card(GOOD, head=head).cluster == cluster
    else:
        with pytest.raises(TaskError, match="cluster"):
            workshop.card(GOOD, head=head)


def test_a_language_must_be_known_or_described(workshop) -> None:
    with pytest.raises(TaskError, match="`name` and `script`"):
        workshop.card(GOOD, head="dataset: own\ncluster: sentiment\nlanguages: {qxx: en}\n")
    own = "{folder: en, name: Foo, script: Nkoo, direction: rtl}"
    card = workshop.card(GOOD, head=f"dataset: own\ncluster: sentiment\nlanguages: {{qxx: {own}}}\n")
    assert card.language_info("en").direction == "rtl"


def test_a_card_must_say_the_name_of_its_folder(workshop) -> None:
    with pytest.raises(TaskError, match="folder"):
        workshop.card(GOOD, name="other")


@pytest.mark.parametrize(
    "path", ["../x.jsonl", "a/../../x.jsonl", "/etc/x.jsonl", "~/x.jsonl", "..\\\\x.jsonl"]
)
def test_no_path_leaves_the_data_folder(workshop, path) -> None:
    (workshop.data.parent / "x.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(TaskError, match="inside its data folder"):
        workshop.rows(f'source: {{kind: local, path: "{path}"}}\n')


def test_no_folder_name_or_symbolic_link_leads_out(workshop) -> None:
    secret = workshop.data.parent / "secret.jsonl"
    secret.write_text('{"a": 1}\n')
    (workshop.data / "link.jsonl").symlink_to(secret)
    (workshop.data / "up").symlink_to(workshop.data.parent)
    for path in ("link.jsonl", "up/secret.jsonl", "up/*.jsonl", "l*.jsonl"):
        with pytest.raises(TaskError, match="inside its data folder"):
            workshop.rows(f'source: {{kind: local, path: "{path}"}}\n')
    card = workshop.card(
        "splits: {train: t}\nsource: {kind: local, path: '{folder}/secret.jsonl'}\n",
        head="dataset: own\ncluster: sentiment\nlanguages: {en: ..}\n",
    )
    with pytest.raises(TaskError, match="inside its data folder"):
        list(Task(card, "..").rows("train", Sources(workshop.data), Problems()))


def test_links_inside_the_data_folder_are_fine(workshop) -> None:
    workshop.file("real.jsonl", '{"a": 1}\n')
    (workshop.data / "link.jsonl").symlink_to(workshop.data / "real.jsonl")
    assert len(workshop.rows("source: {kind: local, path: link.jsonl}\n")) == 1


def test_a_missing_file_is_counted_and_a_missing_data_folder_fatal(workshop) -> None:
    problems, text = Problems(), "source: {kind: local, path: none.jsonl}\n"
    assert workshop.rows(text, problems) == []
    assert (problems.count("missing_file"), problems.count("empty_split")) == (1, 0)
    with pytest.raises(TaskError, match="missing_file"):
        workshop.rows(text, strict=True)
    with pytest.raises(TaskError, match="--data_root"):
        list(Task(workshop.card("splits: {train: t}\n" + text), "en").rows("train", Sources(), Problems()))


def test_an_own_dataset_needs_one_card_and_no_python(workshop) -> None:
    workshop.file("mine/train.tsv", "text\tlabel\nfine\tgood\nawful\tbad\n")
    workshop.card(
        "splits: {train: train.tsv}\nsource: {kind: local, path: 'mine/{file}'}\n"
        "labels: [bad, good]\ntransforms: [{label: label}]\ncolumns: [text, label]\nmetrics: [accuracy]\n"
    )
    workshop.templates()
    folders = [workshop.cards, builtin_folder("prompts")]
    card = CardIndex.load(folders).get("own")
    (task,) = card.tasks(languages=["eng_Latn"], collection=TemplateCollection.from_folders(folders))
    examples = list(task.examples("train", Sources(workshop.data, strict=True), Problems()))
    assert [(e.inputs, e.target) for e in examples] == [
        ("Is it good? fine", "good"),
        ("Is it good? awful", "bad"),
    ]
    assert {(e.task, e.dataset, e.config, e.split, e.language, e.prompt_language) for e in examples} == {
        ("own", "own", "en", "train", "en", "en")
    }
    assert len(examples[0].source_revision) == 32
    assert task.key == "own:en"


def test_files_beside_the_card(workshop) -> None:
    card = workshop.card("splits: {train: t}\nsource: {kind: local, path: f.jsonl, root: card}\n")
    (card.path.parent / "f.jsonl").write_text('{"a": 1}\n')
    assert len(list(Task(card, "en").rows("train", Sources(), Problems()))) == 1


def test_own_folders_go_before_the_built_in_ones(workshop) -> None:
    head = "dataset: xcopa\ncluster: sentiment\nlanguages: {en: en}\n"
    workshop.card(GOOD, name="xcopa", head=head)
    index = CardIndex.load([workshop.cards, builtin_folder("prompts")])
    assert index.get("xcopa").cluster == "sentiment"
    assert "xquad" in index.names()


def test_unknown_names_are_errors_that_name_the_nearest(workshop) -> None:
    index = CardIndex.load([builtin_folder("prompts")])
    with pytest.raises(TaskError, match="Did you mean: xcopa"):
        index.get("xcpa")
    card = index.get("xcopa")
    with pytest.raises(TaskError, match=r"Did you mean: et"):
        card.tasks(languages=["ext"])
    with pytest.raises(TemplateError):
        card.tasks(templates=["no such template"])
    with pytest.raises(TaskError, match="prompt languages"):
        card.tasks(prompt_languages=["yo"])
    with pytest.raises(TaskError, match="exist"):
        CardIndex.load([workshop.cards / "nowhere"])


def test_a_template_may_use_only_the_columns_of_the_card(workshop) -> None:
    card = workshop.card(GOOD + "columns: [txt, label]\n")
    workshop.templates()
    with pytest.raises(TaskError, match="Did you mean: txt"):
        card.tasks(collection=TemplateCollection.from_folder(workshop.cards))


def test_prompts_are_english_and_in_the_rows_language_unless_asked_otherwise() -> None:
    card = CardIndex.load([builtin_folder("prompts")]).get("xcopa")
    for task in card.tasks(languages=["tr", "et"]):
        assert {template.language for template in task.templates} <= {"en", task.language}
    (own,) = card.tasks(languages=["tr"], prompt_languages=["own"])
    assert {template.language for template in own.templates} == {"tr"}


BUILTIN = sorted(builtin_folder("prompts").rglob("task.yaml"))


def test_cards_are_found() -> None:
    assert len(BUILTIN) >= 90


@pytest.mark.parametrize(
    "path", BUILTIN, ids=lambda p: p.parent.relative_to(builtin_folder("prompts")).as_posix()
)
def test_every_built_in_card_is_complete_and_fits_its_templates(path: Path) -> None:
    card = load_card(path, path.parent.relative_to(builtin_folder("prompts")).as_posix())
    assert card.title
    assert card.metrics
    assert card.licence != "unknown" or card.source.kind == "hub"  # what no source says is not guessed
    assert card.source.kind == "synthetic" or (
        card.citation and card.homepage.startswith(("https://", "http://"))
    )
    assert all(task.templates for task in card.tasks())


def test_non_commercial_sets_are_flagged() -> None:
    index = CardIndex.load([builtin_folder("prompts")])
    flagged = {name for name in index.names() if index.get(name).non_commercial}
    assert {"masakhaner2", "masakhaner2_tags", "neural_code_search"} <= flagged
