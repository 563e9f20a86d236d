"""From text to ids, and from rows to steps and batches: tokenizer training, encoders, step plan, collator."""

from mtft.encoding.collator import Batch, Collator
from mtft.encoding.encoded import Encoded, TokenLimits
from mtft.encoding.encoders import CausalEncoder, Encoder, Seq2SeqEncoder, encoder_for
from mtft.encoding.lengths import TokenLengths
from mtft.encoding.step_plan import EMPTY, StepPlan, accumulation_for
from mtft.encoding.tokenizers import minimum_vocabulary, train_tokenizer

__all__ = [
    "EMPTY",
    "Batch",
    "CausalEncoder",
    "Collator",
    "Encoded",
    "Encoder",
    "Seq2SeqEncoder",
    "StepPlan",
    "TokenLengths",
    "TokenLimits",
    "accumulation_for",
    "encoder_for",
    "minimum_vocabulary",
    "train_tokenizer",
]
