"""Answered examples before training prompts: which, how many, and that lengths are those of the text that trains."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from mtft.errors import MixtureError
from mtft.evaluation.fewshot import shot_text
from mtft.mixing import BuiltMixture, Mixture
from mtft.mixing.exemplars import SEPARATOR, UnitExemplars
from mtft.mixing.index import UnitIndex
from tests.mixing.conftest import SPEC, World, count_words


def mixture_of(world: World, count: int, more: str = "") -> Mixture:
    return world.mixture(f"{SPEC}exemplars: {count}\n{more}")


def parts(mixture: Mixture) -> list[tuple[int, UnitIndex, UnitExemplars]]:
    found = []
    for number, unit in enumerate(mixture.index.units):
        assert unit.exemplars is not None
        found.append((number, unit, unit.exemplars))
    return found


@pytest.mark.parametrize("count", [1, 4])
def test_exemplars_are_of_the_same_cell_and_template_and_never_of_one_item(world: World, count: int) -> None:
    mixture = mixture_of(world, count)
    for number, unit, exemplars in parts(mixture):
        shard, chosen = mixture.built.shards[number], exemplars.chosen(unit.records)
        kept = set(unit.records.tolist())
        for record, row in zip(unit.records.tolist(), chosen.tolist(), strict=True):
            own = shard.example(record)
            shown = [shard.example(other) for other in row]  # pools are large enough: nobody is missing
            assert set(row) <= kept
            assert len({own.item_group, *(e.item_group for e in shown)}) == count + 1
            assert {(e.task, e.config, e.template_id) for e in shown} == {
                (own.task, own.config, own.template_id)
            }
            text = SEPARATOR.join([*map(shot_text, shown[::-1]), own.inputs])
            assert mixture._example(number, record).inputs == text
            assert mixture._example(number, record).targets == own.targets


def test_no_exemplar_stands_on_an_evaluated_side(world: World) -> None:
    mixture = mixture_of(world, 3)
    for number, unit, exemplars in parts(mixture):
        used = np.unique(exemplars.chosen(unit.records))
        groups = mixture.built.shards[number].column("group")[used]
        assert not np.isin(groups, mixture.built.evaluated).any()


def test_lengths_are_those_of_the_whole_prompts(world: World) -> None:
    mixture = mixture_of(world, 2)
    positions = np.arange(2 * len(mixture))
    examples = mixture.examples(positions)
    wanted = count_words([e.inputs for e in examples], [e.target for e in examples])
    assert [each.tolist() for each in mixture.lengths(positions)] == [each.tolist() for each in wanted]


def test_exemplars_that_do_not_fit_are_left_out_and_counted_and_no_example_is(world: World) -> None:
    plain = world.mixture(SPEC + "limits: {max_input_tokens: 16}\n")
    mixture = mixture_of(world, 4, "limits: {max_input_tokens: 16}\n")
    assert len(mixture) == len(plain)
    examples = mixture.examples(range(len(mixture)))
    assert max(len(e.inputs.split()) for e in examples) <= 16
    given = {e.inputs.count(SEPARATOR) for e in examples}
    assert max(given) < 4
    assert any(given)
    units = mixture.manifest()["units"]
    assert all(u["exemplars"]["left_out"] > 0 for u in units)
    total = sum(u["exemplars"]["given"] for u in units)
    left = sum(u["exemplars"]["left_out"] for u in units)
    assert f"exemplars: {total:,} before" in " ".join(mixture.describe(width=300).split())
    assert total + left == 4 * sum(u.examples for u in mixture.index.units)
    # One more would not have fitted, wherever one was left out.
    for number, unit, exemplars in parts(mixture):
        for record in unit.records.tolist():
            count = exemplars.fitting[record]
            if count < exemplars.available([record])[0]:
                (longer,) = exemplars.prompts([record], np.array([count + 1]))
                assert len(longer.split()) > 16, number


def test_the_choice_follows_from_seed_and_record_alone(world: World) -> None:
    one, again = mixture_of(world, 2), mixture_of(world, 2)
    assert one.fingerprint == again.fingerprint
    assert [e.inputs for e in one.examples([5, 70])] == [e.inputs for e in again.examples(range(71))][5::65]
    other = world.mixture(f"{SPEC}exemplars: 2\n".replace("seed: 3", "seed: 4"))
    assert any(
        (a[2].chosen(a[1].records) != b[2].chosen(b[1].records)).any()
        for a, b in zip(parts(one), parts(other), strict=True)
    )
    (_, unit, exemplars), *_ = parts(one)
    assert (
        pickle.loads(pickle.dumps(exemplars)).chosen(unit.records) == exemplars.chosen(unit.records)
    ).all()


def test_the_number_decides_the_fingerprint_and_none_leaves_it_as_it_was(world: World) -> None:
    found = {count: mixture_of(world, count) for count in (0, 1, 2)}
    assert len({mixture.fingerprint for mixture in found.values()}) == 3
    plain = world.mixture(SPEC)
    assert found[0].fingerprint == plain.fingerprint
    assert found[0].parts == plain.parts
    assert found[0].built.spec.fingerprint == plain.built.spec.fingerprint
    assert found[1].parts["exemplars"] != found[2].parts["exemplars"]


def test_what_was_measured_is_read_from_the_cache(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = mixture_of(world, 2)
    monkeypatch.setattr("mtft.mixing.exemplars._fit", None)  # would fail if it were called
    assert mixture_of(world, 2).fingerprint == first.fingerprint


def test_a_pool_of_one_item_gives_no_exemplar(world: World) -> None:
    world.write("mood/de/train.jsonl", [{"id": 1, "text": "ein wort", "label": 0}])
    mixture = world.mixture("name: one\ntasks: [{task: mood, languages: [de]}]\nexemplars: 3\n")
    assert all(SEPARATOR not in e.inputs for e in mixture.examples(range(len(mixture))))


@pytest.mark.parametrize("count", [-1, 65, 1.5, "two"])
def test_a_wrong_number_is_refused(world: World, count: Any) -> None:
    with pytest.raises(MixtureError, match="exemplars"):
        world.spec(f"{SPEC}exemplars: {count}\n")
    if isinstance(count, int):
        with pytest.raises(MixtureError, match="--exemplars"):
            world.spec().with_exemplars(count, "--exemplars")


def test_several_processes_measure_the_same(world: World) -> None:
    built: BuiltMixture = world.build(f"{SPEC}exemplars: 2\n")
    one = Mixture(built, built.index(count_words))
    for path in built.folder.glob("*-exemplars.npy"):
        path.unlink()
    assert Mixture(built, built.index(count_words, num_proc=2)).fingerprint == one.fingerprint
