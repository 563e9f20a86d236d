"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _data_root() -> Path | None:
    """The folder of real datasets: MTFT_DATA_ROOT, else the checkout's neighbour `shared/data`."""
    named = os.environ.get("MTFT_DATA_ROOT")
    root = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return root if root.is_dir() else None


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Parsed templates and the like stay out of the user's cache folder."""
    os.environ.setdefault("MTFT_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The real datasets; without them a test is skipped, and in CI it fails."""
    root = _data_root()
    if root is None:
        message = "real datasets not found: set MTFT_DATA_ROOT"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return root
