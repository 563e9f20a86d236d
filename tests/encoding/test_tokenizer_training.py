"""Trained tokenizers: nothing unknown, everything comes back, words are tokens, specials as published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from mtft.encoding import minimum_vocabulary, train_tokenizer
from mtft.errors import ConfigError

TINY = {
    family: train_tokenizer(["a b"], minimum_vocabulary(family) + 8, family) for family in ("mt5", "bloom")
}


@pytest.mark.parametrize("family", ["mt5", "bloom"])
@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@example(text="  two  spaces and a trailing one ")
@example(text="▁ sentencepiece's own mark, \r\n\t and \x00 control")
@example(text="ᱥᱟᱱᱛᱟᱲᱤ ⵜⵉⴼⵉⵏⴰⵖ 𐒋𐒘𐒈𐒑𐒛𐒒𐒕𐒀 👩‍👩‍👧 नमस्ते")
def test_every_text_comes_back_and_nothing_is_unknown(family: str, text: str) -> None:
    tokenizer = TINY[family]
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == text


def test_frequent_words_are_one_token_wherever_they_stand(tokenizer: PreTrainedTokenizerFast) -> None:
    for word in ("cat", "दुनिया", "می‌روم", "house"):
        first = tokenizer(word, add_special_tokens=False).input_ids
        later = tokenizer(f"the {word}", add_special_tokens=False).input_ids
        assert len(first) == 1, word
        assert later[-1:] == first


def test_special_tokens_stand_where_the_published_models_have_them(
    mt5_tokenizer: PreTrainedTokenizerFast, bloom_tokenizer: PreTrainedTokenizerFast
) -> None:
    assert (mt5_tokenizer.pad_token_id, mt5_tokenizer.eos_token_id, mt5_tokenizer.unk_token_id) == (0, 1, 2)
    sentinels = mt5_tokenizer.convert_tokens_to_ids([f"<extra_id_{n}>" for n in range(100)])
    assert len(set(sentinels) - {mt5_tokenizer.unk_token_id}) == 100
    ids = [bloom_tokenizer.convert_tokens_to_ids(t) for t in ("<unk>", "<s>", "</s>", "<pad>")]
    assert ids == [0, 1, 2, 3]
    assert mt5_tokenizer("cat").input_ids[-1] == 1
    assert 2 not in bloom_tokenizer("cat").input_ids


@pytest.mark.parametrize("model_type", [None, "mt5", "bloom"])
def test_a_saved_tokenizer_is_loaded_unchanged_beside_any_configuration(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, model_type: str | None
) -> None:
    tokenizer.save_pretrained(tmp_path)
    if model_type:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "the  cat sees\nनमस्ते ᱥᱟ 12"
    assert loaded(text).input_ids == tokenizer(text).input_ids
    assert loaded.decode(loaded(text, add_special_tokens=False).input_ids) == text
    assert loaded.eos_token_id == tokenizer.eos_token_id
    assert len(loaded) == len(tokenizer)


def test_training_is_deterministic() -> None:
    texts = ["one two three", "two three four"] * 3
    first, second = (train_tokenizer(texts, 400, "bloom").get_vocab() for _ in range(2))
    assert first == second


def test_a_vocabulary_too_small_for_the_bytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 359"):
        train_tokenizer(["a"], 300, "mt5")
    with pytest.raises(ConfigError, match="mt5"):
        train_tokenizer(["a"], 500, "mt6")  # type: ignore[arg-type]
