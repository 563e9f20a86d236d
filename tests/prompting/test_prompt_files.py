"""Reading templates.yaml: promptsource's format, with mistakes told by file and line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mtft.errors import TemplateError
from mtft.prompting import DatasetTemplates, TemplateCollection, UnknownTemplateError, read_templates

ONE, TWO = "0b6d8a9e-91a4-4d6b-8a4a-5b8bbdd6a001", "0b6d8a9e-91a4-4d6b-8a4a-5b8bbdd6a002"


def entry(uuid: str = ONE, name: str = "first", **changes: str) -> str:
    keys = {
        "answer_choices": "yes ||| no",
        "id": uuid,
        "jinja": "'{{ q }} ||| {{ answer_choices[label] }}'",
        "metadata": "!TemplateMetadata {choices_in_prompt: false, languages: [en], metrics: [Accuracy], "
        "original_task: true}",
        "name": name,
        "reference": "''",
        **changes,
    }
    return f"  {uuid}: !Template\n" + "".join(f"    {key}: {value}\n" for key, value in keys.items())


def write(folder: Path, *entries: str, head: str = "dataset: demo\n") -> Path:
    path = folder / "demo" / "templates.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + "templates:\n" + "".join(entries), encoding="utf-8")
    return path


def test_a_file_is_read_in_its_order(tmp_path: Path) -> None:
    file = read_templates(write(tmp_path, entry(), entry(TWO, "second", answer_choices="null")))
    assert (file.dataset, file.subset) == ("demo", None)
    first, second = file.templates
    assert (first.id, first.name, first.answer_choices, first.language) == (ONE, "first", "yes ||| no", "en")
    assert first.metadata.choices_in_prompt is False
    assert first.metadata.metrics == ("Accuracy",)
    assert second.answer_choices is None
    assert first.where == f"{tmp_path / 'demo' / 'templates.yaml'}:3"


@pytest.mark.parametrize(
    ("entries", "line", "part"),
    [
        ([entry(), entry(name="second")], 10, f"`{ONE}` again"),
        ([entry(), entry(TWO)], 10, "`first` again"),
        ([entry(jnja="x")], 10, "Did you mean: jinja"),
        ([entry(metadata="!TemplateMetadata {languges: [en]}")], 7, "Did you mean: languages?"),
        ([entry(metadata="!TemplateMetadata {languages: en}")], 7, "list"),
        ([entry(metadata="!TemplateMetadata {original_task: 'yes!'}")], 7, "true, false or null"),
        ([entry(answer_choices="no")], 4, "Quote it"),
        ([entry(name="2020-01-01")], 8, "Quote it"),
        ([entry(id=TWO)], 3, "must equal its key"),
        ([entry("not-a-uuid")], 3, "uuid"),
        ([entry(jinja="''")], 3, "empty"),
        ([entry().replace("!Template\n", "\n")], 4, "!Template"),
        ([entry().replace("!Template\n", "!!python/object:os.system\n")], 3, "!Template"),
        ([entry(reference="!!python/name:os.system ''")], 9, "python/name"),
        ([entry(reference="[a")], 0, "readable YAML"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, entries: list[str], line: int, part: str) -> None:
    path = write(tmp_path, *entries)
    with pytest.raises(TemplateError) as caught:
        read_templates(path)
    assert str(path) in str(caught.value)
    assert part in str(caught.value)
    if line:
        assert f"{path}:{line}" in str(caught.value)


@pytest.mark.parametrize("key", ["id", "jinja", "name"])
def test_keys_that_must_stand(tmp_path: Path, key: str) -> None:
    lines = [line for line in entry().splitlines(True) if not line.startswith(f"    {key}:")]
    with pytest.raises(TemplateError, match=f"`{key}` must be given"):
        read_templates(write(tmp_path, "".join(lines)))


def test_the_legacy_key_of_public_files_is_passed_over(tmp_path: Path) -> None:
    assert read_templates(write(tmp_path, entry(task_template="true"))).templates[0].name == "first"


def test_empty_choices_of_translated_collections_mean_none(tmp_path: Path) -> None:
    (template,) = read_templates(
        write(tmp_path, entry(answer_choices="''", jinja="'{{ q }} ||| a'"))
    ).templates
    rendered = template.render({"q": "b"})
    assert rendered is not None
    assert rendered.answer_choices is None


def test_a_collection_reads_a_dataset_when_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, entry())
    broken = tmp_path / "broken" / "templates.yaml"
    broken.parent.mkdir()
    broken.write_text("dataset: broken\ntemplates: 3\n")
    collection = TemplateCollection.from_folder(tmp_path)
    assert collection.keys() == [("broken", None), ("demo", None)]
    templates = collection.get("demo")
    assert collection.get("demo") is templates
    assert list(templates) == ["first"]
    assert templates.by_id(ONE) is templates["first"]
    with pytest.raises(TemplateError, match="mapping"):
        collection.get("broken")


def test_subsets_and_datasets_with_a_slash(tmp_path: Path) -> None:
    for name, head in (("glue/rte", "dataset: glue\nsubset: rte\n"), ("user/set", "dataset: user/set\n")):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "templates.yaml").write_text(head + "templates:\n" + entry())
    collection = TemplateCollection.from_folder(tmp_path)
    assert collection.keys() == [("glue", "rte"), ("user/set", None)]
    assert collection.get("glue", "rte") is collection.get("glue/rte")
    assert collection.get("glue", "rte").subset == "rte"
    assert collection.get("user/set").dataset == "user/set"


def test_unknown_names_give_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, entry())
    collection = TemplateCollection.from_folder(tmp_path)
    with pytest.raises(TemplateError, match="Did you mean: demo"):
        collection.get("dmo")
    templates = collection.get("demo")
    with pytest.raises(UnknownTemplateError, match="Did you mean: first"):
        templates["frist"]
    with pytest.raises(UnknownTemplateError, match=ONE):
        templates.by_id(ONE[:-1] + "9")
    assert "frist" not in templates
    assert templates.get("frist") is None


def test_a_collection_goes_to_worker_processes(tmp_path: Path) -> None:
    write(tmp_path, entry())
    collection = TemplateCollection.from_folder(tmp_path)
    row = {"q": "why", "label": 0}
    expected = collection.get("demo")["first"].render(row)
    copy = pickle.loads(pickle.dumps(collection))
    assert copy.get("demo")["first"].render(row) == expected is not None


def test_a_file_must_be_where_it_says(tmp_path: Path) -> None:
    write(tmp_path, entry(), head="dataset: other\n")
    with pytest.raises(TemplateError, match="`other` in folder `demo`"):
        TemplateCollection.from_folder(tmp_path).get("demo")


def test_the_first_folder_with_a_dataset_provides_it(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder, name in ((mine, "own"), (theirs, "built in")):
        folder.mkdir()
        write(folder, entry(name=name))
    collection = TemplateCollection.from_folders([mine, theirs])
    assert list(collection.get("demo")) == ["own"]
    assert isinstance(collection.get("demo"), DatasetTemplates)
    with pytest.raises(TemplateError, match="must exist"):
        TemplateCollection.from_folder(tmp_path / "nowhere")
