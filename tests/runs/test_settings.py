from __future__ import annotations

from pathlib import Path

import pytest

from mtft.errors import ConfigError
from mtft.resources import builtin_folder
from mtft.runs import RunArguments, read_settings, read_study
from mtft.runs.settings import StrictParser, load_settings
from mtft.training import MultitaskArguments

RECIPES = sorted((builtin_folder("recipes") / "runs").rglob("*.yaml"))


def test_enough_recipes_are_found() -> None:
    assert len(RECIPES) >= 2


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_its_mixtures_and_its_presets_are_read(path: Path, tmp_path: Path) -> None:
    content = load_settings(path, StrictParser(RunArguments, MultitaskArguments).known)
    places = ["--output_dir", str(tmp_path)]
    run, training = read_settings(path.stem, places)
    assert run.mixture == content["mixture"]
    assert training.max_steps == content["max_steps"]
    for name, block in content["mixtures"].items():
        run, _ = read_settings(path.stem, ["--mixture", name, *places])
        assert run.mixture == name
        assert {key: getattr(run, key) for key in block if hasattr(run, key)}.items() <= block.items()
    for name, block in content["presets"].items():
        run, training = read_settings(path.stem, ["--preset", name, *places])
        assert (run.model, training.max_steps) == (block["model"], block["max_steps"])


def test_flags_go_over_preset_over_mixture_over_recipe(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "mixture: a\nvocab_size: 1\nmax_steps: 1\nseed: 1\nsave_steps: 1\n"
        "mixtures: {b: {vocab_size: 2, max_steps: 2, seed: 2}}\npresets: {p: {max_steps: 3, seed: 3}}\n"
    )
    run, training = read_settings(
        "own", ["--settings", str(path), "--mixture", "b", "--preset=p", "--seed", "4"]
    )
    assert (run.mixture, run.vocab_size, training.max_steps, training.seed) == ("b", 2, 3, 4)
    assert training.save_steps == 1
    assert training.output_dir == "runs/own-b"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--max_step", "3"], "max_steps"),
        (["--mixtur", "x"], "mixture"),
        (["--max_steps", "many"], "many"),
        (["--preset", "smok"], "smoke"),
        (["--preset"], "needs a value"),
        (["--settings", "xp3_mt"], "xp3_mt5"),
        (["--loss_normalization", "tokens"], "token"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_the_nearest_match(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings("xp3_mt5", argv)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vocabsize: 3", "vocab_size"),
        ("presets: {p: {max_stepps: 3}}", r"presets\.p.*max_steps"),
        ("- 1", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_a_malformed_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_settings("own", ["--settings", str(path)])


def test_a_study_keeps_its_own_flags_and_passes_on_the_rest() -> None:
    own, rest = read_study(["--recipe", "xp3_bloom", "--seeds", "4", "5", "--max_steps", "7"])
    assert (own.recipe, own.seeds, rest) == ("xp3_bloom", [4, 5], ["--max_steps", "7"])
