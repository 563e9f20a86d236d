"""Prompts that are too long are shortened where their card allows, kept in the cache, and counted."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtft.encoding import Seq2SeqEncoder, train_tokenizer
from mtft.errors import MixtureError, RunError
from mtft.mixing import BuiltMixture, Mixture, MixtureIndex, export
from mtft.runs import RunArguments
from mtft.runs.folder import RunFolder, resolved_settings
from mtft.tasks import Task
from mtft.training.checkpoints import check_manifest, write_manifest
from tests.mixing.conftest import SPEC, World, count_words
from tests.mixing.test_cache import contents, harm
from tests.mixing.test_export import PUBLISHED_CARD

BUDGET = 8
LIMITS = f"limits: {{max_input_tokens: {BUDGET}, max_target_tokens: 30, over_long: truncate}}\n"
CUT = SPEC + LIMITS
ASK, TELL, GOOD = (f"00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 3))


def text_of(number: int) -> str:
    """20 words in every third row, 3 in the others."""
    return " ".join([f"row{number}", *(f"word{i}" for i in range(2 if number % 3 else 19))])


@pytest.fixture
def world(world: World) -> World:
    """The small world with long rows; "ask" may be shortened, "tell" not, and the third's target would change."""
    with (world.prompts / "mood" / "task.yaml").open("a", encoding="utf-8") as card:
        card.write(f"templates:\n  {ASK}: {{truncatable: text}}\n  {GOOD}: {{truncatable: text}}\n")
    for language in ("en", "de"):
        rows = [{"id": i, "text": f"{language} {text_of(i)}", "label": i % 2} for i in range(30)]
        world.write(f"mood/{language}/train.jsonl", rows)
    return world


def cut(world: World, text: str = CUT, **more: Any) -> tuple[BuiltMixture, MixtureIndex]:
    built = world.build(text)
    return built, built.index(count_words, **more)


def all_examples(built: BuiltMixture, index: MixtureIndex) -> Iterator[tuple[Any, Any]]:
    """Every kept example as the mixture shows it, and as it was rendered."""
    mixture = Mixture(built, index)
    for number, unit in enumerate(index.units):
        for record in unit.records.tolist():
            yield mixture._example(number, record), built.shards[number].example(record)


def test_a_prompt_is_cut_to_the_budget_and_nothing_else_is(world: World) -> None:
    built, index = cut(world)
    shown = list(all_examples(built, index))
    changed = [(new, old) for new, old in shown if new.inputs != old.inputs]
    assert len(changed) == 2 * 10  # "ask", in two languages
    for new, old in changed:
        assert len(new.inputs.split()) == BUDGET
        assert new.inputs == " ".join([*old.inputs.split()[: BUDGET - 3], "Good or bad?"])
        assert (new.targets, new.answer_choices, new.row_id) == (old.targets, old.answer_choices, old.row_id)
    assert all(len(new.inputs.split()) <= BUDGET for new, _ in shown)


def test_lengths_are_those_of_the_prompts_that_train(world: World) -> None:
    mixture = Mixture(*cut(world))
    positions = np.arange(3 * len(mixture))
    examples = mixture.examples(positions)
    measured = count_words([each.inputs for each in examples], [each.target for each in examples])
    assert [each.tolist() for each in mixture.lengths(positions)] == [each.tolist() for each in measured]
    assert BUDGET in measured[0]
    again = pickle.loads(pickle.dumps(mixture))  # as a process that loads rows gets it
    assert again.examples(positions[:9]) == examples[:9]


def test_kept_truncated_and_dropped_are_all(world: World) -> None:
    built, index = cut(world)
    mood = index.units[0]
    assert (mood.examples, mood.truncated) == (60, 10)
    # 10 of "tell", 5 of the third
    assert mood.dropped == {"input_too_long": 15}
    assert mood.examples + mood.dropped.total() == len(built.shards[0])
    manifest = Mixture(built, index).manifest()
    assert manifest["truncated"] == 20 == sum(unit["truncated"] for unit in manifest["units"])
    assert manifest["units"][0]["truncated"] == 10
    assert manifest["limits"]["over_long"] == "truncate"
    said = Mixture(built, index).describe()
    assert "truncated: 20 prompts, to 8 tokens" in said
    assert "20 of them truncated" in said


