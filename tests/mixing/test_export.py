"""What leaves the mixture can be read by others, and comes back in as prompted rows."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mtft.errors import MixtureError
from mtft.mixing import Mixture, build_mixture, export
from tests.mixing.conftest import SPEC, World, count_words

PUBLISHED_CARD = """
dataset: published
cluster: prompted
licence: CC0-1.0
source: {kind: prompted, path: "{folder}/*.jsonl"}
languages: {en: en, de: de}
splits: {train: train}
division: {kind: published, sides: {train: [train]}}
"""


def test_json_lines_as_xp3_publishes_them(world: World) -> None:
    built = world.build()
    written = export(built, built.index(count_words), world.root / "out")
    assert "en/xp3_mood_en_train_ask.jsonl" in written
    assert "de/xp3_thing_de_all_about-what.jsonl" in written
    assert "en/xp3_mood_en_train_only-the-good.jsonl" in written
    assert {path.parent.name for path in (world.root / "out").rglob("*.jsonl")} == {"en", "de"}
    lines = (world.root / "out/en/xp3_mood_en_train_ask.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"inputs": "en words number 0 Good or bad?", "targets": "good"}
    assert written["en/xp3_mood_en_train_ask.jsonl"] == len(lines) == 30
    texts = list(built.texts())
    assert sum(written.values()) == len(texts) / 2
    assert not list((world.root / "out").rglob("*.tmp"))


def test_only_kept_rows_are_exported(world: World) -> None:
    built = world.build(SPEC + "limits: {max_target_tokens: 3}\n")
    written = export(built, built.index(count_words), world.root / "out")
    assert not any("only-the-good" in name for name in written)


def test_parquet_holds_the_whole_provenance(world: World) -> None:
    built = world.build()
    written = export(built, built.index(count_words), world.root / "out", "parquet")
    table = pq.read_table(world.root / "out/en/xp3_mood_en_train_tell.parquet")
    assert written["en/xp3_mood_en_train_tell.parquet"] == table.num_rows == 30
    example = built.shards[0].example(1)
    row = table.slice(0, 1).to_pylist()[0]
    assert row["template"] == "tell"
    for name in example.__dataclass_fields__:
        value = getattr(example, name)
        assert row[name] == (list(value) if isinstance(value, tuple) else value)


def test_templates_of_like_names_get_files_of_their_own(world: World) -> None:
    path = world.prompts / "mood" / "templates.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("name: tell", "name: ASK"), encoding="utf-8")
    built = world.build()
    written = export(built, built.index(count_words), world.root / "out")
    asking = [name for name in written if name.lower().startswith("en/xp3_mood_en_train_ask")]
    assert len({name.lower() for name in asking}) == 2
    assert sum(written.values()) == len(list(built.texts())) / 2


def test_an_export_trains_again_as_prompted_rows(world: World, tmp_path: Path) -> None:
    built = world.build()
    export(built, built.index(count_words), world.data)
    folder = world.prompts / "published"
    folder.mkdir()
    (folder / "task.yaml").write_text(PUBLISHED_CARD, encoding="utf-8")
    spec = world.spec("name: again\ntasks: [published]", "again.yaml")
    again = build_mixture(spec, world.cells(spec), world.sources(), tmp_path / "cache")
    assert sorted(again.texts()) == sorted(built.texts())
    example = Mixture(again, again.index()).example(0)
    assert (example.template_id, example.dataset) == ("prompted", "published")


def test_an_unknown_format_is_refused(world: World) -> None:
    built = world.build()
    with pytest.raises(MixtureError, match="parquet"):
        export(built, built.index(), world.root / "out", "parket")
