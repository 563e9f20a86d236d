"""Examples with a mixture's lengths and ids spread over a whole vocabulary, for every contender the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase
from transformers.trainer_pt_utils import get_length_grouped_indices

from mtft.encoding import CausalEncoder, Encoded, Encoder, LengthSource, Seq2SeqEncoder

BATCH = 8  # rows of the peers' batches on a CPU
_GROUPED = 50  # batches that the library sorts by length together, in any larger dataset


@dataclass(frozen=True)
class Sample:
    """What one round trains on.

    Attributes:
        examples: In the schedule's order.
        padded: (batches, rows) int64, numbers of `examples` in the schedule's order.
        grouped: The same, in batches of similar prompt lengths.
    """

    examples: tuple[Encoded, ...]
    padded: npt.NDArray[np.int64]
    grouped: npt.NDArray[np.int64]

    @property
    def target_tokens(self) -> int:
        """Of all examples."""
        return sum(len(example.target_ids) for example in self.examples)


def sampled(
    source: LengthSource, batches: int, words: int, tokenizer: PreTrainedTokenizerBase, batch: int = BATCH
) -> Sample:
    """Every so-manieth batch of the first 50 that the library would group by length.

    So the grouped batches are as alike in length as on a large dataset, however few of them there are, and every part
    of the mixture's lengths is there. The same examples in the schedule's order make the padded batches.

    Args:
        source: Where lengths come from.
        batches: At most 50.
        words: The vocabulary's size; ids are drawn evenly from all but the special ones at its beginning.
        tokenizer: Whose special ids are left out, and whose end-of-sequence ends targets.
        batch: Rows of a batch.
    """
    input_tokens, target_tokens = source.lengths(np.arange(_GROUPED * batch, dtype=np.int64))
    generator = torch.Generator().manual_seed(0)
    order = get_length_grouped_indices(
        input_tokens.tolist(), batch, mega_batch_mult=_GROUPED, generator=generator
    )
    every = (np.arange(batches) + 0.5) * _GROUPED / batches
    chosen = np.array(order).reshape(_GROUPED, batch)[every.astype(int)]
    positions = np.sort(chosen.ravel())
    draw = np.random.default_rng(0)
    low, eos = max(tokenizer.all_special_ids) + 1, int(tokenizer.eos_token_id)
    lengths = zip(input_tokens[positions].tolist(), target_tokens[positions].tolist(), strict=True)
    return Sample(
        examples=tuple(_example(draw, low, words, eos, *each) for each in lengths),
        padded=np.arange(positions.size).reshape(-1, batch),
        # in a random order: each round is then alike from its beginning to its end
        grouped=draw.permutation(np.searchsorted(positions, chosen)),
    )


def _example(
    draw: np.random.Generator, low: int, words: int, eos: int, input_tokens: int, target_tokens: int
) -> Encoded:
    ids = draw.integers(low, words, input_tokens + target_tokens, dtype=np.int32)
    ids[-1] = eos
    return Encoded(ids[:input_tokens], ids[input_tokens:])


class _Numbered(NamedTuple):
    """An example whose text is its number."""

    inputs: str
    target: str = ""
    task: str = "sample"
    language: str = ""


class SampleSource:
    """The sample as `MultitaskTrainer` reads a mixture, again and again."""

    fingerprint = "sample"

    def __init__(self, sample: Sample) -> None:
        self._examples = sample.examples

    def examples(self, positions: npt.NDArray[np.int64]) -> list[_Numbered]:
        """The examples at these positions."""
        return [_Numbered(str(position % len(self._examples))) for position in positions.tolist()]

    def lengths(
        self, positions: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Tokens of prompt and target."""
        found = [self._examples[position % len(self._examples)] for position in positions.tolist()]
        both = np.array([(len(each.input_ids), len(each.target_ids)) for each in found], dtype=np.int32)
        return both[:, 0], both[:, 1]


class _Known:
    """An encoder that knows the ids already: peers get theirs without a tokenizer as well."""

    sample: Sample

    def encode_batch(self, inputs: Sequence[str], targets: Sequence[str]) -> list[Encoded]:
        """The examples of these numbers."""
        return [self.sample.examples[int(number)] for number in inputs]


class _KnownCausal(_Known, CausalEncoder):
    pass


class _KnownSeq2Seq(_Known, Seq2SeqEncoder):
    pass


def sample_encoder(family: str, tokenizer: PreTrainedTokenizerBase, sample: Sample) -> Encoder:
    """What `MultitaskTrainer` encodes a `SampleSource` with."""
    encoder = {"bloom": _KnownCausal, "mt5": _KnownSeq2Seq}[family](tokenizer)
    encoder.sample = sample
    return encoder
