"""BERTScore with a local model, through the package of the extra `bertscore`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from mtft.errors import MissingExtraError, SuiteError
from mtft.evaluation.metrics.base import CorpusScore
from mtft.evaluation.metrics.corpus import Pair, corpus_pairs, mean_score

MODEL, LAYERS = "MTFT_BERTSCORE_MODEL", "MTFT_BERTSCORE_LAYERS"
MAX_TOKENS = 512  # where neither tokenizer nor model says how long a text may be


class BertScore(NamedTuple):
    """BERTScore of one text against its best reference: greatest cosines, at most 1."""

    precision: float
    recall: float
    f: float


class BertSetting(NamedTuple):
    """The encoder and the layer whose vectors are compared."""

    model: str
    layers: int


def bert_setting() -> BertSetting:
    """What `MTFT_BERTSCORE_MODEL` and `MTFT_BERTSCORE_LAYERS` name.

    Raises:
        MissingExtraError: The extra is not installed.
        SuiteError: No local model, or no layer, is named.
    """
    if find_spec("bert_score") is None:
        raise MissingExtraError("bert_score", extra="bertscore", purpose="BERTScore")
    model, layers = os.environ.get(MODEL, ""), os.environ.get(LAYERS, "")
    if not (Path(model) / "config.json").is_file():
        remedy = f"Let {MODEL} name a folder that transformers can load an encoder from."
        raise SuiteError("BERTScore needs a local model.", found=model or "none", remedy=remedy)
    if not layers.isdigit() or int(layers) < 1:
        remedy = f"Let {LAYERS} be the number of the layer, such as 17 for roberta-large."
        raise SuiteError("BERTScore needs the number of a layer.", found=layers or "none", remedy=remedy)
    return BertSetting(model, int(layers))


@lru_cache(maxsize=1)
def _scorer(setting: BertSetting) -> Any:
    from bert_score import BERTScorer

    scorer = BERTScorer(model_type=setting.model, num_layers=setting.layers)
    # A tokenizer that knows no limit makes the package cut at 10^30 tokens, which tokenizers refuse.
    limit = getattr(scorer._model.config, "max_position_embeddings", None) or MAX_TOKENS
    scorer._tokenizer.model_max_length = min(scorer._tokenizer.model_max_length, limit)
    return scorer


_KEPT: dict[tuple[BertSetting, Pair], BertScore] = {}


def bert_scores(pairs: Iterable[Pair]) -> list[BertScore]:
    """BERTScore of each pair, computed together and kept; an empty text or reference scores 0.

    Raises:
        MissingExtraError: The extra is not installed.
        SuiteError: No local model is named.

    Source: Zhang et al. 2020, "BERTScore: Evaluating Text Generation with BERT", ICLR, section 3; no idf, no
    rescaling; of several references the one with the best F, as in the package.
    """
    setting, wanted = bert_setting(), list(pairs)
    missing = [pair for pair in dict.fromkeys(wanted) if (setting, pair) not in _KEPT]
    _KEPT.update({(setting, pair): BertScore(0.0, 0.0, 0.0) for pair in missing})
    flat = [(p, text, (p, r)) for p, r in missing if p.strip() for text in r if text.strip()]
    if flat:
        columns = _scorer(setting).score([p for p, _, _ in flat], [text for _, text, _ in flat])
        found = zip(*(column.tolist() for column in columns), strict=True)
        for (_, _, pair), values in zip(flat, found, strict=True):
            # An F below 0 still beats the 0 of nothing compared: it is this text's own.
            _keep(setting, pair, BertScore(*values))
    return [_KEPT[setting, pair] for pair in wanted]


def _keep(setting: BertSetting, pair: Pair, made: BertScore) -> None:
    known = _KEPT[setting, pair]
    if known == (0.0, 0.0, 0.0) or made.f > known.f:
        _KEPT[setting, pair] = made


def bert_signature() -> str:
    """Model, layer, weighting and version."""
    setting = bert_setting()
    name = Path(setting.model).resolve().name
    versions = f"bert-score:{version('bert-score')}|transformers:{version('transformers')}"
    return f"model:{name}|layer:{setting.layers}|idf:no|rescaled:no|{versions}"


def corpus_bertscore(predictions: Sequence[str], references: Sequence[Sequence[str | None]]) -> CorpusScore:
    """The mean F of BERTScore, with its signature.

    Raises:
        SuiteError: The lists do not fit together or are empty, or no local model is named.
        MissingExtraError: The extra is not installed.
    """
    pairs = corpus_pairs(predictions, references)
    return mean_score([score.f for score in bert_scores(pairs)], bert_signature(), pairs)
