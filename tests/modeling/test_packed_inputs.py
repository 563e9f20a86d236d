"""What a packed forward refuses, and how segments are laid out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mtft.errors import ModelError
from mtft.modeling.packed_layout import find_segments, lay_out, lay_out_both
from tests.modeling.packs import FAMILIES, model_of, packed, rows_of

CPU = torch.device("cpu")
ROWS = rows_of([(6, 2), (3, 3), (5, 1)])
PACKS = [[0, 1], [2]]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_a_mask_of_four_dimensions_is_refused(family: str, dtype: torch.dtype) -> None:
    """The library adds a boolean one to the scores as 0 and 1, and takes an encoder's for the cross-attention's."""
    model = model_of(family)
    ids = torch.randint(4, 50, (1, 6))
    mask = torch.ones(1, 1, 6, 6, dtype=dtype)
    for extra in ({}, {"row_weights": torch.ones(1)}):
        with pytest.raises(ModelError, match=r"two dimensions.*\(1, 1, 6, 6\)"):
            model(input_ids=ids, attention_mask=mask, labels=ids, **extra)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segments": torch.ones(2, 11, dtype=torch.bool)}, "an integer for every token"),
        ({"segments": torch.ones(2, 1, 11, 11)}, "an integer for every token"),
        ({"segments": torch.ones(2, 7, dtype=torch.int32)}, "an integer for every token"),
        ({"attention_mask": torch.ones(2, 11)}, "must not have an `attention_mask`"),
        ({"row_weights": torch.ones(2)}, r"must have shape \(2, segments\)"),
        ({"row_weights": torch.ones(3, 2)}, r"must have shape \(2, segments\)"),
        ({"row_weights": None}, "must come with `labels` and `row_weights`"),
        ({"segments": None, "target_segments": None}, r"not packed must have shape \(2,\)"),
        ({"input_ids": None}, "`input_ids` or `inputs_embeds`"),
    ],
)
def test_what_does_not_go_together_is_refused(family: str, change: dict[str, Any], message: str) -> None:
    model, batch = model_of(family), packed(family, ROWS, PACKS)
    width = batch["segments"].shape[1]
    change = {
        k: v[..., :width] if k == "segments" and v is not None and v.shape[-1] == 11 else v
        for k, v in change.items()
    }
    if family == "bloom":
        change.pop("target_segments", None)
    with pytest.raises(ModelError, match=message):
        model(**(batch | change))


def test_an_encoder_decoder_must_have_both_kinds_of_segments() -> None:
    model, batch = model_of("mt5"), packed("mt5", ROWS, PACKS)
    del batch["target_segments"]
    with pytest.raises(ModelError, match=r"both `segments` and `target_segments`"):
        model(**batch)


def test_a_target_without_prompt_is_refused() -> None:
    model, batch = model_of("mt5"), packed("mt5", ROWS, PACKS)
    batch["segments"][0, batch["segments"][0] == 2] = 0
    with pytest.raises(ModelError, match=r"an input segment of the same number"):
        model(**batch)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([[1, 1, 2, 1]], "side by side"),
        ([[1, 1, 0, 1]], "side by side"),
        ([[1, 2, 3, 0]], "numbers from 1 to 2"),
        ([[1, -1, 0, 0]], "numbers from 1 to 2"),
    ],
)
def test_numbers_that_mark_no_segments_are_refused(numbers: list[list[int]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_segments(torch.tensor(numbers), 2, "segments")


def test_a_batch_without_tokens_is_refused() -> None:
    batch = packed("bloom", ROWS, PACKS)
    batch["segments"].zero_()
    with pytest.raises(ModelError, match="must have tokens"):
        model_of("bloom")(**batch)


def test_segments_are_found_in_the_order_of_their_weights() -> None:
    found = find_segments(torch.tensor([[2, 2, 1, 0], [0, 1, 1, 1]]), 2, "segments")
    assert found.row.tolist() == [0, 1, 2]
    assert found.start.tolist() == [2, 0, 5]
    assert found.length.tolist() == [1, 2, 3]


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 200), st.integers(0, 30)), min_size=1, max_size=40),
    seed=st.integers(0, 9),
)
def test_every_token_has_one_slot_and_little_is_padding(lengths: list[tuple[int, int]], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(lengths))
    sides = []
    for side in (0, 1):
        numbers = np.concatenate([np.full(lengths[i][side], i + 1) for i in order])
        sides.append(find_segments(torch.from_numpy(numbers)[None], len(lengths), "segments"))
    single, both = lay_out(sides[0], CPU), lay_out_both(sides[0], sides[1], CPU)
    for layout, segments in zip((single, *both), (sides[0], *sides), strict=True):
        kept = layout.token[layout.filled]
        assert sorted(kept.tolist()) == list(range(segments.length.sum()))
        assert torch.equal(torch.isneginf(layout.key_mask), ~layout.filled)
        assert layout.groups[-1].stop == len(layout.token)
        for group in layout.groups:
            rows = layout.row[group.start : group.stop].view(group.rows, group.length)
            assert (rows == rows[:, :1]).all()
            assert group.full == bool(layout.filled[group.start : group.stop].all())
    assert [group.rows for group in both[0].groups] == [group.rows for group in both[1].groups]
    empty = sum(target == 0 for _, target in lengths)
    for sides_of in ((single,), both):
        waste = sum(int((~layout.filled).sum()) for layout in sides_of)
        assert waste <= 24 * (len(lengths) - len(sides_of[0].groups)) + empty
