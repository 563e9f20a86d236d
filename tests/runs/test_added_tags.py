"""The tags of linearisation styles in a run's base model, made here or given."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.errors import StructureError
from mtft.runs.arguments import RunArguments
from mtft.runs.folder import RunFolder
from mtft.runs.models import load_whole, prepare_base
from mtft.structured.linearize import tags

TEXTS = ["the cat sees the dog", "<cell> a <header> b"] * 20


def base(folder: Path, **arguments: object) -> Path | str:
    run = RunArguments(vocab_size=400, **arguments)  # type: ignore[arg-type]
    return prepare_base(run, RunFolder(folder), TEXTS, TEXTS, 3)


def test_a_built_in_size_and_a_given_model_get_the_tags(tmp_path: Path) -> None:
    plain = base(tmp_path / "plain", model="tiny")
    made = base(tmp_path / "made", model="tiny", add_tags=["unified"])
    given = base(tmp_path / "given", model=str(plain), add_tags=["unified"])
    assert given == tmp_path / "given" / "base"
    for place in (made, given):
        loaded = load_whole(place)
        ids = loaded.tokenizer(" ".join(tags("unified")), add_special_tokens=False).input_ids
        assert len(ids) == len(tags("unified"))
    assert len(load_whole(plain).tokenizer) == len(load_whole(given).tokenizer) - len(tags("unified"))


def test_a_given_model_stays_where_it_is_without_tags(tmp_path: Path) -> None:
    assert base(tmp_path, model="some/model") == "some/model"


def test_an_unknown_style_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="unified"):
        base(tmp_path, model="tiny", add_tags=["unifed"])
    assert not any(tmp_path.iterdir())