def test_dropping_is_as_it_was(world: World) -> None:
    dropping = SPEC + LIMITS.replace("truncate", "drop")
    older = SPEC + LIMITS.replace(", over_long: truncate", "")
    (one, a), (two, b) = cut(world, dropping), cut(world, older)
    assert one.spec.fingerprint == two.spec.fingerprint != world.spec(CUT).fingerprint
    assert Mixture(one, a).fingerprint == Mixture(two, b).fingerprint
    assert len(Mixture(one, a).fingerprint) == 16
    assert not any(unit.truncated for unit in a.units)
    assert not list(one.folder.glob(f"*-{BUDGET}.arrow"))


def test_without_a_tokenizer_there_is_no_limit(world: World) -> None:
    built = world.build(CUT)
    index = built.index()
    assert index.truncated_to is None
    assert not any(unit.truncated or unit.dropped["input_too_long"] for unit in index.units)


def test_what_the_cache_holds_is_not_rendered_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    fit = Task.fit

    def counted(*arguments: Any) -> Any:
        rendered.append(arguments[1].row_id)
        return fit(*arguments)

    monkeypatch.setattr(Task, "fit", counted)
    built, index = cut(world)
    assert {int(row) % 3 for row in rendered} == {0}, "only what is too long is rendered"
    assert len(rendered) == 2 * 15
    before, order = contents(built.folder), Mixture(built, index).fingerprint
    assert Mixture(*cut(world)).fingerprint == order
    assert len(rendered) == 2 * 15
    assert contents(built.folder) == before
    shorter = CUT.replace(f": {BUDGET},", f": {BUDGET - 1},")
    assert Mixture(*cut(world, shorter)).fingerprint != order


@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_damaged_file_is_made_again(world: World, how: str, caplog: pytest.LogCaptureFixture) -> None:
    built, index = cut(world)
    before, shown = contents(built.folder), list(all_examples(built, index))
    path = next(built.folder.glob(f"*-{BUDGET}.arrow"))
    harm(path, how)
    assert list(all_examples(*cut(world))) == shown
    assert contents(built.folder) == before
    assert path.name in caplog.text


def test_several_processes_write_the_same_files(world: World) -> None:
    built, _ = cut(world)
    before = contents(built.folder)
    for path in built.folder.glob(f"*-{BUDGET}.arrow"):
        path.unlink()
    cut(world, num_proc=2)
    assert contents(built.folder) == before


def test_a_file_of_many_batches_is_read_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(all_examples(*cut(world)))
    for path in (world.root / "cache").glob(f"*-{BUDGET}.arrow"):
        path.unlink()
    monkeypatch.setattr("mtft.mixing.truncating.BATCH_ROWS", 3)
    assert list(all_examples(*cut(world))) == whole


def test_prompts_that_become_equal_train_once(world: World) -> None:
    rows = [{"id": i, "text": f"the same beginning {text_of(0)} {i}", "label": i % 2} for i in range(6)]
    world.write("mood/en/train.jsonl", rows)
    _, index = cut(world)
    mood = index.units[0]
    assert (mood.truncated, mood.examples) == (2, 2)  # one of each label
    assert mood.dropped == {"duplicate": 4, "input_too_long": 9}


def test_long_targets_are_dropped_whatever_the_prompt(world: World) -> None:
    path = world.prompts / "mood" / "templates.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("good |||", "very good |||"), encoding="utf-8")
    _, index = cut(world, CUT.replace("max_target_tokens: 30", "max_target_tokens: 1"))
    mood = index.units[0]
    assert mood.dropped == {"input_too_long": 15, "target_too_long": 15 + 10 + 10}
    assert (mood.truncated, mood.examples) == (5, 25)


