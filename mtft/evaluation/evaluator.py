"""From examples to scored samples: every request of every task goes through the model in length-sorted
batches.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from transformers import PreTrainedTokenizerBase

from mtft.errors import ModelError
from mtft.evaluation.backbones import (
    context_of,
    is_encoder_decoder,
    is_partitioned,
    scoring_mode,
    unwrapped,
)
from mtft.evaluation.examples import EvalExample, Sample
from mtft.evaluation.fewshot import Prompt, fitted_prompts
from mtft.evaluation.fingerprints import model_fingerprint
from mtft.evaluation.generation import GenerationBackend, Generator
from mtft.evaluation.judgement import Unscorable
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.naive import ReferenceEngine
from mtft.evaluation.output_cache import Answer, OutputCache
from mtft.evaluation.protocols import ProtocolEncoder, find_protocol
from mtft.evaluation.requests import (
    GenerationIds,
    GenerationRequest,
    RankIds,
    RankRequest,
    encode_generation,
    encode_rank,
    prior_of,
)
from mtft.evaluation.runnable import Limits, pad_and_eos
from mtft.evaluation.score_function_rows import ranked_by
from mtft.evaluation.score_functions import PMI, score_values
from mtft.evaluation.scorers import SCORERS, choices_problem, judge
from mtft.evaluation.self_check import Checked, check_engine

# (finished requests, all requests) of this process
Progress = Callable[[int, int], None]
CHUNK_SECONDS = 20.0


@dataclass(frozen=True)
class EngineSettings:
    """How an evaluation runs; none of it changes a score by more than rounding.

    Attributes:
        batch_tokens: Tokens per batch, padding included.
        max_input_tokens: Longer prompts are unscored; None takes the protocol's limit.
        self_check: Compare the fast scoring with the naive one on so many examples of every task.
        cache_folder: Where outputs are kept for a killed evaluation; None for nowhere.
        reference: Score naively, every choice alone with its prompt, and generate one text at a time.
    """

    batch_tokens: int = 8192
    max_input_tokens: int | None = None
    self_check: int = 0
    cache_folder: Path | None = None
    reference: bool = False


@dataclass(frozen=True)
class _Job:
    """One example under one scorer."""

    example: EvalExample
    metric: str
    prompt: Prompt
    request: RankRequest | GenerationRequest

    @property
    def problem(self) -> str:
        """Why it need not be asked: no answer could be scored."""
        if isinstance(self.request, RankRequest):
            return choices_problem(self.request.choices)
        return ""

    @property
    def wants_prior(self) -> bool:
        """Whether a score function of the cell compares with the choices after an empty prompt."""
        functions = (self.example.cell.score_function, *self.example.cell.score_functions)
        return isinstance(self.request, RankRequest) and PMI in functions


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
    generator: GenerationBackend | None = None,
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
        progress: Called after each batch.
        generator: Generates in place of the model.

    Raises:
        SuiteError: The protocol is unknown.
        ModelError: mT5 in float16 (its scores are wrong), a tokenizer that does not fit the model, or a self-check
            failed.
    """
    settings = settings or EngineSettings()
    encoder = ProtocolEncoder(
        find_protocol(protocol, family), tokenizer, encoder_decoder=is_encoder_decoder(model)
    )
    _check_precision(model, family)
    limit = min(
        settings.max_input_tokens or encoder.protocol.max_input_tokens, context_of(model) or sys.maxsize
    )
    jobs = _jobs(examples, fitted_prompts(examples, encoder, limit))
    with scoring_mode(model):
        runner = _Runner(model, encoder, settings, limit, progress, generator)
        answers = runner.run(jobs)
    _prepare(jobs, answers)
    return [
        sample_of(
            job.example,
            job.metric,
            answers.get(job.request.key),
            job.problem or runner.reasons.get(job.request.key, ""),
            model_name,
            job.prompt,
            tokens=runner.tokens.get(job.request.key, ()),
            priors=answers.get(runner.priors.get(job.request.key, "")) if job.wants_prior else None,
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
    return GenerationRequest(inputs, example.cell.max_new_tokens, example.cell.min_new_tokens)


class _Runner:
    """Runs distinct requests on this process's share of the batches, and gathers all answers.

    Attributes:
        reasons: Why a request was not run, by its key.
        tokens: How many tokens of each choice are scored, by its key.
        priors: Key of the choices' request after an empty prompt, by key of their request after a prompt.
    """

    def __init__(
        self,
        model: Any,
        encoder: ProtocolEncoder,
        settings: EngineSettings,
        limit: int,
        progress: Progress | None,
        generator: GenerationBackend | None,
    ) -> None:
        pad, eos = pad_and_eos(encoder.tokenizer)
        tokens = settings.batch_tokens
        self.likelihoods: LikelihoodEngine | ReferenceEngine = (
            ReferenceEngine(model, pad, batch_tokens=tokens)
            if settings.reference
            else LikelihoodEngine(model, pad, batch_tokens=tokens)
        )
        self.generator = generator or Generator(
            model, pad, eos, batch_tokens=tokens, reference=settings.reference
        )
        self.model, self.encoder, self.settings = model, encoder, settings
        self.limits, self.progress = Limits(model, limit), progress
        self.reasons: dict[str, str] = {}
        self.tokens: dict[str, tuple[int, ...]] = {}
        self.priors: dict[str, str] = {}
        self.state = PartialState()
        # Partitioned weights come together in every process at once: all run the same batches.
        self._alike = is_partitioned(model)

    def run(self, jobs: Sequence[_Job]) -> dict[str, Answer]:
        """The answer to every request that can be run; `reasons` says why the others cannot."""
        wanted = {job.request.key: job for job in jobs if not job.problem}
        requests = [job.request for job in wanted.values()]
        ranks = [r for r in requests if isinstance(r, RankRequest)]
        texts = [r for r in requests if isinstance(r, GenerationRequest)]
        rank_ids = self._runnable(encode_rank(ranks, self.encoder))
        text_ids = self._runnable(encode_generation(texts, self.encoder))
        self.tokens = {item.key: tuple(map(len, item.choices)) for item in rank_ids}
        keys_with_prior = {job.request.key for job in jobs if job.wants_prior}
        prior_ids = self._prior_ids([item for item in rank_ids if item.key in keys_with_prior])
        self._check(jobs, rank_ids)
        known = self._known({item.key for item in (*rank_ids, *text_ids, *prior_ids)})
        work: list[Any] = [
            *self.likelihoods.batches([i for i in (*rank_ids, *prior_ids) if i.key not in known]),
            *self.generator.batches([i for i in text_ids if i.key not in known]),
        ]
        return known | self._shared_work(work)

    def _prior_ids(self, items: Sequence[RankIds]) -> list[RankIds]:
        """What to ask of each distinct set of choices after an empty prompt."""
        found = {item.key: prior_of(item, self.encoder.empty_prompt) for item in items}
        self.priors = {key: prior.key for key, prior in found.items()}
        return list({prior.key: prior for prior in found.values()}.values())

    def _check(self, jobs: Sequence[_Job], rank_ids: Sequence[RankIds]) -> None:
        """The self-check, where it is asked for, on requests of every task."""
        if not self.settings.self_check or isinstance(self.likelihoods, ReferenceEngine):
            return
        ids = {item.key: item for item in rank_ids}
        asked = {
            (job.example.cell.task, job.request.key): Checked(
                job.example.cell.task, job.request, ids[job.request.key]
            )
            for job in jobs
            if isinstance(job.request, RankRequest) and job.request.key in ids
        }
        check_engine(self.likelihoods, list(asked.values()), self.settings.self_check)

    def _known(self, keys: set[str]) -> dict[str, Answer]:
        """What is stored of these requests."""
        self._cache = OutputCache(self.settings.cache_folder, self._fingerprint())
        known = {key: answer for key, answer in self._cache.read().items() if key in keys}
        if self.settings.cache_folder is not None:
            # What is known decides the batches, which must be the same in every process.
            known = gather_object([known])[0]
        return known

    def _fingerprint(self) -> str:
        """Of model, tokenizer, protocol and the way of scoring; not computed where nothing is kept."""
        if self.settings.cache_folder is None:
            return ""
        # What another way of scoring found is not taken for this one's.
        ways = "reference" * self.settings.reference + type(self.generator).__name__
        parts = model_fingerprint(self.model) + self.encoder.fingerprint + ways
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    def _runnable(self, items: list[Any]) -> list[Any]:
        """The items that the model can answer; `reasons` keeps why the others cannot be."""
        reasons = [self.limits.reason(item) for item in items]
        kept = [item for item, reason in zip(items, reasons, strict=True) if not reason]
        self.reasons |= {item.key: reason for item, reason in zip(items, reasons, strict=True) if reason}
        self.limits.check_vocabulary(kept)
        return kept

    def _shared_work(self, work: Sequence[Any]) -> dict[str, Answer]:
        """The answers to all batches, of which this process runs its share."""
        if self._alike:
            return self._work(work)
        found: dict[str, Answer] = {}
        for part in gather_object([self._work(work[self.state.process_index :: self.state.num_processes])]):
            found |= part
        return found

    def _work(self, batches: Sequence[Any]) -> dict[str, Answer]:
        """The answers to these batches, stored every `CHUNK_SECONDS`."""
        made: dict[str, Answer] = {}
        chunk: dict[str, Answer] = {}
        total, since = sum(map(len, batches)), time.monotonic()
        for batch in batches:
            rank = isinstance(batch[0], RankIds)
            outputs = self.likelihoods.score(batch) if rank else self._generate(batch)
            chunk |= dict(zip((item.key for item in batch), outputs, strict=True))
            if time.monotonic() - since > CHUNK_SECONDS:
                self._store(chunk)
                made, chunk, since = made | chunk, {}, time.monotonic()
            if self.progress is not None:
                self.progress(len(made) + len(chunk), total)
        self._store(chunk)
        return made | chunk

    def _store(self, chunk: dict[str, Answer]) -> None:
        if not self._alike or self.state.is_main_process:
            self._cache.write(chunk, rank=self.state.process_index)

    def _generate(self, batch: Sequence[GenerationIds]) -> list[str | None]:
        made = self.generator.generate(batch)
        texts: list[str] = self.encoder.tokenizer.batch_decode(
            [list(ids or ()) for ids in made], skip_special_tokens=True
        )
        return [None if ids is None else text.strip() for ids, text in zip(made, texts, strict=True)]


def sample_of(
    evaluated: EvalExample,
    metric: str,
    answer: Answer | None,
    reason: str,
    model_name: str,
    prompt: Prompt | None = None,
    *,
    tokens: tuple[int, ...] = (),
    priors: Answer = None,
) -> Sample:
    """The judged answer of one example under one scorer, or the reason why there is none.

    Args:
        evaluated: The example.
        metric: The scorer's name.
        answer: The model's.
        reason: Why there is no answer; empty where there is one.
        model_name: In the report.
        prompt: What the model read; without one the example's inputs.
        tokens: Scored tokens of each choice.
        priors: Log-likelihoods of the choices after an empty prompt.
    """
    example, cell = evaluated.example, evaluated.cell
    read = prompt or Prompt(example.inputs)
    likelihoods = tuple(answer) if isinstance(answer, list) else None
    prior = tuple(priors) if isinstance(priors, list) else ()
    text = answer if isinstance(answer, str) else None
    scores: dict[str, float] = {}
    prediction = text
    if not reason:
        try:
            values = likelihoods
            if values is not None:
                values = score_values(
                    cell.score_function, example.answer_choices or (), values, tokens, prior
                )
            prediction, scores = judge(example, SCORERS[metric], values, text, evaluated.table)
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
        signature=_signature(evaluated, metric) if scores else "",
        shots=read.shots,
        dropped_shots=read.dropped,
        slices=dict(evaluated.slices),
        choice_tokens=tokens,
        prior_loglikelihoods=prior,
    )


def _signature(evaluated: EvalExample, metric: str) -> str:
    """How a sample's scores are made, where its metric's name does not say it."""
    if SCORERS[metric].needs == "choices":
        return ranked_by(evaluated.cell.score_function)
    return SCORERS[metric].signature(evaluated.example)
