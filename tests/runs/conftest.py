"""A mixture and a suite of the micro-world, so small that a whole run takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

MIXTURE = """
name: pocket
seed: 3
tasks:
  - {task: mini_xp3/topic, languages: [en, qab, qac], sample: {count: 60}}
  - {task: mini_xp3/lexicon, languages: [en, qab, qac], sample: {count: 40}}
held_out:
  report:
    pairs: [mini_xp3/topic:qac]
rates: {kind: weights}
"""
SUITE = """
name: pocket
mixture: MIXTURE
protocol: trained
max_items_per_cell: 6
trained_languages_per_task: 1
"""


@pytest.fixture(scope="session")
def pocket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `pocket.yaml`, a mixture, and `suite.yaml`, its suite."""
    folder = tmp_path_factory.mktemp("pocket")
    (folder / "pocket.yaml").write_text(MIXTURE, encoding="utf-8")
    (folder / "suite.yaml").write_text(
        SUITE.replace("MIXTURE", str(folder / "pocket.yaml")), encoding="utf-8"
    )
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered mixtures are shared by the tests and by nobody else."""
    folder = tmp_path_factory.getbasetemp() / "mtft-cache"
    monkeypatch.setenv("MTFT_CACHE", str(folder))


@pytest.fixture
def flags(pocket: Path, tmp_path: Path) -> list[str]:
    """Flags of a run of six steps."""
    return [
        "--mixture", str(pocket / "pocket.yaml"), "--suite", str(pocket / "suite.yaml"),
        "--output_dir", str(tmp_path / "run"), "--model", "tiny", "--vocab_size", "700",
        "--pretrain_steps", "3", "--pretrain_row_length", "24", "--pretrain_batch_size", "4",
        "--max_steps", "6", "--save_steps", "2", "--save_total_limit", "9", "--per_device_train_batch_size", "4",
        "--max_items_per_cell", "6", "--bag_of_tokens", "false", "--report_to", "none", "--disable_tqdm", "true",
        "--use_cpu", "true",
    ]  # fmt: skip
