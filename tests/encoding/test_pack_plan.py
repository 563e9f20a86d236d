"""The pack plan: every example once, the same packs however they are reached, dealt or resumed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.encoding import EMPTY, PackPlan, PackWindows, accumulation_for, sizes_of
from mtft.errors import ConfigError, RunError

PACKS = 6  # per step


class Lengths:
    """Lengths that follow from the position; the prompt of each position in `long` has 1000 tokens."""

    def __init__(self, seed: int = 0, long: tuple[int, ...] = ()) -> None:
        self.fingerprint = f"lengths of {seed}"
        self.seed, self.long = seed, list(long)
        self.asked: list[int] = []

    def lengths(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked.append(int(positions[0]))
        prompts = 1 + (positions + self.seed) * 7919 % 31
        prompts = np.where(np.isin(positions, self.long), 1000, prompts)
        return prompts.astype(np.int32), (1 + positions * 104729 % 11).astype(np.int32)


def windows(kind: str = "seq2seq", source: Lengths | None = None, **more: object) -> PackWindows:
    capacities = (64, 24) if kind == "seq2seq" else (80,)
    chosen = {"total_rows": 1000, "window": 128, **more}
    return PackWindows(source or Lengths(), kind, capacities, **chosen)  # type: ignore[arg-type]


def plan(kind: str = "seq2seq", source: Lengths | None = None, **more: object) -> PackPlan:
    return PackPlan(windows(kind, source, **more), PACKS)


def plain(packs: list[np.ndarray]) -> list[list[int]]:
    return [pack.tolist() for pack in packs]


def whole(made: PackPlan) -> list[list[list[int]]]:
    assert made.steps is not None
    return [plain(made.packs(step)) for step in range(made.steps)]


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
@settings(deadline=None)
@given(total=st.integers(1, 500), window=st.integers(5, 200), per_step=st.integers(1, 20))
def test_the_steps_hold_every_example_once(kind: str, total: int, window: int, per_step: int) -> None:
    made = PackPlan(windows(kind, total_rows=total, window=window), per_step)
    steps = [made.packs(step) for step in range(made.steps or 0)]
    assert sorted(np.concatenate([pack for packs in steps for pack in packs]).tolist()) == list(range(total))
    assert [len(packs) for packs in steps[:-1]] == [per_step] * (len(steps) - 1)
    assert sum(map(len, steps)) == made.total_packs
    assert made.packs(len(steps)) == []


def test_packs_stay_in_their_window_and_capacity() -> None:
    made = windows()
    for number in range(8):
        for pack in made[number].packs:
            assert set(pack // 128) == {number}
            assert (sizes_of("seq2seq", *Lengths().lengths(pack)).sum(axis=0) <= (64, 24)).all()


def test_a_windows_packs_are_shuffled_by_the_seed() -> None:
    first, second = (windows(seed=seed)[0].packs for seed in (0, 1))
    assert plain(list(first)) != plain(list(second))
    assert sorted(plain(list(first))) == sorted(plain(list(second)))
    means = [Lengths().lengths(pack)[0].max() for pack in first]
    half = len(means) // 2
    assert abs(np.mean(means[:half]) - np.mean(means[half:])) < 6  # the packer alone puts the longest first


@settings(deadline=None, max_examples=30)
@given(order=st.lists(st.integers(0, 40), min_size=1, max_size=12))
def test_a_step_is_the_same_whatever_was_asked_before(order: list[int]) -> None:
    made = plan()
    for step in order:
        assert plain(made.packs(step)) == plain(plan().packs(step))


@settings(deadline=None)
@given(
    processes=st.integers(1, 4),
    micro_batch=st.integers(1, 4),
    step=st.integers(0, 60),
)
def test_dealing_neither_loses_nor_repeats_a_pack(processes: int, micro_batch: int, step: int) -> None:
    made = plan()
    accumulation = accumulation_for(PACKS, processes=processes, micro_batch=micro_batch)
    dealt = made.deal(step, processes=processes, accumulation=accumulation, micro_batch=micro_batch)
    assert dealt.shape == (accumulation, processes, micro_batch)
    assert dealt.dtype == np.int64
    assert sorted(dealt[dealt != EMPTY].tolist()) == list(range(len(made.packs(step))))


def test_a_short_step_is_spread_over_the_processes() -> None:
    made = PackPlan(windows(total_rows=128), 1000)
    packs = len(made.packs(0))
    dealt = made.deal(0, processes=2, accumulation=5, micro_batch=100)
    assert sorted((dealt[:, rank] != EMPTY).sum() for rank in (0, 1)) == [packs // 2, packs - packs // 2]


def test_too_few_slots_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 x 1 x 2 = 4 < 6"):
        plan().deal(0, processes=2, accumulation=1, micro_batch=2)


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
@settings(deadline=None)
@given(step=st.integers(0, 60))
def test_a_restored_plan_goes_on_without_the_windows_before(kind: str, step: int) -> None:
    before = plan(kind)
    expected = [plain(before.packs(each)) for each in range(step, step + 5)]
    state = json.loads(json.dumps(before.state(step)))
    source = Lengths()
    after = plan(kind, source)
    after.restore(state)
    assert [plain(after.packs(each)) for each in range(step, step + 5)] == expected
    assert all(asked >= state["window"] * 128 for asked in source.asked)
    assert after.dropped(step) == before.dropped(step)
    assert after.steps == before.steps
    assert plain(after.packs(0)) == plain(plan(kind).packs(0))


def test_a_state_knows_the_offset_and_the_end() -> None:
    made = plan()
    state = made.state(9)
    assert state["first_pack"] + state["offset"] == 9 * PACKS
    assert state["total_packs"] is None
    assert made.steps
    again = plan()
    again.restore(made.state(3))
    assert again.total_packs == made.total_packs
    longer = plan(total_rows=2000)
    longer.restore(made.state(3))
    assert longer.total_packs != made.total_packs


@pytest.mark.parametrize(
    "changed",
    [
        {"source": Lengths(1)},
        {"window": 64},
        {"seed": 1},
        {"over_capacity": "refuse"},
    ],
)
def test_a_state_of_other_packs_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(RunError, match=r"packs that it began with.*now.*in the checkpoint"):
        plan(**changed).restore(plan().state(2))  # type: ignore[arg-type]


def test_changed_lengths_under_the_same_name_are_refused() -> None:
    state = plan().state(9)
    with pytest.raises(RunError, match="other lengths in window"):
        plan(source=Lengths(long=(state["window"] * 128 + 5,))).restore(state)


@pytest.mark.parametrize("broken", [{}, {"window": "x"}, {"window": None}])
def test_a_broken_state_is_refused(broken: dict[str, object]) -> None:
    state = {**plan().state(2), **broken} if broken else {}
    with pytest.raises(RunError, match="a state it wrote"):
        plan().restore(state)


def test_what_is_larger_than_a_pack_is_dropped_and_counted() -> None:
    made = plan(source=Lengths(long=(3, 7, 300)))
    trained = np.concatenate([np.concatenate(packs) for packs in map(made.packs, range(made.steps or 0))])
    assert sorted(set(range(1000)) - set(trained.tolist())) == [3, 7, 300]
    assert [made.dropped(0), made.dropped(1)] == [0, 2]
    assert made.dropped(made.steps or 0) == 3
    assert made.windows[0].dropped.tolist() == [3, 7]


def test_or_refused_with_its_position() -> None:
    made = plan("causal", Lengths(long=(300,)), over_capacity="refuse")
    made.packs(0)
    with pytest.raises(ConfigError, match=r"a pack of 80 tokens\. Found: 10\d\d tokens at position 300"):
        _ = made.steps


def test_a_window_of_which_nothing_fits_is_refused() -> None:
    with pytest.raises(ConfigError, match="Some example of every window"):
        plan(source=Lengths(long=tuple(range(200))), total_rows=None).packs(0)


def test_a_short_last_window_may_hold_nothing() -> None:
    made = plan(source=Lengths(long=(128, 129)), total_rows=130)
    assert whole(made) == whole(plan(total_rows=128))
    assert made.dropped(made.steps or 0) == 2


def test_an_endless_plan_has_no_last_step() -> None:
    made = plan(total_rows=None)
    assert made.steps is None
    assert len(made.packs(200)) == PACKS


@pytest.mark.parametrize(
    "settings", [{"window": 0}, {"total_rows": 0}, {"over_capacity": "cut"}, {"kind": "causal", "window": -1}]
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        windows(**settings)  # type: ignore[arg-type]


def test_a_step_needs_a_pack() -> None:
    with pytest.raises(ConfigError, match="at least one pack"):
        PackPlan(windows(), 0)
