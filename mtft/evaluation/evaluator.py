"""From examples to scored samples: every request of every task goes through the model in length-sorted
batches.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from transformers import PreTrainedTokenizerBase

from mtft.errors import ModelError
from mtft.evaluation.backbones import is_encoder_decoder, scoring_mode, unwrapped
from mtft.evaluation.examples import EvalExample, Sample
from mtft.evaluation.fewshot import Prompt, fitted_prompts
from mtft.evaluation.fingerprints import model_fingerprint
from mtft.evaluation.generation import Generator
from mtft.evaluation.judgement import Unscorable
from mtft.evaluation.left_cut import LeftCut
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.output_cache import Answer, OutputCache
from mtft.evaluation.protocols import (
    PROTOCOLS,
    ProtocolEncoder,
    ScoringProtocol,
    find_protocol,
    input_limit,
    note_precision,
    position_limit,
)
from mtft.evaluation.requests import (
    GenerationIds,
    GenerationRequest,
    RankIds,
    RankRequest,
    encode_generation,
    encode_rank,
)
from mtft.evaluation.scorers import SCORERS, judge
from mtft.evaluation.self_check import check_engine

# (finished requests, all requests) of this process
Progress = Callable[[int, int], None]
CHUNK_SECONDS = 20.0


@dataclass(frozen=True)
class EngineSettings:
    """How an evaluation runs; none of it changes a score by more than rounding.

    Attributes:
        batch_tokens: Tokens per batch, padding included.
        max_input_tokens: Longer prompts are cut where that is allowed, else unscored; None takes the protocol's
        limit.
        self_check: Compare the fast scoring with the naive one on so many examples per task.
        cache_folder: Where outputs are kept for a killed evaluation; None for nowhere.
    """

    batch_tokens: int = 8192
    max_input_tokens: int | None = None
    self_check: int = 0
    cache_folder: Path | None = None


@dataclass(frozen=True)
class _Job:
    """One example under one scorer."""

    example: EvalExample
    metric: str
    prompt: Prompt
    request: RankRequest | GenerationRequest


def evaluate(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    family: str,
    examples: Sequence[EvalExample],
    protocol: str | None = None,
    settings: EngineSettings | None = None,
    *,
    model_name: str = "model",
    progress: Progress | None = None,
) -> list[Sample]:
    """One sample per example and scorer of its cell, in the order of the examples, in every process.

    Identical requests are run once, in batches sorted by length over all tasks, dealt to the processes.

    Args:
        model: On its device; any causal or seq2seq model of transformers, wrapped or with an adapter.
        tokenizer: The model's.
        family: As `mtft.modeling.load_model` says it; chooses the protocol where none is named.
        examples: From `Suite.examples`.
        protocol: Name of a scoring protocol, for the cells that have none of their own.
        settings: How to run.
        model_name: What the report calls the model.
        progress: Called after each batch.

    Raises:
        SuiteError: The protocol is unknown.
        ModelError: mT5 in float16 (its scores are wrong), or a self-check failed.
    """
    settings = settings or EngineSettings()
    find_protocol(protocol, family)
    _check_precision(model, family)
    names = [find_protocol(e.cell.protocol or protocol, family).name for e in examples]
    parts = {}
    for name in dict.fromkeys(names):
        asked = [example for example, its in zip(examples, names, strict=True) if its == name]
        parts[name] = iter(_under(PROTOCOLS[name], model, tokenizer, asked, settings, model_name, progress))
    return [next(parts[name]) for e, name in zip(examples, names, strict=True) for _ in e.cell.metrics]


def _under(
    protocol: ScoringProtocol,
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[EvalExample],
    settings: EngineSettings,
    model_name: str,
    progress: Progress | None,
) -> list[Sample]:
    """The samples of examples that share a protocol, in order."""
    encoder = ProtocolEncoder(protocol, tokenizer, encoder_decoder=is_encoder_decoder(model))
    note_precision(protocol, str(getattr(unwrapped(model), "dtype", "")).removeprefix("torch."))
    limit = input_limit(protocol, settings.max_input_tokens, unwrapped(model), tokenizer)
    jobs = _jobs(examples, fitted_prompts(examples, encoder, limit))
    n_tasks = len({example.cell.task for example in examples})
    settings = replace(settings, self_check=settings.self_check * n_tasks)
    with scoring_mode(model):
        runner = _Runner(model, encoder, settings, limit, progress)
        answers = runner.run({job.request.key: job.request for job in jobs})
    reasons, lost = runner.reasons, runner.cut.lost
    _prepare(jobs, answers)
    return [
        sample_of(
            job.example,
            job.metric,
            answers.get(job.request.key),
            reasons.get(job.request.key, ""),
            model_name,
            job.prompt._replace(cut_tokens=lost.get(job.request.key, job.prompt.cut_tokens)),
        )
        for job in jobs
    ]


def _check_precision(model: Any, family: str) -> None:
    """MT5's activations overflow in float16, so its likelihoods are wrong there."""
    if family == "mt5" and getattr(unwrapped(model), "dtype", None) == torch.float16:
        raise ModelError(
            "mT5 must be scored in float32 or bfloat16.",
            found="float16 weights",
            remedy="Load it with dtype float32, as the published scores were made.",
        )


