"""The packed collator: what the packed forward reads, and how it unpacks again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from mtft.encoding import (
    CausalEncoder,
    Encoded,
    Encoder,
    PackedCollator,
    Seq2SeqEncoder,
    segment_target_tokens,
)
from mtft.errors import ConfigError


def _encoded(inputs: list[int], targets: list[int]) -> Encoded:
    return Encoded(np.array(inputs, np.int32), np.array(targets, np.int32))


def test_causal_packs(bloom_tokenizer: PreTrainedTokenizerFast) -> None:
    collate = PackedCollator(CausalEncoder(bloom_tokenizer), (8,))
    batch = collate([[_encoded([5, 6], [7, 2]), _encoded([8], [9, 2])], []])
    no = -100
    assert batch["input_ids"].tolist() == [[5, 6, 7, 2, 8, 9, 2], [2, 2, 3, 3, 3, 3, 3]]
    assert batch["segments"].tolist() == [[1, 1, 1, 1, 2, 2, 2], [1, 1, 0, 0, 0, 0, 0]]
    assert batch["labels"].tolist() == [[no, no, 7, 2, no, 9, 2], [no, 2, no, no, no, no, no]]
    assert batch["row_weights"].tolist() == [[1, 1], [0, 0]]
    assert segment_target_tokens(batch).tolist() == [[2, 2], [1, 0]]
    assert {name: t.dtype for name, t in batch.items()} == {
        "input_ids": torch.int64,
        "segments": torch.int32,
        "labels": torch.int64,
        "row_weights": torch.float32,
    }


def test_seq2seq_packs(mt5_tokenizer: PreTrainedTokenizerFast) -> None:
    collate = PackedCollator(Seq2SeqEncoder(mt5_tokenizer), (8, 6))
    batch = collate([[_encoded([5, 6, 1], [7, 1])], [_encoded([8, 1], [9, 9, 1]), _encoded([4, 1], [1])], []])
    no = -100
    assert batch["input_ids"].tolist() == [[5, 6, 1, 0], [8, 1, 4, 1], [1, 0, 0, 0]]
    assert batch["segments"].tolist() == [[1, 1, 1, 0], [1, 1, 2, 2], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[7, 1, no, no], [9, 9, 1, 1], [1, no, no, no]]
    assert batch["target_segments"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 2], [1, 0, 0, 0]]
    assert batch["row_weights"].tolist() == [[1, 0], [1, 1], [0, 0]]
    assert segment_target_tokens(batch).tolist() == [[2, 0], [3, 1], [1, 0]]
    assert {name: t.dtype for name, t in batch.items()} == {
        "input_ids": torch.int64,
        "segments": torch.int32,
        "labels": torch.int64,
        "target_segments": torch.int32,
        "row_weights": torch.float32,
    }


def test_an_empty_prompts_first_token_is_predicted_by_nothing(
    bloom_tokenizer: PreTrainedTokenizerFast,
) -> None:
    batch = PackedCollator(CausalEncoder(bloom_tokenizer), (8,))([[_encoded([5], [2]), _encoded([], [7, 2])]])
    assert batch["labels"].tolist() == [[-100, 2, -100, 2]]
    assert segment_target_tokens(batch).tolist() == [[1, 1]]


def test_widths(mt5_tokenizer: PreTrainedTokenizerFast) -> None:
    packs = [[_encoded([5, 6, 1], [7, 1])]]
    encoder = Seq2SeqEncoder(mt5_tokenizer)
    full = PackedCollator(encoder, (10, 6), full=True)(packs)
    assert (full["input_ids"].shape, full["labels"].shape) == ((1, 10), (1, 6))
    rounded = PackedCollator(encoder, (10, 6), pad_to_multiple_of=8)(packs)
    assert (rounded["input_ids"].shape, rounded["labels"].shape) == ((1, 8), (1, 6))


def test_a_pack_over_its_capacity_is_refused(
    mt5_tokenizer: PreTrainedTokenizerFast, bloom_tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(ConfigError, match="Found: 4 target tokens"):
        PackedCollator(Seq2SeqEncoder(mt5_tokenizer), (8, 3))([[_encoded([5, 1], [7, 1])] * 2])
    with pytest.raises(ConfigError, match="Found: 8 tokens"):
        PackedCollator(CausalEncoder(bloom_tokenizer), (7,))([[_encoded([5, 1], [7, 1])] * 2])


EXAMPLES = st.builds(
    _encoded,
    st.lists(st.integers(4, 99), min_size=1, max_size=6),
    st.lists(st.integers(4, 99), min_size=1, max_size=4),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packs=st.lists(st.lists(EXAMPLES, max_size=4), min_size=1, max_size=3))
def test_unpacking_gives_the_examples_back(
    tokenizer: PreTrainedTokenizerFast, packs: list[list[Encoded]]
) -> None:
    for encoder in (CausalEncoder(tokenizer), Seq2SeqEncoder(tokenizer)):
        capacities = (64,) if encoder.kind == "causal" else (32, 32)
        batch = PackedCollator(encoder, capacities)(packs)
        for row, pack in enumerate(packs):
            assert batch["row_weights"][row].sum() == len(pack)
            for number, example in enumerate(pack, start=1):
                _check_segment(encoder, batch, row, number, example)


def _check_segment(
    encoder: Encoder, batch: dict[str, torch.Tensor], row: int, number: int, example: Encoded
) -> None:
    inside = batch["segments"][row] == number
    ids, prompt, target = (
        batch["input_ids"][row][inside].tolist(),
        *map(list, (example.input_ids, example.target_ids)),
    )
    if encoder.kind == "causal":
        assert ids == prompt + target
        assert batch["labels"][row][inside].tolist() == [-100] * len(prompt) + target
    else:
        assert ids == prompt
        assert batch["labels"][row][batch["target_segments"][row] == number].tolist() == target
