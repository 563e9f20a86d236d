"""From text to token ids: one encoder for causal models, one for encoder-decoders."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from mtft.encoding.encoded import Encoded, Ids, TokenLimits
from mtft.encoding.lengths import TokenLengths
from mtft.errors import ModelError


class HasText(Protocol):
    """What an encoder reads of an example."""

    @property
    def inputs(self) -> str:
        """The prompt."""

    @property
    def target(self) -> str:
        """The target that trains."""


class Encoder(ABC):
    """Text to ids for one tokenizer.

    Args:
        tokenizer: Must have an end-of-sequence token.
        limits: Lengths beyond which `drop_reason` speaks.

    Raises:
        ModelError: The tokenizer has no end-of-sequence token.
    """

    kind: str

    def __init__(self, tokenizer: PreTrainedTokenizerBase, limits: TokenLimits | None = None) -> None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                "A tokenizer must have an end-of-sequence token, which ends every target.",
                found=type(tokenizer).__name__,
                where=tokenizer.name_or_path or None,
            )
        self.tokenizer = tokenizer
        self.limits = limits or TokenLimits()
        self.eos_id = int(tokenizer.eos_token_id)
        pad_id = tokenizer.pad_token_id
        self.pad_id = self.eos_id if pad_id is None else int(pad_id)  # padding is masked: any id does

    @abstractmethod
    def encode_inputs(self, inputs: Sequence[str]) -> list[Ids]:
        """The prompts' ids, one (tokens,) int32 array each."""

    @abstractmethod
    def encode_targets(self, inputs: Sequence[str], targets: Sequence[str]) -> list[Ids]:
        """The targets' ids as they follow these prompts, end-of-sequence included."""

    def encode(self, example: HasText) -> Encoded:
        """One example's ids."""
        return self.encode_batch([example.inputs], [example.target])[0]

    def encode_batch(self, inputs: Sequence[str], targets: Sequence[str]) -> list[Encoded]:
        """Many examples' ids; equal to encoding them one by one, and several times faster."""
        pairs = zip(self.encode_inputs(inputs), self.encode_targets(inputs, targets), strict=True)
        return [Encoded(input_ids, target_ids) for input_ids, target_ids in pairs]

    def drop_reason(self, encoded: Encoded) -> str | None:
        """Why the example is over the limits (`input_too_long`, `target_too_long`), or None."""
        return self.limits.drop_reason(len(encoded.input_ids), len(encoded.target_ids))

    @property
    def measure(self) -> TokenLengths:
        """What a mixture's index calls to know every example's length."""
        return TokenLengths(self)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything that decides the ids: the tokenizer's vocabulary and rules, and the kind."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        rules = {"vocabulary": self.tokenizer.get_vocab()}
        if backend is not None:
            rules = json.loads(backend.to_str())
        # what the last call asked for, not what the tokenizer is
        rules = {name: rule for name, rule in rules.items() if name not in ("padding", "truncation")}
        state = json.dumps([self.kind, self.eos_id, rules], sort_keys=True)
        return hashlib.sha256(state.encode()).hexdigest()[:16]

    def _ids(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        """The tokenizer's ids, nothing cut.

        Rows are text: one that holds the characters `</s>` gets their ids, not the special token's.
        """
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(texts),
            add_special_tokens=special,
            split_special_tokens=True,
            truncation=False,
            verbose=False,
        )["input_ids"]
        return ids


class CausalEncoder(Encoder):
    """Prompt, one space, target, end-of-sequence; only target and end-of-sequence are trained on.

    The space belongs to the target, and prompt and target are tokenized apart, so that a prompt has the
    same ids whatever follows it. No space is added where the prompt ends in white space, the target
    begins with it, or the tokenizer writes one before every text by itself.

    Example: with words as tokens, inputs `"2 + 2 ="` and target `"4"` become

        input_ids   [ 2,  +,  2,  = ]
        target_ids  [                 ␣4, </s> ]
        sequence    [ 2,  +,  2,  =,  ␣4, </s> ]
        labels      [-100, -100, -100, -100, ␣4, </s> ]
        trained at  [ ., ., ., x, x, . ]        (the position before each target token predicts it)
    """

    kind = "causal"

    def __init__(self, tokenizer: PreTrainedTokenizerBase, limits: TokenLimits | None = None) -> None:
        super().__init__(tokenizer, limits)
        bos = tokenizer.bos_token_id
        self._prefix = [bos] if bos is not None and bos in self._ids([""], special=True)[0] else []
        self._writes_space = next(iter(tokenizer.tokenize("a")), "").startswith(("▁", "Ġ"))

    def encode_inputs(self, inputs: Sequence[str]) -> list[Ids]:
        """The prompts' ids, after a beginning-of-sequence token where the tokenizer uses one."""
        return [np.array(self._prefix + ids, dtype=np.int32) for ids in self._ids(inputs, special=False)]

    def encode_targets(self, inputs: Sequence[str], targets: Sequence[str]) -> list[Ids]:
        """The targets' ids with the space between, and end-of-sequence."""
        joined = [self.separator(a, b) + b for a, b in zip(inputs, targets, strict=True)]
        return [np.array([*ids, self.eos_id], dtype=np.int32) for ids in self._ids(joined, special=False)]

    def separator(self, inputs: str, target: str) -> str:
        """What stands between the two: a space or nothing."""
        touching = not inputs or inputs[-1].isspace() or target[:1].isspace()
        return "" if touching or self._writes_space else " "


class Seq2SeqEncoder(Encoder):
    """Prompt and end-of-sequence for the encoder; target and end-of-sequence for the decoder.

    Example: inputs `"2 + 2 ="` and target `"4"` become

        input_ids          [ 2, +, 2, =, </s> ]
        target_ids         [ 4, </s> ]
        decoder_input_ids  [ <pad>, 4 ]          (shifted right inside the model)
    """

    kind = "seq2seq"

    def encode_inputs(self, inputs: Sequence[str]) -> list[Ids]:
        """The prompts' ids with the tokenizer's own special tokens, ending in end-of-sequence."""
        return [self._ended(ids) for ids in self._ids(inputs, special=True)]

    def encode_targets(self, inputs: Sequence[str], targets: Sequence[str]) -> list[Ids]:
        """The targets' ids, ending in end-of-sequence; they do not depend on the prompts."""
        if not targets:
            return []
        ids = self.tokenizer(
            text_target=list(targets), split_special_tokens=True, truncation=False, verbose=False
        )["input_ids"]
        return [self._ended(each) for each in ids]

    def _ended(self, ids: list[int]) -> Ids:
        """The ids with end-of-sequence last, once."""
        return np.array(ids if ids and ids[-1] == self.eos_id else [*ids, self.eos_id], dtype=np.int32)


def encoder_for(
    config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, limits: TokenLimits | None = None
) -> Encoder:
    """The encoder that fits a model: seq2seq for an encoder-decoder, else causal."""
    chosen = Seq2SeqEncoder if getattr(config, "is_encoder_decoder", False) else CausalEncoder
    return chosen(tokenizer, limits)
