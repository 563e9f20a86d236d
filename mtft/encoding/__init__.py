"""From text to ids, from rows to steps and batches: tokenizer training, encoders, plans, packing, collators."""

from mtft.encoding.capacity import SAMPLE, Filling, filling, fillings
from mtft.encoding.collator import Batch, Collator
from mtft.encoding.encoded import Encoded, TokenLimits
from mtft.encoding.encoders import CausalEncoder, Encoder, Seq2SeqEncoder, encoder_for
from mtft.encoding.lengths import TokenLengths
from mtft.encoding.pack_plan import PackPlan
from mtft.encoding.pack_windows import OVER_CAPACITY, WINDOW, LengthSource, PackWindow, PackWindows, in_words
from mtft.encoding.packed_collator import PackedCollator, segment_target_tokens
from mtft.encoding.packing import Capacities, lower_bound, pack, sizes_of
from mtft.encoding.step_plan import EMPTY, Positions, StepPlan, UnevenPlan, accumulation_for
from mtft.encoding.tokenizers import minimum_vocabulary, train_tokenizer

__all__ = [
    "EMPTY",
    "OVER_CAPACITY",
    "SAMPLE",
    "WINDOW",
    "Batch",
    "Capacities",
    "CausalEncoder",
    "Collator",
    "Encoded",
    "Encoder",
    "Filling",
    "LengthSource",
    "PackPlan",
    "PackWindow",
    "PackWindows",
    "PackedCollator",
    "Positions",
    "Seq2SeqEncoder",
    "StepPlan",
    "TokenLengths",
    "TokenLimits",
    "UnevenPlan",
    "accumulation_for",
    "encoder_for",
    "filling",
    "fillings",
    "in_words",
    "lower_bound",
    "minimum_vocabulary",
    "pack",
    "segment_target_tokens",
    "sizes_of",
    "train_tokenizer",
]
