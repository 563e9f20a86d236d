"""A loaded model that answers questions in batches. Imports torch: only `predict` uses it, when it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from mtft.cli.questions import Question
from mtft.evaluation.generation import Generator
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.output_cache import Answer
from mtft.evaluation.protocols import ProtocolEncoder, find_protocol, input_limit
from mtft.evaluation.requests import (
    GenerationIds,
    GenerationRequest,
    RankIds,
    RankRequest,
    encode_generation,
    encode_rank,
)
from mtft.evaluation.runnable import Limits, pad_and_eos
from mtft.modeling import load_model

TOO_LONG, NOT_FINITE = "input_too_long", "logits_not_finite"
Ids = TypeVar("Ids", RankIds, GenerationIds)


class Predictor:
    """Answers by greedy generation, or by the choice with the highest log-likelihood.

    Args:
        name: Model folder or Hub id.
        revision: Of a Hub model.
        protocol: How texts become ids; None for the model family's.
        max_new_tokens: Longest free answer, in tokens.
        batch_tokens: Tokens per batch.
    """

    def __init__(
        self, name: str, *, revision: str | None, protocol: str | None, max_new_tokens: int, batch_tokens: int
    ) -> None:
        model, self._tokenizer, family = load_model(name, revision)
        self._protocol = find_protocol(protocol, family)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = model.to(device)
        encoder_decoder = bool(model.config.is_encoder_decoder)
        self._encoder = ProtocolEncoder(self._protocol, self._tokenizer, encoder_decoder=encoder_decoder)
        self._limits = Limits(model, input_limit(self._protocol, None, model, self._tokenizer))
        self._reasons: dict[str, str] = {}
        self._max_new_tokens = max_new_tokens
        pad, eos = pad_and_eos(self._tokenizer)
        self._ranker = LikelihoodEngine(model, pad, batch_tokens=batch_tokens)
        self._generator = Generator(model, pad, eos, batch_tokens=batch_tokens)

    @torch.inference_mode()
    def answer(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """One mapping per question, in order: inputs, prediction, and for choices their log-likelihoods.

        A prompt that is longer than the protocol takes is not cut: its prediction is None, with the reason, as is that
        of a question that cannot be answered otherwise.
        """
        free = [GenerationRequest(q.inputs, self._max_new_tokens) for q in questions if q.choices is None]
        ranked = [RankRequest(q.inputs, q.choices) for q in questions if q.choices is not None]
        answers = self._generated(free) | self._ranked(ranked)
        return [self._row(question, answers) for question in questions]

    def _row(self, question: Question, answers: dict[str, Answer]) -> dict[str, Any]:
        row: dict[str, Any] = {"inputs": question.inputs, "prediction": None}
        if question.choices is None:
            key = GenerationRequest(question.inputs, self._max_new_tokens).key
            row["prediction"] = answers.get(key)
        else:
            key = RankRequest(question.inputs, question.choices).key
            scores = answers.get(key)
            finite = isinstance(scores, list) and all(map(math.isfinite, scores))
            row |= {"choices": list(question.choices), "loglikelihoods": scores if finite else None}
            if isinstance(scores, list) and finite:
                row["prediction"] = question.choices[scores.index(max(scores))]
        if row["prediction"] is None:
            row["unscored_reason"] = self._reasons.get(key, NOT_FINITE)
        return row

    def _answerable(self, items: Sequence[Ids]) -> list[Ids]:
        """The items that the model can answer; why it cannot the others is kept."""
        for item in items:
            if reason := self._limits.reason(item):
                self._reasons[item.key] = TOO_LONG if len(item.inputs) > self._limits.longest else reason
        return [item for item in items if item.key not in self._reasons]

    def _generated(self, requests: Sequence[GenerationRequest]) -> dict[str, Answer]:
        items = self._answerable(encode_generation(list(dict.fromkeys(requests)), self._encoder))
        answers: dict[str, Answer] = {}
        for batch in self._generator.batches(items):
            for item, ids in zip(batch, self._generator.generate(batch), strict=True):
                text = None if ids is None else str(self._tokenizer.decode(ids, skip_special_tokens=True))
                answers[item.key] = None if text is None else text.strip()
        return answers

    def _ranked(self, requests: Sequence[RankRequest]) -> dict[str, Answer]:
        items = self._answerable(encode_rank(list(dict.fromkeys(requests)), self._encoder))
        return {
            item.key: scores
            for batch in self._ranker.batches(items)
            for item, scores in zip(batch, self._ranker.score(batch), strict=True)
        }
