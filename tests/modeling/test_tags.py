"""Tags as tokens: mean of their pieces, saved and loaded as the library's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, MT5Config

from mtft.errors import ModelError
from mtft.modeling import TargetMT5, add_tags, save_model
from mtft.structured.linearize import tags

TAGS = tags("unified", "totto")
TEXT = "<cell> the cat <header> the dog <cell> cat"


def rows(model: Any) -> list[torch.Tensor]:
    return [model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()]


def test_a_tag_begins_as_the_mean_of_its_pieces(toy: Any) -> None:
    pieces = toy.tokenizer("<cell>", add_special_tokens=False).input_ids
    before = [weight.clone() for weight in rows(toy.model)]
    assert len(pieces) > 1
    ids = add_tags(toy.model, toy.tokenizer, TAGS)
    assert len(ids) == len(TAGS)
    cell = toy.tokenizer.convert_tokens_to_ids("<cell>")
    for old, new in zip(before, rows(toy.model), strict=True):
        assert torch.allclose(new[cell], old[pieces].mean(0))
        assert torch.equal(new[: len(old)], old)
        assert len(new) == len(toy.tokenizer) == toy.model.config.vocab_size


def test_text_with_tags_is_shorter_and_words_keep_their_tokens(toy: Any) -> None:
    plain = toy.tokenizer("the cat", add_special_tokens=False).input_ids
    length = len(toy.tokenizer(TEXT).input_ids)
    add_tags(toy.model, toy.tokenizer, TAGS)
    ids = toy.tokenizer(TEXT).input_ids
    assert len(ids) < length
    cell, header = toy.tokenizer.convert_tokens_to_ids(["<cell>", "<header>"])
    assert [n for n in ids if n in (cell, header)] == [cell, header, cell]
    assert ids[1 : ids.index(header)] == plain
    decoded = toy.tokenizer.decode(toy.tokenizer(TEXT, add_special_tokens=False).input_ids)
    assert decoded.replace("<", " <").split() == TEXT.split()


def test_adding_twice_changes_nothing(toy: Any) -> None:
    add_tags(toy.model, toy.tokenizer, TAGS)
    before = [weight.clone() for weight in rows(toy.model)]
    assert add_tags(toy.model, toy.tokenizer, TAGS) == []
    assert all(torch.equal(a, b) for a, b in zip(before, rows(toy.model), strict=True))


def test_saved_tags_load_in_the_plain_library(toy: Any, tmp_path: Path) -> None:
    add_tags(toy.model, toy.tokenizer, TAGS)
    save_model(toy.model, toy.tokenizer, tmp_path / "model")
    auto = AutoModelForSeq2SeqLM if toy.family == "mt5" else AutoModelForCausalLM
    plain = auto.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer(TEXT).input_ids == toy.tokenizer(TEXT).input_ids
    for ours, theirs in zip(rows(toy.model), rows(plain), strict=True):
        assert torch.equal(ours, theirs)


def test_spare_rows_are_used_before_the_vocabulary_grows(toy: Any) -> None:
    if toy.family != "mt5":
        pytest.skip("published mT5 models have more rows than tokens")
    vocabulary = len(toy.tokenizer) + 100
    config = MT5Config(vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4)
    config.tie_word_embeddings = False
    model = TargetMT5(config)
    pieces = toy.tokenizer("<header>", add_special_tokens=False).input_ids
    add_tags(model, toy.tokenizer, TAGS)
    new = toy.tokenizer.convert_tokens_to_ids("<header>")
    assert len(rows(model)[0]) == vocabulary
    for weight in rows(model):
        assert torch.allclose(weight[new], weight[pieces].mean(0))


def test_an_adapter_gets_no_tags(toy: Any) -> None:
    targets = ["q", "v"] if toy.family == "mt5" else ["query_key_value"]
    model = get_peft_model(toy.model, LoraConfig(target_modules=targets))
    with pytest.raises(ModelError, match="plain model"):
        add_tags(model, toy.tokenizer, TAGS)
