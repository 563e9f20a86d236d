"""Scoring a saved model on examples that are at hand, in every process that was launched."""

from __future__ import annotations

import gc
import logging
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
from mtft.mixing import OverlapIndex
from mtft.runs.models import load_whole

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
    overlap: OverlapIndex | None = None,
) -> EvaluationResults:
    """The results of one model, equal in every process.

    Args:
        model: Folder or Hub id; loaded whole by every process, which scores its share.
        suite: Where the examples come from.
        examples: What is scored.
        settings: How.
        name: The model's in the report.
        protocol: Instead of the suite's.
        revision: Of a Hub model.
        step: Of training, where known.
        overlap: The index of the training text in which items are looked up.
    """
    if overlap is not None:
        examples = with_contamination(examples, overlap)
    loaded = load_whole(model, revision)
    state = PartialState()
    chosen = find_protocol(protocol or suite.protocol, loaded.family)
    network = loaded.model.to(state.device)
    info = ModelInfo(
        name,
        path=str(model),
        family=loaded.family,
        parameters=sum(p.numel() for p in network.parameters()),
        step=step,
        dtype=str(next(network.parameters()).dtype).removeprefix("torch."),
    )
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
        )
    del network, loaded
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    results = EvaluationResults(
        tuple(samples), (info,), cells_of(examples), _suite_facts(suite, chosen.name, examples)
    )
    return results if overlap is None else results.with_extras(contamination_index=overlap.describe())


def _suite_facts(suite: Suite, protocol: str, examples: list[EvalExample]) -> dict[str, Any]:
    return {
        "name": suite.name,
        "protocol": protocol,
        "side": suite.side,
        "max_items_per_cell": suite.max_items_per_cell,
        "fingerprint": f"{suite.fingerprint}-{examples_fingerprint(examples)}",
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
