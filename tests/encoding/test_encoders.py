"""Encoders: what is prompt, what is target, what stands between, and how long it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from transformers import BloomConfig, MT5Config, PreTrainedTokenizerFast

from mtft.encoding import CausalEncoder, Seq2SeqEncoder, TokenLimits, encoder_for
from mtft.errors import ModelError


class Text(NamedTuple):
    inputs: str
    target: str


PAIRS = [
    Text("question : does the dog see the cat ?", "yes"),
    Text("the cat\n", "नमस्ते दुनिया"),
    Text("answer : ", "no ."),
    Text("the dog", " yes"),
]


def test_a_causal_sequence_reads_as_prompt_space_target(bloom_tokenizer: PreTrainedTokenizerFast) -> None:
    encoder = CausalEncoder(bloom_tokenizer)
    encoded = encoder.encode(PAIRS[0])
    whole = [*encoded.input_ids, *encoded.target_ids]
    assert bloom_tokenizer.decode(whole, skip_special_tokens=True) == f"{PAIRS[0].inputs} yes"
    assert encoded.target_ids[-1] == bloom_tokenizer.eos_token_id
    assert encoded.target_ids.dtype == encoded.input_ids.dtype == np.int32


def test_a_prompt_has_the_same_ids_whatever_follows(bloom_tokenizer: PreTrainedTokenizerFast) -> None:
    encoder = CausalEncoder(bloom_tokenizer)
    prompts = {tuple(encoder.encode(Text("the dog sees", target)).input_ids) for target in ("yes", "no", "")}
    assert len(prompts) == 1


@pytest.mark.parametrize(
    ("inputs", "target", "separator"),
    [("a", "b", " "), ("a ", "b", ""), ("a\n", "b", ""), ("a", " b", ""), ("", "b", "")],
)
def test_one_space_and_never_two(
    bloom_tokenizer: PreTrainedTokenizerFast, inputs: str, target: str, separator: str
) -> None:
    encoder = CausalEncoder(bloom_tokenizer)
    encoder._writes_space = False  # as with BLOOM's own tokenizer, which writes no space by itself
    assert encoder.separator(inputs, target) == separator


def test_our_tokenizer_writes_the_space_itself(bloom_tokenizer: PreTrainedTokenizerFast) -> None:
    encoder = CausalEncoder(bloom_tokenizer)
    alone = bloom_tokenizer("yes", add_special_tokens=False).input_ids
    assert encoder.encode(Text("the dog", "yes")).target_ids.tolist() == [*alone, encoder.eos_id]


def test_seq2seq_sides_end_in_one_end_of_sequence(mt5_tokenizer: PreTrainedTokenizerFast) -> None:
    encoder = Seq2SeqEncoder(mt5_tokenizer)
    for pair in PAIRS:
        encoded = encoder.encode(pair)
        for ids, text in ((encoded.input_ids, pair.inputs), (encoded.target_ids, pair.target)):
            assert ids.tolist().count(encoder.eos_id) == 1
            assert ids[-1] == encoder.eos_id
            assert mt5_tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("kind", [CausalEncoder, Seq2SeqEncoder])
def test_batches_and_lengths_agree_with_single_examples(
    kind: type, tokenizer: PreTrainedTokenizerFast
) -> None:
    encoder = kind(tokenizer)
    singles = [encoder.encode(pair) for pair in PAIRS]
    batch = encoder.encode_batch([p.inputs for p in PAIRS], [p.target for p in PAIRS])
    for single, other in zip(singles, batch, strict=True):
        assert single.input_ids.tolist() == other.input_ids.tolist()
        assert single.target_ids.tolist() == other.target_ids.tolist()
    inputs, targets = encoder.measure([p.inputs for p in PAIRS], [p.target for p in PAIRS])
    assert inputs.tolist() == [len(e.input_ids) for e in singles]
    assert targets.tolist() == [len(e.target_ids) for e in singles]
    assert inputs.dtype == targets.dtype == np.int32
    assert encoder.encode_batch([], []) == []


def test_nothing_is_ever_cut(bloom_tokenizer: PreTrainedTokenizerFast) -> None:
    bloom_tokenizer.model_max_length = 8
    encoder = CausalEncoder(bloom_tokenizer, TokenLimits(max_input_tokens=50, max_target_tokens=20))
    long = encoder.encode(Text("cat " * 60, "dog " * 30))
    assert len(long.input_ids) >= 60
    assert len(long.target_ids) >= 30
    assert encoder.drop_reason(long) == "input_too_long"
    assert encoder.drop_reason(encoder.encode(Text("cat", "dog " * 30))) == "target_too_long"
    assert encoder.drop_reason(encoder.encode(Text("cat", "dog"))) is None


@pytest.mark.parametrize("kind", [CausalEncoder, Seq2SeqEncoder])
def test_a_special_token_spelled_out_in_a_row_is_text(kind: type, tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = kind(tokenizer).encode(Text("a </s> <pad> b", "<unk> </s>"))
    whole = [*encoded.input_ids.tolist(), *encoded.target_ids.tolist()]
    assert whole.count(tokenizer.eos_token_id) == (2 if kind is Seq2SeqEncoder else 1)
    assert tokenizer.unk_token_id not in whole
    assert tokenizer.decode(encoded.target_ids, skip_special_tokens=True) == "<unk> </s>"


def test_the_fingerprint_tells_tokenizers_and_kinds_apart(
    bloom_tokenizer: PreTrainedTokenizerFast, mt5_tokenizer: PreTrainedTokenizerFast
) -> None:
    prints = {
        CausalEncoder(bloom_tokenizer).fingerprint,
        CausalEncoder(mt5_tokenizer).fingerprint,
        Seq2SeqEncoder(mt5_tokenizer).fingerprint,
    }
    assert len(prints) == 3
    assert CausalEncoder(bloom_tokenizer).fingerprint in prints
    assert CausalEncoder(bloom_tokenizer).measure.fingerprint in prints


def test_the_fingerprint_does_not_depend_on_what_was_tokenized(
    mt5_tokenizer: PreTrainedTokenizerFast,
) -> None:
    before = Seq2SeqEncoder(mt5_tokenizer).fingerprint
    mt5_tokenizer(["a b", "c"], padding=True, truncation=True, max_length=3)
    assert Seq2SeqEncoder(mt5_tokenizer).fingerprint == before


def test_the_model_decides_the_encoder(tokenizer: PreTrainedTokenizerFast) -> None:
    assert isinstance(encoder_for(MT5Config(), tokenizer), Seq2SeqEncoder)
    assert isinstance(encoder_for(BloomConfig(), tokenizer), CausalEncoder)


def test_a_tokenizer_without_end_of_sequence_is_refused(bloom_tokenizer: PreTrainedTokenizerFast) -> None:
    plain = PreTrainedTokenizerFast(tokenizer_object=bloom_tokenizer.backend_tokenizer)
    with pytest.raises(ModelError, match="end-of-sequence"):
        CausalEncoder(plain)
