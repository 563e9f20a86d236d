"""Every recipe file is read by the real parser, names what exists, and says where its values are from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.errors import ConfigError
from mtft.evaluation import Suite
from mtft.mixing import MixtureSpec
from mtft.modeling import SIZES
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.runs import RunArguments, read_recipe
from mtft.runs.settings import StrictParser, load_settings
from mtft.tasks import CardIndex
from mtft.training import MultitaskArguments

FILES = sorted((builtin_folder("recipes") / "runs").glob("*.yaml"))
PUBLISHED = [path for path in FILES if path.stem.startswith(("bloomz_", "mt0_"))]
KNOWN = StrictParser(RunArguments, MultitaskArguments).known
# Billions of tokens that the model cards state.
CARDS = {"bloomz_560m": 3.67, "bloomz_1b7": 8.39, "bloomz_3b": 8.39, "bloomz_176b": 2.09}


@pytest.fixture(scope="module")
def library() -> tuple[CardIndex, TemplateCollection]:
    folders = [builtin_folder("prompts")]
    return CardIndex.load(folders), TemplateCollection.from_folders(folders)


def blocks(path: Path) -> list[list[str]]:
    """The flags for the file itself, for each of its mixtures and for each of its presets."""
    content = load_settings(path, KNOWN)
    chosen = [["--mixture", name] for name in content["mixtures"]]
    return [[], *chosen, *(["--preset", name] for name in content["presets"])]


def test_all_published_sizes_are_there() -> None:
    assert len(PUBLISHED) == 11
    assert len(FILES) >= 14


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_what_a_recipe_names_exists(path: Path, tmp_path: Path) -> None:
    for flags in blocks(path):
        run, training = read_recipe(["--recipe", path.stem, "--output_dir", str(tmp_path), *flags])
        spec = MixtureSpec.load(run.mixture)
        Suite.load(run.suite or spec.name)
        assert run.model in SIZES or re.fullmatch(r"(bigscience/bloom|google/mt5)(-\w+)?", run.model)
        assert training.max_steps > 0
        if training.packing:
            assert len(training.pack_capacity) == (1 if run.family == "bloom" else 2)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda p: p.stem)
def test_every_value_of_a_published_recipe_has_its_source(path: Path) -> None:
    """In a comment on its line."""
    text = path.read_text(encoding="utf-8").split("\nmixtures:")[0]
    sourced = re.findall(r"^(\w+): .+ # \S.*$", text, flags=re.MULTILINE)
    free = {"extends", "family", "save_strategy", "max_target_tokens"}
    assert set(yaml.safe_load(text)) - free - set(sourced) == set()


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda p: p.stem)
def test_the_published_batch_and_steps_make_the_published_tokens(path: Path, tmp_path: Path) -> None:
    run, training = read_recipe(["--recipe", path.stem, "--output_dir", str(tmp_path)])
    assert training.loss_normalization == "target"
    family, _, size = path.stem.partition("_")
    base = {"bloomz": "bigscience/bloom", "mt0": "google/mt5"}[family]
    assert run.model == (base if size == "176b" else f"{base}-{size}")
    if path.stem in CARDS:
        tokens = training.max_steps * training.global_batch_size * training.pack_capacity[0]
        assert round(tokens / 1e9, 2) == CARDS[path.stem]


def test_the_published_suite_asks_nothing_that_the_mixture_trains(
    library: tuple[CardIndex, TemplateCollection],
) -> None:
    cells = MixtureSpec.load("xp3").resolve(*library)
    trained = {cell.task.card.name for cell in cells.train}
    assert trained
    assert not trained & {entry.task for entry in Suite.load("xp3_heldout").tasks}


def test_a_recipe_must_be_named_and_known() -> None:
    with pytest.raises(ConfigError, match="must name a recipe"):
        read_recipe(["--max_steps", "3"])
    with pytest.raises(ConfigError, match="bloomz_560m"):
        read_recipe(["--recipe", "bloomz_560"])


def test_the_folder_is_named_after_the_recipe(tmp_path: Path) -> None:
    assert read_recipe(["--recipe", "mt0_xl"])[1].output_dir == "runs/mt0_xl"
    path = tmp_path / "own.yaml"
    path.write_text("extends: mt0_xl\nlearning_rate: 1.0e-4\n")
    _, training = read_recipe(["--recipe", str(path)])
    assert (training.output_dir, training.learning_rate, training.max_steps) == ("runs/own", 1e-4, 10_000)


def test_a_file_goes_over_the_one_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "mixture: a\nmax_steps: 1\nseed: 1\npresets: {p: {max_steps: 3}, q: {max_steps: 5}}\n"
    )
    child = tmp_path / "child.yaml"
    child.write_text("extends: base.yaml\nmax_steps: 2\npresets: {q: {max_steps: 4}}\n")
    flags = ([], ["--preset", "p"], ["--preset", "q"])
    assert [read_recipe(["--recipe", str(child), *f])[1].max_steps for f in flags] == [2, 3, 4]


def test_a_file_that_extends_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ConfigError, match="must not extend itself"):
        read_recipe(["--recipe", str(tmp_path / "a.yaml")])
    (tmp_path / "c.yaml").write_text("extends: mt0_xxxl\n")
    with pytest.raises(ConfigError, match="mt0_xxl"):
        read_recipe(["--recipe", str(tmp_path / "c.yaml")])


def test_recipes_are_listed() -> None:
    listed = CliRunner().invoke(app, ["recipes", "list"]).stdout
    assert "runs/bloomz_7b1" in listed
    assert "BLOOMZ, 7.1B" in listed
