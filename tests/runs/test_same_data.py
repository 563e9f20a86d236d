"""A run's folder is gone on with only with the data that it began with, whatever changed under the same names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtft.errors import ConfigError, RunError
from mtft.resources import builtin_folder
from mtft.runs import Run, read_settings
from mtft.runs.trajectory_file import TRAJECTORY_FILE, development_of, write_trajectory
from mtft.runs.validation_record import VALIDATION_FILE, ValidationRecord
from tests.launching import TORCHRUN, launched
from tests.runs.conftest import SUITE
from tests.runs.test_validation import MIXTURE


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a mixture and a suite of the user's own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "pocket.yaml").write_text(MIXTURE)
    (folder / "suite.yaml").write_text(SUITE.replace("MIXTURE", str(folder / "pocket.yaml")))
    return folder


@pytest.fixture(scope="module")
def own(files: Path) -> list[str]:
    """Flags of a run of two steps on them."""
    return [
        "--mixture", str(files / "pocket.yaml"), "--suite", str(files / "suite.yaml"),
        "--output_dir", str(files / "run"), "--model", "tiny", "--vocab_size", "700",
        "--pretrain_steps", "1", "--pretrain_row_length", "24", "--pretrain_batch_size", "4",
        "--max_steps", "2", "--save_strategy", "no", "--per_device_train_batch_size", "4",
        "--max_items_per_cell", "4", "--bag_of_tokens", "false", "--report_to", "none", "--disable_tqdm", "true",
        "--use_cpu", "true", "--evaluate_base", "false", "--validate_every", "2", "--validation_items", "4",
        "--diagnostics", "true", "--diagnostics_quantities", "train_loss", "dev_metric", "--diagnostics_every", "2",
        "--diagnostics_items", "2", "--diagnostics_examples", "8", "--device_tflops", "0",
    ]  # fmt: skip


def prepared(flags: list[str]) -> Run:
    run = Run(*read_settings("xp3_mt5", flags))
    run.prepare_data()
    run.prepare_model()
    return run


@pytest.fixture(scope="module")
def finished(own: list[str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTFT_CACHE", str(tmp_path_factory.getbasetemp() / "mtft-cache"))
        run = prepared(own)
        run.finetune()
        run.evaluate("finetuned")
        run.report()
    return run


@pytest.fixture
def edited(files: Path) -> Iterator[Callable[..., None]]:
    """Changes a file of the user's; afterwards it is as it was."""
    before = {path: path.read_text() for path in files.glob("*.yaml")}

    def edit(name: str, old: str, new: str) -> None:
        path = files / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    yield edit
    for path, text in before.items():
        path.write_text(text)


def content_of(folder: Path) -> dict[Path, bytes]:
    """What a run made; the settings may be written anew."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_edited_mixture_does_not_go_with_what_the_old_one_made(
    finished: Run, own: list[str], edited: Callable[..., None]
) -> None:
    before = content_of(finished.folder.path)
    edited("pocket.yaml", "sample: {count: 60}", "sample: {count: 12}")
    with pytest.raises(RunError, match=r"mixture that it began with") as told:
        prepared(own)
    assert "sample, count: 12 now, 60 when it began" in str(told.value)
    assert "--overwrite true" in str(told.value)
    assert content_of(finished.folder.path) == before


def test_the_same_data_go_on(finished: Run, own: list[str]) -> None:
    before = content_of(finished.folder.path)
    run = prepared(own)
    run.finetune()
    run.evaluate("finetuned")
    assert content_of(finished.folder.path) == before


def test_without_its_parts_a_manifest_still_tells_the_mixture(
    finished: Run, own: list[str], edited: Callable[..., None]
) -> None:
    parts = finished.folder.parts.read_bytes()
    edited("pocket.yaml", "seed: 3", "seed: 4")
    finished.folder.parts.unlink()
    try:
        with pytest.raises(RunError, match=rf"now, {finished.mixture.fingerprint} when it began"):
            prepared(own)
    finally:
        finished.folder.parts.write_bytes(parts)


def test_an_edited_suite_does_not_go_with_old_scores(
    finished: Run, own: list[str], edited: Callable[..., None], tmp_path: Path
) -> None:
    edited("suite.yaml", "trained_languages_per_task: 1", "trained_languages_per_task: 2")
    with pytest.raises(RunError, match=r"examples of its evaluation.*now, .*in what was scored"):
        prepared(own)
    kept = finished.folder.eval.rename(tmp_path / "eval")
    try:
        prepared(own)  # without the scores there is nothing to mix
    finally:
        kept.rename(finished.folder.eval)


def test_results_that_do_not_say_of_what_are_refused(finished: Run, own: list[str]) -> None:
    path = finished.folder.eval / "finetuned" / "results.json"
    before = path.read_text()
    content = json.loads(before)
    del content["suite"]["fingerprint"]
    try:
        for text in (json.dumps(content), "{"):
            path.write_text(text)
            with pytest.raises(RunError, match="none in what was scored"):
                prepared(own)
    finally:
        path.write_text(before)


@pytest.mark.parametrize("what", ["validation", "development metric"])
def test_scores_along_the_way_are_of_the_same_examples(finished: Run, own: list[str], what: str) -> None:
    folder = finished.folder.path
    path = folder / (VALIDATION_FILE if what == "validation" else TRAJECTORY_FILE)
    before = path.read_bytes()
    assert development_of(folder / TRAJECTORY_FILE)
    try:
        if what == "validation":
            ValidationRecord("another").write(folder)
        else:
            write_trajectory(path, [], "another")
        with pytest.raises(RunError, match=rf"examples of its {what}.*another in what was scored"):
            prepared(own)
        path.write_bytes(b"{")  # what cannot be read is found where it is used
        prepared(own)
    finally:
        path.write_bytes(before)


def test_a_run_does_not_repeat_rows_beyond_the_mixtures_bound(
    own: list[str], edited: Callable[..., None], tmp_path: Path, finished: Run
) -> None:
    flags = [*own, "--output_dir", str(tmp_path / "run"), "--model", str(finished.base)]
    flags += ["--packing", "false", "--max_steps", "10"]
    edited("pocket.yaml", "{kind: weights}", "{kind: weights, max_repetition: 1, over: 5}")
    edited("pocket.yaml", "count: 60", "count: 1")
    edited("pocket.yaml", "count: 40", "count: 2")
    with pytest.raises(ConfigError, match=r"40 positions.*over 5: .*`over: 40`"):
        prepared(flags)
    assert not (tmp_path / "run" / "mixture").exists()
    edited("pocket.yaml", "over: 5", "over: 40")
    assert prepared(flags).mixture.horizon == 40


@pytest.mark.slow
@pytest.mark.processes
def test_all_processes_refuse_other_data(finished: Run, own: list[str], edited: Callable[..., None]) -> None:
    edited("pocket.yaml", "seed: 3", "seed: 4")
    flags: list[Any] = [*own, "--per_device_train_batch_size", "2"]
    settings = finished.folder.path / "recipe.yaml"
    before = settings.read_text()
    # two processes of two rows each, instead of one of four: the settings alone would do
    settings.write_text(yaml.safe_dump({**yaml.safe_load(before), "per_device_train_batch_size": 2}))
    try:
        script = builtin_folder("recipes") / "xp3_mt5.py"
        told = launched([*TORCHRUN, script, *flags], timeout=200, check=False)
        assert told.count("A run goes on only with the mixture that it began with.") >= 2
    finally:
        settings.write_text(before)
