"""The collator pads and does nothing else."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from mtft.encoding import CausalEncoder, Collator, Encoded, Seq2SeqEncoder


def _encoded(inputs: list[int], targets: list[int]) -> Encoded:
    return Encoded(np.array(inputs, np.int32), np.array(targets, np.int32))


def test_causal_batch(bloom_tokenizer: PreTrainedTokenizerFast) -> None:
    batch = Collator(CausalEncoder(bloom_tokenizer))([_encoded([5, 6], [7, 2]), None])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 2], [2, 2, 3, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["labels"].tolist() == [[-100, -100, 7, 2], [-100, 2, -100, -100]]
    assert batch["row_weights"].tolist() == [1, 0]
    assert {name: t.dtype for name, t in batch.items()} == {
        "input_ids": torch.int64,
        "attention_mask": torch.int64,
        "labels": torch.int64,
        "row_weights": torch.float32,
    }


def test_seq2seq_batch(mt5_tokenizer: PreTrainedTokenizerFast) -> None:
    batch = Collator(Seq2SeqEncoder(mt5_tokenizer))(
        [_encoded([5, 6, 1], [7, 1]), _encoded([8, 1], [9, 9, 1])]
    )
    assert batch["input_ids"].tolist() == [[5, 6, 1], [8, 1, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[7, 1, -100], [9, 9, 1]]


def test_lengths_can_be_rounded_up(mt5_tokenizer: PreTrainedTokenizerFast) -> None:
    batch = Collator(Seq2SeqEncoder(mt5_tokenizer), pad_to_multiple_of=8)([_encoded([5] * 9, [7, 1])])
    assert batch["input_ids"].shape == (1, 16)
    assert batch["labels"].shape == (1, 8)
    assert batch["attention_mask"].sum() == 9
