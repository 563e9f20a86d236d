"""`mtft eval`: one model on one suite; the same options as `eval/zero_shot.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtft.cli.options import DataRoot, Prompts, Strict
from mtft.cli.output import say


def evaluate(
    model: Annotated[str, typer.Option(help="A Hub id or a model folder.")],
    suite: Annotated[str, typer.Option(help="Name or path of a suite.")],
    output_dir: Annotated[Path, typer.Option(help="Where results, samples and the report are written.")],
    revision: Annotated[str | None, typer.Option(help="Revision of a Hub model.")] = None,
    model_name: Annotated[str, typer.Option(help="What the report calls the model.")] = "model",
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    protocol: Annotated[
        str | None, typer.Option(help="Scoring protocol; default: the suite's, else the model family's.")
    ] = None,
    max_items_per_cell: Annotated[int | None, typer.Option(help="Default: the suite's own.")] = None,
    shots: Annotated[
        int | None, typer.Option(help="Answered examples before each prompt; default: the suite's own.")
    ] = None,
    shots_from: Annotated[
        str | None, typer.Option(help="Their side: train, validation or either; default: the suite's own.")
    ] = None,
    batch_tokens: Annotated[int, typer.Option(help="Tokens per batch.")] = 8192,
    seed: Annotated[
        int | None, typer.Option(help="Seed of random choices in templates; default: the suite's own.")
    ] = None,
    self_check: Annotated[int, typer.Option(help="Check the fast scoring on so many examples per task.")] = 0,
    contamination_index: Annotated[
        Path | None,
        typer.Option(
            help="Overlap index of the training text; default: that of the run the model stands in."
        ),
    ] = None,
    strict: Strict = False,
) -> None:
    """Score a model zero-shot on a suite and write the report."""
    from mtft.runs import EvaluateArguments, evaluate_model

    written = evaluate_model(
        EvaluateArguments(
            model=model,
            suite=suite,
            output_dir=str(output_dir),
            revision=revision,
            model_name=model_name,
            data_root=None if data_root is None else str(data_root),
            prompts=[str(folder) for folder in prompts],
            protocol=protocol,
            max_items_per_cell=max_items_per_cell,
            shots=shots,
            shots_from=shots_from,
            batch_tokens=batch_tokens,
            seed=seed,
            self_check=self_check,
            contamination_index=None if contamination_index is None else str(contamination_index),
            strict=strict,
        )
    )
    say(written)
