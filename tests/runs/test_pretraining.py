"""Which languages a base model saw, as far as that can be known before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtft.runs.pretraining import pretrained_languages


@pytest.mark.parametrize(
    ("model", "corpora"),
    [
        ("bigscience/bloomz-560m", ("bloom",)),
        ("google/mt5-xl", ("mc4",)),
        ("mini", ()),
        ("someone/other", None),
    ],
)
def test_by_name(model: str, corpora: tuple[str, ...] | None) -> None:
    assert pretrained_languages(model) == corpora


def test_by_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bloom", "vocab_size": 250_880}))
    assert pretrained_languages(tmp_path) == ("bloom",)
    (tmp_path / "recipe.yaml").write_text("model: google/mt5-small\n")
    assert pretrained_languages(tmp_path) == ("mc4",)
    (tmp_path / "recipe.yaml").write_text("model: [1\n")  # loading the model tells what is wrong
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bloom", "vocab_size": 700}))
    assert pretrained_languages(tmp_path) is None
