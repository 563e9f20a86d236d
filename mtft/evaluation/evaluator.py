"""From examples to scored samples: every request of every task goes through the model in length-sorted
batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from mtft.errors import ModelError
from mtft.evaluation.backbones import is_encoder_decoder, scoring_mode, unwrapped
from mtft.evaluation.examples import EvalExample, Sample
from mtft.evaluation.fewshot import Prompt, fitted_prompts
from mtft.evaluation.generation import GenerationBackend
from mtft.evaluation.judgement import Unscorable
from mtft.evaluation.output_cache import Answer, Item
from mtft.evaluation.protocols import (
    PROTOCOLS,
    ProtocolEncoder,
    find_protocol,
    input_limit,
    note_precision,
)
from mtft.evaluation.requests import GenerationRequest, RankRequest
from mtft.evaluation.rooms import prompt_rooms
from mtft.evaluation.runner import EngineSettings, Job, Progress, Runner
from mtft.evaluation.score_function_rows import ranked_by
from mtft.evaluation.score_functions import score_values
from mtft.evaluation.scorers import SCORERS, judge


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
    generator: GenerationBackend | None = None,
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
        step: The model's step of training, where known.
        progress: Called after each batch.
        generator: Generates in place of the model.

    Raises:
        SuiteError: The protocol is unknown.
        ModelError: mT5 in float16 (its scores are wrong), a tokenizer that does not fit the model, or a self-check
            failed.
    """
    settings = settings or EngineSettings()
    find_protocol(protocol, family)
    _check_precision(model, family)
    names = [find_protocol(e.cell.protocol or protocol, family).name for e in examples]
    parts = {}
    for name in dict.fromkeys(names):
        asked = [example for example, its in zip(examples, names, strict=True) if its == name]
        encoder = ProtocolEncoder(PROTOCOLS[name], tokenizer, encoder_decoder=is_encoder_decoder(model))
        parts[name] = iter(_under(encoder, model, asked, settings, model_name, step, progress, generator))
    return [next(parts[name]) for e, name in zip(examples, names, strict=True) for _ in e.cell.metrics]


def _under(
    encoder: ProtocolEncoder,
    model: Any,
    examples: Sequence[EvalExample],
    settings: EngineSettings,
    model_name: str,
    step: int | None,
    progress: Progress | None,
    generator: GenerationBackend | None,
) -> list[Sample]:
    """The samples of examples that share a protocol, in order."""
    protocol = encoder.protocol
    note_precision(protocol, str(getattr(unwrapped(model), "dtype", "")).removeprefix("torch."))
    limit = input_limit(protocol, settings.max_input_tokens, unwrapped(model), encoder.tokenizer)
    rooms = prompt_rooms(examples, encoder, model, limit)
    jobs = _jobs(examples, fitted_prompts(examples, encoder, rooms))
    with scoring_mode(model):
        runner = Runner(model, encoder, settings, limit, progress, generator)
        answers = runner.run(
            jobs, [_item(job, model_name, step) for job in jobs] if settings.cache_folder else []
        )
    lost = runner.cut.lost
    _prepare(jobs, answers)
    return [
        sample_of(
            job.example,
            job.metric,
            answers.get(job.request.key),
            job.problem or runner.reasons.get(job.request.key, ""),
            model_name,
            job.prompt._replace(cut_tokens=lost.get(job.request.key, job.prompt.cut_tokens)),
            tokens=runner.tokens.get(job.request.key, ()),
            priors=answers.get(runner.priors.get(job.request.key, "")) if job.wants_prior else None,
            step=step,
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


def _jobs(examples: Iterable[EvalExample], prompts: Iterable[Prompt]) -> list[Job]:
    """Every example under every scorer of its cell."""
    return [
        Job(example, metric, prompt, _request(example, prompt.text, metric))
        for example, prompt in zip(examples, prompts, strict=True)
        for metric in example.cell.metrics
    ]


def _item(job: Job, model: str, step: int | None) -> Item:
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


def _prepare(jobs: Sequence[Job], answers: Mapping[str, Answer]) -> None:
    """Lets the scorers that work faster on many outputs at once see all of theirs."""
    for metric in dict.fromkeys(job.metric for job in jobs):
        texts = [(j.example.example, answers.get(j.request.key)) for j in jobs if j.metric == metric]
        SCORERS[metric].prepare([(e, text) for e, text in texts if isinstance(text, str)])


def _request(example: EvalExample, inputs: str, metric: str) -> RankRequest | GenerationRequest:
    if SCORERS[metric].needs == "choices":
        return RankRequest(inputs, example.example.answer_choices or ())
    return GenerationRequest(inputs, example.cell.max_new_tokens, example.cell.min_new_tokens)


def sample_of(
    evaluated: EvalExample,
    metric: str,
    answer: Answer | None,
    reason: str,
    model_name: str,
    prompt: Prompt | None = None,
    step: int | None = None,
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
        step: The model's step of training, where known.
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
        truncated_tokens=read.cut_tokens,
        slices=dict(evaluated.slices),
        choice_tokens=tokens,
        prior_loglikelihoods=prior,
        contamination=evaluated.contamination,
        step=-1 if step is None else step,
    )


def _signature(evaluated: EvalExample, metric: str) -> str:
    """How a sample's scores are made, where its metric's name does not say it."""
    if SCORERS[metric].needs == "choices":
        return ranked_by(evaluated.cell.score_function)
    return SCORERS[metric].signature(evaluated.example)
