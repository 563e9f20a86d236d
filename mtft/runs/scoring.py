"""Scoring a saved model on examples that are at hand, in every process that was launched."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mtft.evaluation import (
    PROTOCOLS,
    EngineSettings,
    EvalExample,
    EvaluationResults,
    ModelInfo,
    Suite,
    cells_of,
    evaluate,
    examples_fingerprint,
    find_protocol,
    with_contamination,
)
from mtft.evaluation.runnable import pad_and_eos
from mtft.evaluation.score_function_rows import ranked_fingerprint
from mtft.evaluation.vllm_generation import VllmGenerator, vllm_library
from mtft.mixing import OverlapIndex
from mtft.runs.placement import AT_HAND, Placement, count_parameters

logger = logging.getLogger(__name__)


def score(
    model: str | Path,
    suite: Suite,
    examples: list[EvalExample],
    settings: EngineSettings,
    *,
    name: str,
    protocol: str | None = None,
    revision: str | None = None,
    step: int | None = None,
    placement: Placement = AT_HAND,
    generation_backend: str = "transformers",
    overlap: OverlapIndex | None = None,
) -> EvaluationResults:
    """The results of one model, equal in every process.

    Args:
        model: Folder or Hub id.
        suite: Where the examples come from.
        examples: What is scored.
        settings: How.
        name: The model's in the report.
        protocol: Instead of the suite's.
        revision: Of a Hub model.
        step: Of training, where known.
        placement: Where the weights are; by default every process has them all and scores its share.
        generation_backend: `transformers`, or `vllm`.
        overlap: The index of the training text in which items are looked up.
    """
    if generation_backend == "vllm":
        vllm_library()  # before the model is loaded
    if overlap is not None:
        examples = with_contamination(examples, overlap)
    loaded = placement.load(model, revision)
    state = PartialState()
    chosen = find_protocol(protocol or suite.protocol, loaded.family)
    network = loaded.model
    info = ModelInfo(
        name,
        path=str(model),
        family=loaded.family,
        parameters=count_parameters(network),
        step=step,
        dtype=str(next(network.parameters()).dtype).removeprefix("torch."),
    )
    generator = None
    if generation_backend == "vllm":
        eos = pad_and_eos(loaded.tokenizer)[1]
        generator = VllmGenerator(model, revision=revision, eos=eos, dtype=info.dtype, family=loaded.family)
    with _bar(f"scoring {name}", shown=state.is_main_process) as bar:
        work = bar.add_task("", total=None)
        samples = evaluate(
            network,
            loaded.tokenizer,
            loaded.family,
            examples,
            chosen.name,
            settings,
            model_name=name,
            step=step,
            progress=lambda done, total: bar.update(work, completed=done, total=total),
            generator=generator,
        )
    del network, loaded
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    results = EvaluationResults(
        tuple(samples), (info,), cells_of(examples), _suite_facts(suite, chosen.name, examples)
    )
    return results if overlap is None else results.with_extras(contamination_index=overlap.describe())


def suite_fingerprint(suite: Suite, examples: Sequence[EvalExample]) -> str:
    """What results are of, as they say it themselves: suite, examples, and what ranks the choices."""
    functions = [cell.score_function for cell in cells_of(examples)]
    return ranked_fingerprint(f"{suite.fingerprint}-{examples_fingerprint(examples)}", functions)


def scored_fingerprint(suite: Suite, examples: Sequence[EvalExample], protocol: str | None) -> str:
    """What scores along a training are of: those of another suite, other examples or another protocol differ."""
    return f"{suite.fingerprint}-{examples_fingerprint(examples)}-{protocol}"


def _suite_facts(suite: Suite, protocol: str, examples: list[EvalExample]) -> dict[str, Any]:
    return {
        "name": suite.name,
        "protocol": protocol,
        "published_dtype": PROTOCOLS[protocol].published_dtype,
        "side": suite.side,
        "max_items_per_cell": suite.max_items_per_cell,
        "score_function": suite.score_function,
        "fingerprint": suite_fingerprint(suite, examples),
    }


def _bar(title: str, *, shown: bool) -> Progress:
    return Progress(
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not shown,
    )
