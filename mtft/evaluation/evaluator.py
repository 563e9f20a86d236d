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
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.output_cache import Answer, Item, OutputCache
from mtft.evaluation.protocols import ProtocolEncoder, find_protocol
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
        max_input_tokens: Longer prompts are unscored; None takes the protocol's limit.
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
    step: int | None = None,
    progress: Progress | None = None,
) -> list[Sample]:
    """One sample per example and scorer of its cell, in the order of the examples, in every process.

    Identical requests are run once, in batches sorted by length over all tasks, dealt to the processes.

    Args:
        model: On its device; any causal or seq2seq model of transformers, wrapped or with an adapter.
        tokenizer: The model's.
        family: As `mtft.modeling.load_model` says it; chooses the protocol where none is named.
        examples: From `Suite.examples`.
        protocol: Name of a scoring protocol.
        settings: How to run.
        model_name: What the report calls the model.
        step: The model's step of training, where known.
        progress: Called after each batch.

    Raises:
        SuiteError: The protocol is unknown.
        ModelError: mT5 in float16 (its scores are wrong), or a self-check failed.
    """
    settings = settings or EngineSettings()
    encoder = ProtocolEncoder(
        find_protocol(protocol, family), tokenizer, encoder_decoder=is_encoder_decoder(model)
    )
    _check_precision(model, family)
    limit = settings.max_input_tokens or encoder.protocol.max_input_tokens
    jobs = _jobs(examples, fitted_prompts(examples, encoder, limit))
    n_tasks = len({example.cell.task for example in examples})
    settings = replace(settings, self_check=settings.self_check * n_tasks)
    with scoring_mode(model):
        runner = _Runner(model, encoder, settings, limit, progress)
        items = [_item(job, model_name, step) for job in jobs] if settings.cache_folder else []
        answers = runner.run({job.request.key: job.request for job in jobs}, items)
    reasons = runner.reasons
    _prepare(jobs, answers)
    return [
        sample_of(
            job.example,
            job.metric,
            answers.get(job.request.key),
            reasons.get(job.request.key, ""),
            model_name,
            job.prompt,
            step,
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


def _item(job: _Job, model: str, step: int | None) -> Item:
    """What a request is asked for, in the order of `output_cache.ITEM`."""
    example, cell = job.example.example, job.example.cell
    return (
        job.request.key,
        model,
        -1 if step is None else step,
        cell.task,
        example.dataset,
        cell.config,
        cell.cluster,
        cell.language,
        example.prompt_language,
        job.example.template,
        example.template_id,
        job.metric,
        f"{example.split}/{example.row_id}",
        example.item_group,
    )


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
        self.state = PartialState()

    def run(
        self, requests: dict[str, RankRequest | GenerationRequest], items: Sequence[Item] = ()
    ) -> dict[str, Answer]:
        """The answer to every request that can be run; `reasons` says why the others cannot.

        What they are asked for, `items`, is stored with the answers.
        """
        cache = OutputCache(self.settings.cache_folder, self._fingerprint())
        if self.state.is_main_process:
            cache.describe(items)
        known = {k: v for k, v in cache.read().items() if k in requests}
        if self.settings.cache_folder is not None:
            # What is known decides the batches, which must be the same in every process.
            known = gather_object([known])[0]
        ranks = [r for r in requests.values() if isinstance(r, RankRequest)]
        texts = [r for r in requests.values() if isinstance(r, GenerationRequest)]
        rank_ids = self._runnable(encode_rank(ranks, self.encoder))
        text_ids = self._runnable(encode_generation(texts, self.encoder))
        if self.settings.self_check:
            check_engine(self.likelihoods, rank_ids, self.settings.self_check)
        work: list[list[RankIds] | list[GenerationIds]] = [
            *self.likelihoods.batches([i for i in rank_ids if i.key not in known]),
            *self.generator.batches([i for i in text_ids if i.key not in known]),
        ]
        made = self._work(work[self.state.process_index :: self.state.num_processes], cache)
        for part in gather_object([made]):
            known |= part
        return known

    def _fingerprint(self) -> str:
        """Of model, tokenizer and protocol; not needed, and not computed, where nothing is kept."""
        if self.settings.cache_folder is None:
            return ""
        both = model_fingerprint(self.model) + self.encoder.fingerprint
        return hashlib.sha256(both.encode()).hexdigest()[:16]

    def _runnable(self, items: list[Any]) -> list[Any]:
        """The items whose prompt is neither empty nor over the limit, whose choices are not empty."""
        kept = []
        for item in items:
            if len(item.inputs) > self.limit:
                self.reasons[item.key] = f"the prompt is longer than {self.limit} tokens"
            elif not item.inputs:
                self.reasons[item.key] = "the prompt is empty"
            elif isinstance(item, RankIds) and not (item.choices and all(item.choices)):
                self.reasons[item.key] = "an answer choice is empty"
            else:
                kept.append(item)
        return kept

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
    step: int | None = None,
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
        slices=dict(evaluated.slices),
        contamination=evaluated.contamination,
        step=-1 if step is None else step,
    )
