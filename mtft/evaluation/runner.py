"""Every distinct request once, in length-sorted batches over all tasks, dealt to the processes that were launched."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import gather_object

from mtft.evaluation.backbones import is_partitioned
from mtft.evaluation.examples import EvalExample
from mtft.evaluation.fewshot import Prompt
from mtft.evaluation.fingerprints import model_fingerprint
from mtft.evaluation.generation import GenerationBackend, Generator
from mtft.evaluation.left_cut import LeftCut
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.naive import ReferenceEngine
from mtft.evaluation.output_cache import Answer, Item, OutputCache
from mtft.evaluation.protocols import ProtocolEncoder
from mtft.evaluation.requests import (
    GenerationIds,
    GenerationRequest,
    RankIds,
    RankRequest,
    encode_generation,
    encode_prior,
    encode_rank,
)
from mtft.evaluation.runnable import Limits, pad_and_eos
from mtft.evaluation.score_functions import PMI
from mtft.evaluation.scorers import choices_problem
from mtft.evaluation.self_check import Checked, check_engine

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
class Job:
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


class Runner:
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
        self.limits, self.progress = Limits(model, limit, as_harness=encoder.protocol.as_harness), progress
        self.reasons: dict[str, str] = {}
        self.tokens: dict[str, tuple[int, ...]] = {}
        self.priors: dict[str, str] = {}
        self.cut = LeftCut(limit, encoder_decoder=encoder.encoder_decoder)
        self.state = PartialState()
        # Partitioned weights come together in every process at once: all run the same batches.
        self._alike = is_partitioned(model)
        self._isolates = True

    def run(self, jobs: Sequence[Job], items: Sequence[Item] = ()) -> dict[str, Answer]:
        """The answer to every request that can be run; `reasons` says why the others cannot.

        What they are asked for, `items`, is stored with the answers.
        """
        wanted = {job.request.key: job.request for job in jobs if not job.problem}
        ranks = {key: r for key, r in wanted.items() if isinstance(r, RankRequest)}
        texts = [r for r in wanted.values() if isinstance(r, GenerationRequest)]
        rank_ids = self._runnable(encode_rank(list(ranks.values()), self.encoder))
        text_ids = self._runnable(encode_generation(texts, self.encoder))
        self.tokens = {item.key: tuple(map(len, item.choices)) for item in rank_ids}
        with_prior = {job.request.key for job in jobs if job.wants_prior}
        prior_ids = self._prior_ids(ranks, [item for item in rank_ids if item.key in with_prior])
        if self.encoder.protocol.as_harness:
            rank_ids, text_ids = self.cut.rank(rank_ids), self.cut.generation(text_ids)
        self._check(jobs, rank_ids)
        known = self._known({item.key for item in (*rank_ids, *text_ids, *prior_ids)})
        if self.state.is_main_process:
            self._cache.describe(items)
        work: list[Any] = [
            *self.likelihoods.batches([i for i in (*rank_ids, *prior_ids) if i.key not in known]),
            *self.generator.batches([i for i in text_ids if i.key not in known]),
        ]
        return self.cut.join(known | self._shared_work(work))

    def _prior_ids(self, requests: Mapping[str, RankRequest], items: Sequence[RankIds]) -> list[RankIds]:
        """What to ask of each distinct set of choices after an empty prompt."""
        found = {item.key: encode_prior(requests[item.key].choices, item, self.encoder) for item in items}
        self.priors = {key: prior.key for key, prior in found.items()}
        return list({prior.key: prior for prior in found.values()}.values())

    def _check(self, jobs: Sequence[Job], rank_ids: Sequence[RankIds]) -> None:
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
            outputs = self._score(batch) if rank else self._generate(batch)
            chunk |= dict(zip((item.key for item in batch), outputs, strict=True))
            if time.monotonic() - since > CHUNK_SECONDS:
                self._store(chunk)
                made, chunk, since = made | chunk, {}, time.monotonic()
            if self.progress is not None:
                self.progress(len(made) + len(chunk), total)
        self._store(chunk)
        return made | chunk

    def _score(self, batch: Sequence[RankIds]) -> list[list[float]]:
        """The choices' log-likelihoods; items that are no numbers beside others are scored again alone.

        Where examples share a row under a mask, what is no number in one can spoil the others: a weight of 0 does not
        hide it. Where that helps nobody, the model is broken, and it is not tried again.
        """
        outputs = self.likelihoods.score(batch)
        odd = [n for n, values in enumerate(outputs) if not all(map(math.isfinite, values))]
        if odd and len(batch) > 1 and self._isolates:
            for n in odd:
                (outputs[n],) = self.likelihoods.score([batch[n]])
            self._isolates = any(all(map(math.isfinite, outputs[n])) for n in odd)
        return outputs

    def _store(self, chunk: dict[str, Answer]) -> None:
        if not self._alike or self.state.is_main_process:
            self._cache.write(chunk, rank=self.state.process_index)

    def _generate(self, batch: Sequence[GenerationIds]) -> list[str | None]:
        made = self.generator.generate(batch)
        texts: list[str] = self.encoder.tokenizer.batch_decode(
            [list(ids or ()) for ids in made], skip_special_tokens=True
        )
        return [None if ids is None else text.strip() for ids, text in zip(made, texts, strict=True)]
