"""A loaded model that answers questions in batches. Imports torch: only `predict` uses it, when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mtft.cli.questions import Question
from mtft.evaluation.generation import Generator
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.protocols import ProtocolEncoder, find_protocol, input_limit
from mtft.evaluation.requests import GenerationRequest, RankRequest, encode_generation, encode_rank
from mtft.evaluation.runnable import pad_and_eos
from mtft.modeling import load_model

TOO_LONG = "input_too_long"


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
        self._limit = input_limit(self._protocol, None, model, self._tokenizer)
        self._max_new_tokens = max_new_tokens
        pad, eos = pad_and_eos(self._tokenizer)
        self._ranker = LikelihoodEngine(model, pad, batch_tokens=batch_tokens)
        self._generator = Generator(model, pad, eos, batch_tokens=batch_tokens)

    @torch.inference_mode()
    def answer(self, questions: Sequence[Question]) -> list[dict[str, Any]]:
        """One mapping per question, in order: inputs, prediction, and for choices their log-likelihoods.

        A prompt that is longer than the protocol takes is not cut: its prediction is None, with the reason.
        """
        free = self._generated([q.inputs for q in questions if q.choices is None])
        ranked = self._ranked([(q.inputs, q.choices) for q in questions if q.choices is not None])
        return [self._row(q, free, ranked) for q in questions]

    def _row(
        self, question: Question, free: dict[str, str], ranked: dict[tuple[str, tuple[str, ...]], list[float]]
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"inputs": question.inputs, "prediction": None}
        if question.choices is None:
            row["prediction"] = free.get(question.inputs)
        else:
            scores = ranked.get((question.inputs, question.choices))
            row |= {"choices": list(question.choices), "loglikelihoods": scores}
            if scores is not None:
                row["prediction"] = question.choices[scores.index(max(scores))]
        return row if row["prediction"] is not None else row | {"unscored_reason": TOO_LONG}

    def _fits(self, ids: Sequence[int]) -> bool:
        return len(ids) <= self._limit

    def _generated(self, texts: Sequence[str]) -> dict[str, str]:
        requests = [GenerationRequest(text, self._max_new_tokens) for text in dict.fromkeys(texts)]
        texts_of = {request.key: request.inputs for request in requests}
        items = [item for item in encode_generation(requests, self._encoder) if self._fits(item.inputs)]
        answers: dict[str, str] = {}
        for batch in self._generator.batches(items):
            for item, ids in zip(batch, self._generator.generate(batch), strict=True):
                if ids is not None:
                    text = str(self._tokenizer.decode(ids, skip_special_tokens=True))
                    answers[texts_of[item.key]] = text.strip()
        return answers

    def _ranked(
        self, pairs: Sequence[tuple[str, tuple[str, ...]]]
    ) -> dict[tuple[str, tuple[str, ...]], list[float]]:
        requests = [RankRequest(inputs, choices) for inputs, choices in dict.fromkeys(pairs)]
        pair_of = {request.key: (request.inputs, request.choices) for request in requests}
        items = [item for item in encode_rank(requests, self._encoder) if self._fits(item.inputs)]
        return {
            pair_of[item.key]: scores
            for batch in self._ranker.batches(items)
            for item, scores in zip(batch, self._ranker.score(batch), strict=True)
        }
