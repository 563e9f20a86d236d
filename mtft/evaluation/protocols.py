"""Named scoring protocols: which ids a prompt and an answer choice become before they are scored.

| protocol  | `</s>` ends the prompt     | before a choice | `</s>` after it scored | longest prompt |
|-----------|----------------------------|-----------------|------------------------|----------------|
| `trained` | for encoder-decoders       | as in training  | yes                    | 2048           |
| `bloomz`  | no                         | a space         | no                     | 2048           |
| `mt0`     | no                         | nothing         | yes                    | 512            |
| `lm_eval` | as the tokenizer writes it | a space         | no                     | the model's    |

All of them sum the choice's log-probabilities in float32 without length normalisation. `bloomz` and `mt0`
are the settings behind the published BLOOMZ and mT0 scores; `trained` gives the very ids on which mtft's
trainer trains; `lm_eval` gives those of lm-evaluation-harness (`mtft.evaluation.harness`). docs/protocols.md
tells all differences.

A longer prompt loses the beginning of the column that its card names, or is unscored; `lm_eval` cuts the
whole prompt from the left, as the harness does.

Source: Muennighoff et al. 2023, arXiv 2211.01786, section 4; the flags are those of the authors' evaluation
scripts (t-zero `evaluation/run_eval.py`, launched with a leading space for BLOOMZ and `--nospace` in float32
for mT0). lm-evaluation-harness 0.4.13.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from mtft.encoding import CausalEncoder, Encoder, Seq2SeqEncoder
from mtft.errors import SuiteError, nearest
from mtft.evaluation.fingerprints import tokenizer_fingerprint
from mtft.evaluation.harness import LENGTHS, HarnessEncoding, context_length
from mtft.evaluation.harness import TokenIds as TokenIds

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringProtocol:
    """How prompts and choices become ids.

    Attributes:
        name: What reports print.
        as_trained: The trainer's encoder makes the ids; the next two are then not used.
        as_harness: lm-evaluation-harness's rules make them, and cut them from the left; nor are they then.
        space: A space is put before each choice, unless the tokenizer writes one by itself.
        choice_special_tokens: The tokenizer's own special tokens follow each choice and are scored (mT5:
        `</s>`).
        max_input_tokens: Longer prompts are cut or unscored; None takes the model's own length.
        published_dtype: Precision of the published runs; None where there are none.
    """

    name: str
    as_trained: bool = False
    as_harness: bool = False
    space: bool = False
    choice_special_tokens: bool = False
    max_input_tokens: int | None = 2048
    published_dtype: str | None = None


PROTOCOLS: dict[str, ScoringProtocol] = {
    "trained": ScoringProtocol("trained", as_trained=True),
    "bloomz": ScoringProtocol("bloomz", space=True, published_dtype="bfloat16"),
    "mt0": ScoringProtocol(
        "mt0", choice_special_tokens=True, max_input_tokens=512, published_dtype="float32"
    ),
    "lm_eval": ScoringProtocol("lm_eval", as_harness=True, max_input_tokens=None),
}
FAMILY_PROTOCOL = {"bloom": "bloomz", "mt5": "mt0"}


def find_protocol(name: str | None, family: str) -> ScoringProtocol:
    """The protocol of that name; without one, `bloomz` for BLOOM, `mt0` for mT5, `trained` for other models.

    Raises:
        SuiteError: No protocol has that name.
    """
    chosen = name or FAMILY_PROTOCOL.get(family, "trained")
    if chosen not in PROTOCOLS:
        raise SuiteError(
            "A scoring protocol must be one of the known ones.",
            found=f"`{chosen}`",
            remedy=nearest(chosen, PROTOCOLS),
        )
    return PROTOCOLS[chosen]


def input_limit(
    protocol: ScoringProtocol, asked: int | None, model: Any, tokenizer: PreTrainedTokenizerBase
) -> int:
    """The most tokens of a prompt: those asked for, else the protocol's, else the model's own length; never more
    than the model has positions for.
    """
    wanted = asked or protocol.max_input_tokens or context_length(model, tokenizer)
    return min(wanted, position_limit(model) or wanted)


def position_limit(model: Any) -> int | None:
    """The tokens that a model has positions for; None where they are relative, as in BLOOM and T5.

    An encoder-decoder's `n_positions` is not asked: T5's configurations have one that binds nothing.
    """
    config = getattr(model.config, "text_config", None) or model.config
    names = ("max_position_embeddings",) if config.is_encoder_decoder else LENGTHS
    found = [int(value) for name in names if (value := getattr(config, name, None)) is not None]
    return min(found, default=None)


def note_precision(protocol: ScoringProtocol, dtype: str) -> None:
    """Warns where a model's precision is not the one that the protocol's published scores were made in.

    Args:
        protocol: The protocol.
        dtype: Of the weights, as in `float32`.
    """
    if protocol.published_dtype not in (None, dtype):
        logger.warning(
            "Protocol %s: its published scores were made in %s, this model is in %s; scores may differ.",
            protocol.name,
            protocol.published_dtype,
            dtype,
        )


class ProtocolEncoder:
    """Texts to ids under one protocol, with one tokenizer; many texts at a time, each distinct text once.

    Args:
        protocol: The rules.
        tokenizer: The model's.
        encoder_decoder: Whether the model has an encoder.
    """

    def __init__(
        self, protocol: ScoringProtocol, tokenizer: PreTrainedTokenizerBase, *, encoder_decoder: bool
    ) -> None:
        kind: type[Encoder] = Seq2SeqEncoder if encoder_decoder else CausalEncoder
        self.protocol = protocol
        self.tokenizer = tokenizer
        self.encoder_decoder = encoder_decoder
        self._trained = kind(tokenizer)
        self._harness = HarnessEncoding(tokenizer, encoder_decoder=encoder_decoder)
        self._lead = "" if not protocol.space or _writes_space(tokenizer) else " "

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides the ids and whether they are scored."""
        rules = json.dumps(asdict(self.protocol), sort_keys=True)
        parts = (rules, self._trained.fingerprint, tokenizer_fingerprint(self.tokenizer))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    @property
    def empty_prompt(self) -> int:
        """The token that stands for an empty prompt.

        Causal models: the beginning of a text, or else its end, as in lm-evaluation-harness (`HFLM.prefix_token_id`),
        and so under `lm_eval`. Encoder-decoders: `</s>`, which alone is what their tokenizer makes of an empty text.
        """
        if self.encoder_decoder and not self.protocol.as_harness:
            return int(self.tokenizer.eos_token_id)
        begin = self.tokenizer.bos_token_id
        return int(self.tokenizer.eos_token_id if begin is None else begin)

    def inputs(self, texts: Sequence[str], *, generation: bool = False) -> list[TokenIds]:
        """The prompts' ids, before choices or, for `generation`, to go on from."""
        if self.protocol.as_harness:
            return self._harness.prompts(texts) if generation else self._harness.contexts(texts)
        distinct = list(dict.fromkeys(texts))
        if self.protocol.as_trained:
            ids = [tuple(i.tolist()) for i in self._trained.encode_inputs(distinct)]
        else:
            ids = self._tokenize(distinct, special=False)
        return _look_up(distinct, ids, texts)

    def choices(self, inputs: Sequence[str], choices: Sequence[str]) -> list[TokenIds]:
        """The ids of each choice as it follows the prompt at the same place."""
        if self.protocol.as_harness:
            return self._harness.continuations(inputs, choices)
        if not self.protocol.as_trained:
            texts = [self._lead + choice for choice in choices]
            distinct = list(dict.fromkeys(texts))
            ids = self._tokenize(distinct, special=self.protocol.choice_special_tokens)
            return _look_up(distinct, ids, texts)
        # A causal target's ids depend on the prompt only through white space at its end.
        pairs = [("x" + text[-1:], choice) for text, choice in zip(inputs, choices, strict=True)]
        unique = list(dict.fromkeys(pairs))
        trained = self._trained.encode_targets([a for a, _ in unique], [b for _, b in unique])
        return _look_up(unique, [tuple(i.tolist()) for i in trained], pairs)

    def _tokenize(self, texts: list[str], *, special: bool) -> list[TokenIds]:
        if not texts:
            return []
        ids = self.tokenizer(
            texts, add_special_tokens=special, truncation=False, padding=False, verbose=False
        )
        return [tuple(each) for each in ids["input_ids"]]


def _writes_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer puts a space before every text by itself."""
    return bool(tokenizer.tokenize("a")[0].startswith(("▁", "Ġ")))


def _look_up(keys: Sequence[object], values: Sequence[TokenIds], wanted: Sequence[object]) -> list[TokenIds]:
    table = dict(zip(keys, values, strict=True))
    return [table[key] for key in wanted]
