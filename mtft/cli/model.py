"""`mtft model`: a trained model out of its run, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtft.cli.output import say

app = typer.Typer(help="Merge, export and describe trained models.", no_args_is_help=True)
Run = Annotated[
    Path, typer.Argument(help="The folder of a run; to merge or export, of any adapter or model.")
]
Output = Annotated[Path, typer.Argument(help="A new folder.")]
Dtype = Annotated[
    str | None, typer.Option(help="Of the weights: float32, bfloat16 or float16; default: as saved.")
]
Licence = Annotated[str, typer.Option(help="For the card: a licence's name on the Hub, such as apache-2.0.")]


@app.command()
def merge(run: Run, output: Output, dtype: Dtype = None, licence: Licence = "") -> None:
    """Merge a run's adapter into its base: a plain model that transformers loads, with tokenizer and card."""
    from mtft.runs.export import merge_run

    _quiet()
    say(merge_run(run, output, dtype=dtype, licence=licence))


@app.command()
def export(run: Run, output: Output, dtype: Dtype = None, licence: Licence = "") -> None:
    """Copy a run's model alone, adapter or whole, with tokenizer and card: what the Hub is given."""
    from mtft.runs.export import export_run

    _quiet()
    say(export_run(run, output, dtype=dtype, licence=licence))


@app.command()
def card(run: Run, licence: Licence = "") -> None:
    """Write a run's model card, README.md, anew from its records."""
    from mtft.runs.model_card import write_card

    say(write_card(run, licence=licence))


def _quiet() -> None:
    """No progress bars of loading and writing weights, and no notes from one library to another."""
    import warnings

    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
