"""The overlap index beside a run's model, and what step a model was left at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtft.errors import MixtureError, RunError
from mtft.mixing import Mixture, OverlapIndex
from mtft.runs.folder import RunFolder
from mtft.runs.overlap import find_index, place_index, trained_step
from tests.evaluation.small_world import make


@pytest.fixture
def index(tmp_path: Path) -> OverlapIndex:
    built = make(tmp_path / "world").mixture("tasks: [mood]")
    return Mixture(built, built.index()).overlap()


@pytest.mark.parametrize("links", [True, False])
def test_the_runs_index_is_found_from_its_model_and_its_checkpoints(
    index: OverlapIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    run = tmp_path / "run"
    place_index(index, RunFolder(run))
    place_index(index, RunFolder(run))  # a run that goes on
    assert [path.name for path in (run / "mixture").iterdir()] == ["overlap.bin"]
    index.path.unlink()  # whoever empties the cache leaves the run whole
    for model in (run, run / "checkpoint-4", run / "base"):
        found = find_index(model)
        assert found is not None
        assert found.describe() == index.describe()
        assert found.groups(["mood:3", "mood:300"]).tolist() == [True, False]


def test_a_model_of_no_run_has_none(tmp_path: Path) -> None:
    assert find_index("bigscience/bloomz-560m") is None
    assert find_index(tmp_path) is None


def test_a_runs_index_of_another_version_is_passed_over(
    index: OverlapIndex, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunFolder(tmp_path / "run")
    place_index(index, run)
    run.overlap.unlink()  # the cache's own stays
    run.overlap.write_bytes(index.path.read_bytes().replace(b'"words": 13', b'"words": 12'))
    assert find_index(run.path) is None
    assert "rule" in caplog.text


def test_a_named_index_goes_first_and_must_be_one(index: OverlapIndex, tmp_path: Path) -> None:
    found = find_index("bigscience/bloomz-560m", str(index.path))
    assert found is not None
    assert found.fingerprint == index.fingerprint
    with pytest.raises(RunError, match="mixture build"):
        find_index(tmp_path, str(tmp_path / "missing"))
    (tmp_path / "other").write_text("{}")
    with pytest.raises(MixtureError, match="overlap index"):
        find_index(tmp_path, str(tmp_path / "other"))


def test_the_step_that_a_model_was_left_at(tmp_path: Path) -> None:
    def left(name: str, file: str, **content: int) -> int | None:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_text(json.dumps(content))
        return trained_step(tmp_path / name)

    assert left("run", "training.json", step=40) == 40
    assert left("checkpoint-20", "trainer_state.json", global_step=20) == 20
    assert left("base", "pretraining.json", steps=500) == 0  # before any finetuning
    assert left("other", "trainer_state.json") is None
    (tmp_path / "other" / "training.json").write_text("[1, 2]")
    assert trained_step(tmp_path / "other") is None
    assert trained_step("bigscience/bloomz-560m") is None