def _jobs(examples: Iterable[EvalExample], prompts: Iterable[Prompt]) -> list[_Job]:
    """Every example under every scorer of its cell."""
    return [
        _Job(example, metric, prompt, _request(example, prompt.text, metric))
        for example, prompt in zip(examples, prompts, strict=True)
        for metric in example.cell.metrics
    ]


def _prepare(jobs: Sequence[_Job], answers: Mapping[str, Answer]) -> None:
    """Lets the scorers that work faster on many outputs at once see all of theirs."""
    for metric in dict.fromkeys(job.metric for job in jobs):
        texts = [(j.example.example, answers.get(j.request.key)) for j in jobs if j.metric == metric]
        SCORERS[metric].prepare([(e, text) for e, text in texts if isinstance(text, str)])


def _request(example: EvalExample, inputs: str, metric: str) -> RankRequest | GenerationRequest:
    if SCORERS[metric].needs == "choices":
        return RankRequest(inputs, example.example.answer_choices or ())
    return GenerationRequest(inputs, example.cell.max_new_tokens)


class _Runner:
    """Runs distinct requests on this process's share of the batches, and gathers all answers."""

    def __init__(
        self,
        model: Any,
        encoder: ProtocolEncoder,
        settings: EngineSettings,
        limit: int,
        progress: Progress | None,
    ) -> None:
        tokenizer = encoder.tokenizer
        eos = int(tokenizer.eos_token_id)
        pad = eos if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
        self.likelihoods = LikelihoodEngine(model, pad, batch_tokens=settings.batch_tokens)
        self.generator = Generator(model, pad, eos, batch_tokens=settings.batch_tokens)
        self.model, self.encoder, self.settings = model, encoder, settings
        self.limit, self.progress = limit, progress
        self.reasons: dict[str, str] = {}
        self.positions = position_limit(unwrapped(model))
        self.cut = LeftCut(limit, encoder_decoder=encoder.encoder_decoder)
        self.state = PartialState()

    def run(self, requests: dict[str, RankRequest | GenerationRequest]) -> dict[str, Answer]:
        """The answer to every request that can be run; `reasons` says why the others cannot."""
        cache = OutputCache(self.settings.cache_folder, self._fingerprint())
        ranks = [r for r in requests.values() if isinstance(r, RankRequest)]
        texts = [r for r in requests.values() if isinstance(r, GenerationRequest)]
        rank_ids = self._runnable(encode_rank(ranks, self.encoder))
        text_ids = self._runnable(encode_generation(texts, self.encoder))
        if self.encoder.protocol.as_harness:
            rank_ids, text_ids = self.cut.rank(rank_ids), self.cut.generation(text_ids)
        asked = {item.key for item in (*rank_ids, *text_ids)}
        known = {key: answer for key, answer in cache.read().items() if key in asked}
        if self.settings.cache_folder is not None:
            # What is known decides the batches, which must be the same in every process.
            known = gather_object([known])[0]
        if self.settings.self_check:
            check_engine(self.likelihoods, rank_ids, self.settings.self_check)
        work: list[list[RankIds] | list[GenerationIds]] = [
            *self.likelihoods.batches([i for i in rank_ids if i.key not in known]),
            *self.generator.batches([i for i in text_ids if i.key not in known]),
        ]
        made = self._work(work[self.state.process_index :: self.state.num_processes], cache)
        for part in gather_object([made]):
            known |= part
        return self.cut.join(known)

    def _fingerprint(self) -> str:
        """Of model, tokenizer and protocol; not needed, and not computed, where nothing is kept."""
        if self.settings.cache_folder is None:
            return ""
        both = model_fingerprint(self.model) + self.encoder.fingerprint
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    def _runnable(self, items: list[Any]) -> list[Any]:
        """The items that a model can be asked; `reasons` says why not the others."""
        reasons = {item.key: self._reason(item) for item in items}
        self.reasons |= {key: reason for key, reason in reasons.items() if reason}
        return [item for item in items if not reasons[item.key]]

    def _reason(self, item: RankIds | GenerationIds) -> str:
        """Why a request cannot be run: nothing to read or to score, or more than there is room for."""
        if not item.inputs:
            return "the prompt is empty"
        if isinstance(item, RankIds) and not (item.choices and all(item.choices)):
            return "an answer choice is empty"
        if not self.encoder.protocol.as_harness:
            return self._too_long(item)
        if isinstance(item, RankIds):
            over = max(map(len, item.choices)) > self.limit
            return f"an answer choice is longer than {self.limit} tokens" if over else ""
        over = not self.encoder.encoder_decoder and item.max_new_tokens >= self.limit
        return f"{item.max_new_tokens} new tokens leave no room for a prompt" if over else ""

    def _too_long(self, item: RankIds | GenerationIds) -> str:
        """Why a request that is not cut has no room; what a causal model writes or scores shares its positions."""
        if len(item.inputs) > self.limit:
            return f"the prompt is longer than {self.limit} tokens"
        if self.positions is None or self.encoder.encoder_decoder:
            return ""
        after = max(map(len, item.choices)) if isinstance(item, RankIds) else item.max_new_tokens
        over = len(item.inputs) + after - 1 > self.positions  # the last token is not read again
        return f"prompt and answer are longer than the model's {self.positions} positions" if over else ""

    def _work(self, batches: Sequence[Any], cache: OutputCache) -> dict[str, Answer]:
        """The answers to these batches, stored every `CHUNK_SECONDS`."""
        made: dict[str, Answer] = {}
        chunk: dict[str, Answer] = {}
        total, since = sum(map(len, batches)), time.monotonic()
        for batch in batches:
            rank = isinstance(batch[0], RankIds)
            outputs = self.likelihoods.score(batch) if rank else self._generate(batch)
            chunk |= dict(zip((item.key for item in batch), outputs, strict=True))
            if time.monotonic() - since > CHUNK_SECONDS:
                cache.write(chunk, rank=self.state.process_index)
                made, chunk, since = made | chunk, {}, time.monotonic()
            if self.progress is not None:
                self.progress(len(made) + len(chunk), total)
        cache.write(chunk, rank=self.state.process_index)
        return made | chunk

    def _generate(self, batch: Sequence[GenerationIds]) -> list[str]:
        ids = [list(new) for new in self.generator.generate(batch)]
        texts: list[str] = self.encoder.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts]