def test_prompted_rows_have_nothing_to_shorten(world: World) -> None:
    folder = world.prompts / "published"
    folder.mkdir()
    (folder / "task.yaml").write_text(PUBLISHED_CARD, encoding="utf-8")
    world.write("en/rows.jsonl", [{"inputs": text_of(i), "targets": "yes"} for i in range(9)])
    world.write("de/rows.jsonl", [{"inputs": "short", "targets": "ja"}])
    _, index = cut(world, f"name: x\ntasks: [published]\n{LIMITS}")
    assert index.units[0].dropped == {"input_too_long": 3}
    assert not any(unit.truncated for unit in index.units)


def test_an_export_holds_the_shortened_prompts(world: World) -> None:
    built, index = cut(world)
    export(built, index, world.root / "out")
    lines = (world.root / "out/en/xp3_mood_en_train_ask.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"inputs": "en row0 word0 word1 word2 Good or bad?", "targets": "good"}
    found = {json.loads(line)["inputs"] for line in lines}
    assert found == {
        new.inputs for new, _ in all_examples(built, index) if new.template_id == ASK and new.config == "en"
    }
    assert len(found) == 30


def test_tokens_are_counted_as_the_encoder_does(world: World, tmp_path: Path) -> None:
    """Special tokens count; and a longer beginning of the column would not fit."""
    built = world.build(CUT)
    encoder = Seq2SeqEncoder(train_tokenizer(built.texts(), 400, "mt5", tmp_path / "tokenizer"))
    limit = int(np.median(built.index(encoder.measure).units[0].lengths[0]))
    built = world.build(CUT.replace(f": {BUDGET},", f": {limit},"))
    index = built.index(encoder.measure)
    changed = [(new, old) for new, old in all_examples(built, index) if new.inputs != old.inputs]
    assert len(changed) == index.units[0].truncated + index.units[1].truncated > 0
    for new, old in changed:
        left = new.inputs.removesuffix(" Good or bad?")
        more = " ".join(old.inputs.split()[: len(left.split()) + 1]) + " Good or bad?"
        assert len(encoder.encode(new).input_ids) <= limit < len(encoder.encode_inputs([more])[0])


def test_a_changed_source_is_told(world: World) -> None:
    built = world.build(CUT)
    world.write("mood/en/train.jsonl", [{"id": 99, "text": "another", "label": 0}])
    with pytest.raises(MixtureError, match=r"mood:en.*Build the mixture again"):
        built.index(count_words)


def test_another_policy_is_another_run(world: World, tmp_path: Path) -> None:
    """The checkpoint says how the mixture differs; the run's folder names the setting."""
    dropping, cutting = (
        Mixture(*cut(world, SPEC + LIMITS.replace("truncate", p))) for p in ("drop", "truncate")
    )
    checkpoint = tmp_path / "checkpoint-1"
    checkpoint.mkdir()
    identity, parts = {"mixture": dropping.fingerprint}, {"mixture": dropping.parts}
    write_manifest(checkpoint, step=1, identity=identity, parts=parts)
    identity, parts = {"mixture": cutting.fingerprint}, {"mixture": cutting.parts}
    with pytest.raises(
        RunError, match=r"the mixture that it began with.*Found: over_long: truncate to 8 tokens now, drop in"
    ):
        check_manifest(checkpoint, identity=identity, parts=parts)
    folder = RunFolder(tmp_path / "run")
    folder.open(resolved_settings(RunArguments()), overwrite=False)
    with pytest.raises(RunError, match="over_long: None → 'truncate'"):
        folder.open(resolved_settings(RunArguments(over_long="truncate")), overwrite=False)


def test_an_unknown_policy_is_refused(world: World) -> None:
    with pytest.raises(
        MixtureError, match=r"limits.*`over_long` must be one of drop, truncate.*Did you mean: truncate"
    ):
        world.spec(CUT.replace("truncate", "trunkate"))
    with pytest.raises(MixtureError, match=r"--over_long.*`shorten`|`shorten`.*--over_long"):
        world.spec().with_over_long("shorten", "--over_long")
    assert world.spec().with_over_long("truncate").limits.over_long == "truncate"
