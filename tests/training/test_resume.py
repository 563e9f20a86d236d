"""A resumed run equals an uninterrupted one; a run that is not the same is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from mtft.errors import RunError
from mtft.training import find_checkpoint
from tests.training.additions import Additions, MakeTrainer, logged

SETTINGS: dict[str, Any] = {
    "save_strategy": "steps",
    "save_steps": 2,
    "max_steps": 5,
    "gradient_accumulation_steps": 2,
    "per_device_train_batch_size": 4,
}


@pytest.fixture
def finished(make_trainer: MakeTrainer, tmp_path: Path) -> Any:
    trainer = make_trainer("mt5", dropout=0.1, **SETTINGS)
    trainer.train()
    return trainer


def test_resuming_equals_never_stopping(family: str, make_trainer: MakeTrainer) -> None:
    """Bit for bit, dropout included; and no row of the steps before is read again."""
    whole = make_trainer(family, dropout=0.1, **SETTINGS)
    whole.train()
    source = Additions()
    resumed = make_trainer(family, source, dropout=0.1, **SETTINGS)
    checkpoint = Path(resumed.args.output_dir) / "checkpoint-2"
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert logged(resumed, "step", "loss", "grad_norm", "epoch") == logged(
        whole, "step", "loss", "grad_norm", "epoch"
    )
    for (name, a), (_, b) in zip(
        whole.model.named_parameters(), resumed.model.named_parameters(), strict=True
    ):
        assert torch.equal(a, b), name
    assert sorted(source.read) == list(range(16, 40))


def test_the_latest_complete_checkpoint_is_found(finished: Any, make_trainer: MakeTrainer) -> None:
    folder = Path(finished.args.output_dir)
    assert find_checkpoint(folder) == folder / "checkpoint-5"
    (folder / "checkpoint-5" / "manifest.json").unlink()  # killed while writing
    assert find_checkpoint(folder) == folder / "checkpoint-4"
    resumed = make_trainer("mt5", dropout=0.1, **SETTINGS)
    resumed.train(resume_from_checkpoint=True)
    assert logged(resumed, "loss") == logged(finished, "loss")


def test_without_a_checkpoint_there_is_nothing_to_resume(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="complete checkpoint"):
        make_trainer("mt5").train(resume_from_checkpoint=True)
    assert find_checkpoint(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"source": Additions("other data")}, "mixture"),
        ({"loss_normalization": "token"}, "loss"),
        ({"z_loss": 1e-4}, "loss"),
        ({"per_device_train_batch_size": 8}, "rows per step"),
        ({"peft": "lora"}, "peft"),
        ({"family": "bloom"}, "tokenizer"),
    ],
)
def test_another_run_is_refused(
    finished: Any, make_trainer: MakeTrainer, change: dict[str, Any], named: str
) -> None:
    options = {"family": "mt5", "source": Additions(), **SETTINGS, **change}
    trainer = make_trainer(options.pop("family"), options.pop("source"), dropout=0.1, **options)
    with pytest.raises(RunError, match=f"resumed with the {named}") as caught:
        trainer.train(resume_from_checkpoint=True)
    assert "now" in str(caught.value)


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "unreadable"])
def test_a_checkpoint_that_is_not_its_manifests_is_refused(
    finished: Any, make_trainer: MakeTrainer, damage: str
) -> None:
    """Optimiser and random states are pickles: only the run's own may be opened."""
    folder = Path(finished.args.output_dir) / "checkpoint-5"
    if damage == "changed":
        with (folder / "optimizer.pt").open("ab") as file:
            file.write(b"x")
    elif damage == "missing":
        (folder / "rng_state.pth").unlink()
    elif damage == "added":
        (folder / "rng_state_0.pth").write_bytes(b"planted")
    else:
        (folder / "manifest.json").write_text("{")
    with pytest.raises(RunError, match="manifest"):
        make_trainer("mt5", dropout=0.1, **SETTINGS).train(resume_from_checkpoint=str(folder))


@pytest.mark.parametrize("damaged", ["optimizer.pt", "manifest.json"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    finished: Any, make_trainer: MakeTrainer, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (Path(finished.args.output_dir) / "checkpoint-5" / damaged).open("ab") as file:
        file.write(b"x")
    resumed = make_trainer("mt5", dropout=0.1, **SETTINGS)
    resumed.train(resume_from_checkpoint=True)
    assert logged(resumed, "step", "loss") == logged(finished, "step", "loss")
    assert "checkpoint-5" in caplog.text
    assert "passed over" in caplog.text


def test_a_refused_resume_names_what_changed(make_trainer: MakeTrainer) -> None:
    before, after = Additions(), Additions("other data")
    before.parts = {"plus en": {"templates": {"sum": "1", "total": "2"}, "seed": 0}, "minus en": {}}
    after.parts = {"plus en": {"templates": {"sum": "3", "all": "4"}, "seed": 0}, "times en": {}}
    make_trainer("mt5", before, **SETTINGS).train()
    with pytest.raises(RunError, match="mixture") as caught:
        make_trainer("mt5", after, **SETTINGS).train(resume_from_checkpoint=True)
    for change in (
        "plus en, templates, sum: 3 now, 1 in the checkpoint",
        "plus en, templates, total is gone",
        "plus en, templates, all is new",
        "minus en is gone",
        "times en is new",
    ):
        assert change in str(caught.value)


def test_a_moved_checkpoint_still_resumes(finished: Any, make_trainer: MakeTrainer, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "checkpoint-4"
    shutil.copytree(Path(finished.args.output_dir) / "checkpoint-4", moved)
    resumed = make_trainer("mt5", dropout=0.1, **SETTINGS)
    resumed.train(resume_from_checkpoint=str(moved))
    assert logged(resumed, "loss") == logged(finished, "loss")


def test_a_checkpoint_holds_settings_as_json_and_no_pickled_arguments(finished: Any) -> None:
    folder = Path(finished.args.output_dir) / "checkpoint-5"
    settings = json.loads((folder / "training_arguments.json").read_text())
    assert settings["loss_normalization"] == "target"
    assert settings["max_steps"] == 5
    names = {path.name for path in folder.iterdir()}
    assert "training_args.bin" not in names
    assert {"model.safetensors", "tokenizer.json", "manifest.json"} <= names
