"""The overlap index of a mixture: what it holds, on disk and in look-ups, and files that are no index."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from mtft.errors import MixtureError
from mtft.mixing import Mixture, OverlapIndex, build_mixture, overlap, overlap_build
from mtft.mixing.division import groups_on_two_sides
from mtft.mixing.text_hashes import text_hashes
from tests.mixing.conftest import SPEC, World

LONG = "a sentence of very many words which stands in the {} data and in nothing else number {}"


@pytest.fixture
def mixed(world: World) -> Mixture:
    """Mood's train rows in English and German with a long text each; the test side has long texts too."""
    for language in ("en", "de", "sw"):
        for side, first in (("train", 0), ("test", 200)):
            rows = [
                {"id": n, "text": LONG.format(language, n), "label": n % 2} for n in range(first, first + 20)
            ]
            world.write(f"mood/{language}/{side}.jsonl", rows)
    return world.mixture()


def sections(index: OverlapIndex) -> list[list[int]]:
    return [index.section(name).tolist() for name in overlap.SECTIONS]


def test_the_index_holds_what_trains_and_nothing_else(mixed: Mixture) -> None:
    index = mixed.overlap()
    trained = text_hashes([(LONG.format("en", 3),)]).ngrams
    assert index.ngrams(trained).all()
    own = text_hashes([("before " + LONG.format("en", 203),)]).ngrams
    assert index.ngrams(own).tolist() == [False] + [True] * (len(own) - 2) + [False]
    held_out = text_hashes([(LONG.format("sw", 3),)]).ngrams
    assert index.ngrams(held_out).tolist().count(True) == 0
    wording = "Say it: " + " ".join(["Good or bad?"] * 9)
    assert not index.ngrams(text_hashes([(wording,)]).ngrams).any()
    groups = {mixed.example(n).item_group for n in range(len(mixed))}
    assert index.groups(sorted(groups)).all()
    assert index.groups(["sentence:203", "sentence:3", "nothing"]).tolist() == [False, True, False]


def test_rows_that_the_guard_takes_out_are_not_in_it(world: World) -> None:
    """A train row whose item is evaluated in another language does not train, so it contaminates nothing."""
    text = LONG.format("guarded", 999)
    world.append("mood/en/train.jsonl", json.dumps({"id": 900, "text": text, "label": 0}))
    world.append("mood/de/test.jsonl", json.dumps({"id": 900, "text": "evaluated", "label": 0}))
    mixture = world.mixture()
    assert mixture.manifest()["dropped"]["group_on_evaluation_side"]
    assert groups_on_two_sides(mixture.built.cells.evaluated, mixture.built.sources)
    assert not mixture.overlap().ngrams(text_hashes([(text,)]).ngrams).any()


def test_sections_are_sorted_and_each_hash_stands_once(mixed: Mixture) -> None:
    for found in sections(mixed.overlap()):
        assert found == sorted(set(found))
        assert found


def test_many_shards_and_ranges_give_what_one_would(mixed: Mixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len({shard.example(0).task for shard in mixed.built.shards}) == 2
    whole = sections(mixed.overlap())
    mixed.overlap().path.unlink()
    monkeypatch.setattr(overlap_build, "SORTED_AT_ONCE", 7)
    assert sections(mixed.overlap()) == whole
    rows = {
        (row.fields["text"],)
        for cell in mixed.built.cells.train
        for row in cell.task.rows("train", mixed.built.sources, mixed.built.problems)
    }
    together = text_hashes(sorted(rows))
    assert whole[0] == np.unique(together.ngrams).tolist()


def test_neither_processes_nor_seeds_change_it(world: World, mixed: Mixture, tmp_path: Path) -> None:
    spec = world.spec(SPEC)
    cells = world.cells(spec)
    other = build_mixture(spec, cells, mixed.built.sources, tmp_path / "other", num_proc=2)
    again = Mixture(other, other.index(), seed=99).overlap()
    assert again.path.read_bytes() == mixed.overlap().path.read_bytes()
    assert again.path.name == mixed.overlap().path.name


def test_it_is_written_once_and_again_where_harmed(mixed: Mixture, caplog: pytest.LogCaptureFixture) -> None:
    path = mixed.overlap().path
    before = path.stat().st_mtime_ns
    content = path.read_bytes()
    assert mixed.overlap().path.stat().st_mtime_ns == before
    path.write_bytes(content[:-40] + b"\0" * 40)
    assert mixed.overlap().path.read_bytes() == content
    assert "does not have the hash" in caplog.text
    assert not list(path.parent.glob("*.tmp"))


def test_it_goes_to_other_processes(mixed: Mixture) -> None:
    index = pickle.loads(pickle.dumps(mixed.overlap()))
    assert index.groups(["sentence:3"]).all()
    assert index.describe()["mixture"] == "small"
    assert index.describe()["counts"]["groups"] == len(index.section("groups"))


@pytest.mark.parametrize(
    "harm", ["empty", "text", "cut", "long", "rule", "header", "deep", "negative", "pickle"]
)
def test_other_files_are_refused(mixed: Mixture, tmp_path: Path, harm: str) -> None:
    content = mixed.overlap().path.read_bytes()
    head, body = content[: overlap.HEADER], content[overlap.HEADER :]
    counts = json.loads(head[len(overlap.MAGIC) :])["counts"]
    made = {
        "empty": b"",
        "text": b"hello " * 2000,
        "cut": content[:-9],
        "long": content + b"12345678",
        "rule": head.replace(b'"words": 13', b'"words": 12') + body,
        "header": overlap.MAGIC + b"[1, 2]".ljust(overlap.HEADER - len(overlap.MAGIC)) + body,
        "deep": overlap.MAGIC + b"[" * (overlap.HEADER - len(overlap.MAGIC)) + body,
        "negative": head.replace(b'"ngrams": %d' % counts["ngrams"], b'"ngrams": -1') + body,
        "pickle": pickle.dumps([1, 2, 3]),
    }[harm]
    (tmp_path / "index").write_bytes(made)
    with pytest.raises(MixtureError, match="overlap index"):
        OverlapIndex(tmp_path / "index")
    with pytest.raises(MixtureError, match="overlap index"):
        OverlapIndex(tmp_path / "missing")
