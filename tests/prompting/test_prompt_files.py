"""Reading templates.yaml: promptsource's format, with mistakes told by file and line."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtft.errors import TemplateError
from mtft.prompting import (
    DatasetTemplates,
    LegacyKeyWarning,
    TemplateCollection,
    UnknownTemplateError,
    cache,
    read_templates,
)

ONE, TWO = "0b6d8a9e-91a4-4d6b-8a4a-5b8bbdd6a001", "0b6d8a9e-91a4-4d6b-8a4a-5b8bbdd6a002"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's parsed files are kept."""
    monkeypatch.setenv("MTFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "templates"


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
    path.parent.mkdir(exist_ok=True, parents=True)
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


@pytest.mark.parametrize("reading", ["parsed", "from the cache"])
def test_the_legacy_key_of_public_files_warns_with_file_and_line(tmp_path: Path, reading: str) -> None:
    path = write(tmp_path, entry(task_template="true"))
    if reading != "parsed":
        with pytest.warns(LegacyKeyWarning):
            read_templates(path)
    with pytest.warns(LegacyKeyWarning, match="`task_template`") as caught:
        assert read_templates(path).templates[0].name == "first"
    assert f"{path}:10" in str(caught[0].message)
    assert (caught[0].filename, caught[0].lineno) == (str(path), 10)


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


def test_one_id_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    for name in ("one", "two"):
        path = write(tmp_path / name, entry(), head=f"dataset: {name}/demo\n")
    with pytest.raises(TemplateError, match="once in a collection") as caught:
        TemplateCollection.from_folder(tmp_path).load_all()
    assert f"{path}:3" in str(caught.value)
    assert "one/demo/templates.yaml:3" in str(caught.value)


def test_all_files_of_a_collection_are_read_in_the_order_of_its_keys(tmp_path: Path) -> None:
    write(tmp_path / "b", entry(), head="dataset: b/demo\n")
    write(tmp_path / "a", entry(TWO), head="dataset: a/demo\n")
    collection = TemplateCollection.from_folder(tmp_path)
    assert [templates.dataset for templates in collection.load_all()] == ["a/demo", "b/demo"]
    assert collection.load_all()[0] is collection.get("a/demo")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[" * 100_000,
            "- " * 100_000,
            "{a: " * 100_000,
            "? " * 100_000,
            "a: &x [*x]",
            "*nothing",
            "a: *nothing",
        ),
        *(
            "\n".join(" " * n + "a:" for n in range(2000)),
            "%YAML 3.0\n--- a",
            "a: b\n---\nc: d",
            "\x00",
            "\ufffe",
        ),
        *(
            "!!python/object/apply:os.system ['exit']",
            "dataset: !!binary aGk=\ntemplates: {}",
            "<<: {a: b}",
            "",
        ),
        *(
            "dataset: a\ntemplates: !!set {a, b}",
            "!!python/object:os.system {dataset: a, templates: {}}",
            "dataset: a\ntemplates: &t {*t : *t}",
            "? [a]\n: b",
            "!!seq {a: b}",
            "!!map [a, b]",
            'a: "\\ud800"',
        ),
    ],
)
def test_hostile_yaml_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "templates.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(TemplateError, match=r"templates\.yaml"):
        read_templates(path)


def test_aliases_of_dumped_files_are_followed(tmp_path: Path) -> None:
    shared = "!TemplateMetadata {languages: &l [en], metrics: *l}"
    (template,) = read_templates(write(tmp_path, entry(metadata=shared))).templates
    assert template.metadata.metrics == ("en",)


def test_a_parsed_file_is_kept_by_its_content(tmp_path: Path, own_cache: Path) -> None:
    path = write(tmp_path, entry(), entry(TWO, '"\\x07 two"', reference="'é'"))
    parsed = read_templates(path)
    assert len(list(own_cache.iterdir())) == 1
    kept = read_templates(path)
    assert kept == parsed == read_templates(path, cached=False)
    assert [template.where for template in kept.templates] == [t.where for t in parsed.templates]
    elsewhere = tmp_path / "copy.yaml"
    elsewhere.write_bytes(path.read_bytes())
    assert read_templates(elsewhere).templates[0].where == f"{elsewhere}:3"
    assert len(list(own_cache.iterdir())) == 1
    path.write_text(path.read_text().replace("yes ||| no", "no ||| yes"))
    assert read_templates(path).templates[0].answer_choices == "no ||| yes"


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: b"",
        lambda kept: kept[:-9],
        lambda kept: kept.replace(b"yes", b"not"),
        lambda kept: cache._hash(b"[]").encode() + b"\n[]",
        lambda kept: cache._hash(b"[" * 99_999).encode() + b"\n" + b"[" * 99_999,
        lambda kept: b"\xff\n",
    ],
)
def test_a_damaged_entry_is_as_good_as_none(
    tmp_path: Path, own_cache: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = write(tmp_path, entry())
    parsed = read_templates(path)
    (kept,) = own_cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert read_templates(path) == parsed
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, own_cache: Path) -> None:
    own_cache.parent.mkdir()
    own_cache.write_text("a file where the folder should be")
    path = write(tmp_path, entry())
    assert read_templates(path) == read_templates(path)


def test_the_collection_is_at_the_top_and_loads_on_first_use(tmp_path: Path) -> None:
    code = (
        "import sys, mtft; assert 'jinja2' not in sys.modules and 'yaml' not in sys.modules;"
        "from mtft import TemplateCollection; print(len(TemplateCollection.from_folder(sys.argv[1])))"
    )
    write(tmp_path, entry())
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert answer.stdout.strip() == "1"
