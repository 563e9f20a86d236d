"""YAML that nests without end is refused wherever it is read; PyYAML's composer would end the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mtft.errors import MtftError
from mtft.mixing.settings import read_yaml
from mtft.runs.settings import load_settings
from mtft.tasks.schema import read_mapping


@pytest.mark.parametrize(
    "read", [read_mapping, read_yaml, lambda path: load_settings(path, {"a"})], ids=["card", "mixture", "run"]
)
def test_deep_nesting_is_refused(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("a: " + "[" * 100_000)
    with pytest.raises(MtftError, match="nested deeper"):
        read(path)
