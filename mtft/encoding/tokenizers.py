"""Training a tokenizer on a mixture's own text: byte-level BPE, so no script is unknown."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from mtft.errors import ConfigError, nearest

Family = Literal["mt5", "bloom"]

SENTINELS = 100
_SPECIAL_TOKENS: dict[str, tuple[str, ...]] = {
    # ids as in the published models: pad 0, eos 1, unk 2 for T5; unk 0, bos 1, eos 2, pad 3 for BLOOM
    "mt5": ("<pad>", "</s>", "<unk>", *(f"<extra_id_{n}>" for n in range(SENTINELS))),
    "bloom": ("<unk>", "<s>", "</s>", "<pad>"),
}
# A word is letters with their combining marks and joiners (Devanagari vowel signs, Persian half-spaces),
# with the one space before it; digits and the rest are runs of their own.
_WORD = Regex(r" ?[\p{L}\p{M}\u200c\u200d]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}\u200c\u200d]+|\s+(?!\S)|\s")


def minimum_vocabulary(family: Family) -> int:
    """The fewest entries a tokenizer of this family can have: its special tokens and the 256 bytes."""
    return len(_SPECIAL_TOKENS[family]) + 256


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, family: Family, path: str | Path | None = None
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of at most `vocab_size` entries, its special tokens laid out as in `family`.

    Every text comes back exactly: `decode(encode(text)) == text`, whatever the script, because the 256
    bytes are always in the vocabulary. A space is put before the first word (and taken off again by
    `decode`), so a word has one id wherever it stands; a word frequent enough is one token.

    Args:
        texts: The text to learn from.
        vocab_size: Entries, special tokens included.
        family: `mt5` (pad, eos, unk, 100 sentinels `<extra_id_n>`; eos appended by the tokenizer) or
            `bloom` (unk, bos, eos, pad; nothing appended).
        path: Folder to save it to, or None.

    Raises:
        ConfigError: The family is unknown or the vocabulary is smaller than `minimum_vocabulary(family)`.
    """
    _check(vocab_size, family)
    special = _SPECIAL_TOKENS[family]
    tokenizer = _untrained()
    trainer = BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if family == "mt5":
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", special.index("</s>"))]
        )
    wrapped = _wrap(tokenizer, family)
    if path is not None:
        wrapped.save_pretrained(path)
    return wrapped


def _check(vocab_size: int, family: str) -> None:
    """Raise unless a tokenizer of this family and size can exist."""
    if family not in _SPECIAL_TOKENS:
        raise ConfigError(
            "A tokenizer's family must be one of ours.",
            found=f"`{family}`",
            remedy=nearest(family, _SPECIAL_TOKENS),
        )
    least = len(_SPECIAL_TOKENS[family]) + 256
    if vocab_size < least:
        raise ConfigError(
            f"The vocabulary of family {family} must hold at least {least} entries (specials and bytes).",
            found=vocab_size,
        )


def _untrained() -> Tokenizer:
    """Byte-level BPE that writes a space before the text and takes it off on decoding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_WORD, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def _wrap(tokenizer: Tokenizer, family: str) -> PreTrainedTokenizerFast:
    """The tokenizer with the attributes that transformers expects."""
    names = {"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "<pad>"}
    if family == "bloom":
        names["bos_token"] = "<s>"
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        clean_up_tokenization_spaces=False,
        padding_side="right" if family == "mt5" else "left",  # a causal model generates from the right edge
        **names,
    )
