"""`mtft probe`: what simple classifiers find in the frozen representations of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mtft.cli.options import DataRoot, Json, Prompts, Strict
from mtft.cli.output import note, say, say_json, say_table

_WHOLE = "all"


def probe(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...", help="Model folders or Hub ids; others are compared with the first."
        ),
    ],
    suite: Annotated[str | None, typer.Option(help="Name or path of a suite.")] = None,
    tasks: Annotated[
        list[str], typer.Option(help="Tasks; with a suite, only these of it; may be repeated.")
    ] = [],  # noqa: B006  # typer copies it
    languages: Annotated[list[str], typer.Option(help="Only these languages; may be repeated.")] = [],  # noqa: B006  # typer copies it
    fit_languages: Annotated[
        list[str], typer.Option(help="Languages that probes are fitted to; may be repeated.")
    ] = ["en"],  # noqa: B006  # typer copies it
    fit_side: Annotated[
        str | None,
        typer.Option(help="Fit to the rows of this other side; default: to a share of the suite's items."),
    ] = None,
    fit_share: Annotated[float, typer.Option(help="Share of the items that probes are fitted to.")] = 0.5,
    names: Annotated[list[str], typer.Option(help="What to call each model; repeat per model.")] = [],  # noqa: B006  # typer copies it
    pooling: Annotated[
        str | None,
        typer.Option(help="mean or last token; default: mean of an encoder, last of a causal model."),
    ] = None,
    penalty: Annotated[float, typer.Option(help="Of the linear probe's squared weights.")] = 1.0,
    neighbours: Annotated[int, typer.Option(help="Votes of the nearest-neighbour probe.")] = 10,
    max_items_per_cell: Annotated[int | None, typer.Option(help="Default: the suite's own.")] = None,
    batch_tokens: Annotated[int, typer.Option(help="Tokens per batch.")] = 8192,
    protocol: Annotated[
        str | None, typer.Option(help="How prompts become ids; default: as `mtft eval`.")
    ] = None,
    output_dir: Annotated[Path, typer.Option(help="Where probe.json and the CSV files are written.")] = Path(
        "probe"
    ),
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Fit classifiers to a model's representations in one language and test them on every language."""
    from mtft.runs.probe import ProbeArguments, probe_models

    made = probe_models(
        ProbeArguments(
            models=tuple(models),
            output_dir=output_dir,
            names=tuple(names),
            suite=suite,
            tasks=tuple(tasks),
            languages=tuple(languages),
            fit_languages=tuple(fit_languages),
            fit_side=fit_side,
            fit_share=fit_share,
            pooling=pooling,
            penalty=penalty,
            neighbours=neighbours,
            max_items_per_cell=max_items_per_cell,
            batch_tokens=batch_tokens,
            protocol=protocol,
            prompts=tuple(map(str, prompts)),
            data_root=None if data_root is None else str(data_root),
            strict=strict,
        )
    )
    if as_json:
        say_json(made)
        return
    _say_cells(made["cells"])
    _say_comparison(made["comparison"])
    for each in made["left_out"]:
        note(f"{each['task']}: {each['reason']}, {each['n']} rows")
    say("", f"Written to {output_dir}: probe.json, {', '.join(_csv_files(made))}")


def _csv_files(made: dict[str, Any]) -> list[str]:
    return ["probe.csv", *["probe_comparison.csv"] * bool(made["comparison"])]


def _say_cells(rows: Sequence[dict[str, Any]]) -> None:
    place = ("model", "probe", "task", "language", "seen", "fitted on")
    columns = (*place, "accuracy", "95 % interval", "n", "items")
    say_table(
        columns,
        (
            (
                *(row["model"], row["probe"], row["task"] or _WHOLE, row["language"] or _WHOLE),
                *(row["seen"] or _WHOLE, row["fitted_on"], f"{row['accuracy']:.3f}"),
                *(f"{row['low']:.3f} to {row['high']:.3f}", row["n"], row["n_groups"]),
            )
            for row in rows
        ),
        numeric=columns[6:],
    )


def _say_comparison(rows: Sequence[dict[str, Any]]) -> None:
    """Each model's difference to the first one."""
    if not rows:
        return
    say("", f"Difference to {rows[0]['baseline']}, on the same rows; p adjusted over the cells (Holm):")
    columns = (
        "model",
        "probe",
        "task",
        "language",
        "seen",
        "difference",
        "95 % interval",
        "p",
        "adjusted",
        "n",
    )
    say_table(
        columns,
        (
            (
                *(row["model"], row["probe"], row["task"] or _WHOLE, row["language"] or _WHOLE),
                *(row["seen"] or _WHOLE, f"{row['difference']:+.3f}"),
                f"{row['low']:+.3f} to {row['high']:+.3f}",
                *(f"{row['p_value']:.3g}", _number(row["p_adjusted"]), row["n"]),
            )
            for row in rows
        ),
        numeric=columns[5:],
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