def sample_of(
    evaluated: EvalExample,
    metric: str,
    answer: Answer | None,
    reason: str,
    model_name: str,
    prompt: Prompt | None = None,
) -> Sample:
    """The judged answer of one example under one scorer, or the reason why there is none.

    Without a prompt the example's inputs were it.
    """
    example, cell = evaluated.example, evaluated.cell
    read = prompt or Prompt(example.inputs)
    likelihoods = tuple(answer) if isinstance(answer, list) else None
    text = answer if isinstance(answer, str) else None
    scores: dict[str, float] = {}
    prediction = text
    if not reason:
        try:
            prediction, scores = judge(example, SCORERS[metric], likelihoods, text, evaluated.table)
        except Unscorable as found:
            reason = str(found)
    return Sample(
        model=model_name,
        task=cell.task,
        dataset=example.dataset,
        config=cell.config,
        cluster=cell.cluster,
        language=cell.language,
        prompt_language=example.prompt_language,
        metric=metric,
        template=evaluated.template,
        template_id=example.template_id,
        id=f"{example.split}/{example.row_id}",
        item_group=example.item_group,
        inputs=read.text,
        choices=example.answer_choices or (),
        loglikelihoods=likelihoods or (),
        prediction=prediction,
        target=example.target,
        targets=example.targets,
        scores=scores,
        unscored_reason=reason,
        signature=SCORERS[metric].signature(example) if scores else "",
        shots=read.shots,
        dropped_shots=read.dropped,
        truncated_tokens=read.cut_tokens,
        slices=dict(evaluated.slices),
    )
