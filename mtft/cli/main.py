"""The `mtft` command."""

from __future__ import annotations

from typing import Annotated

import typer

import mtft
from mtft.cli import (
    doctor,
    evaluate,
    mixture,
    model,
    predict,
    probe,
    prompts,
    recipes,
    report,
    tasks,
    trajectory,
)
from mtft.cli.output import Friendly, say

app = typer.Typer(
    name="mtft",
    cls=Friendly,
    help="Multitask prompt finetuning of BLOOM and mT5, and zero-shot crosslingual evaluation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
    # `--data_root`, as the recipes write it, and `--data-root` are the same flag.
    context_settings={
        "token_normalize_func": lambda name: name.replace("_", "-"),
        "help_option_names": ["-h", "--help"],
    },
)
app.add_typer(prompts.app, name="prompts")
app.add_typer(tasks.app, name="tasks")
app.add_typer(mixture.app, name="mixture")
app.add_typer(evaluate.app, name="eval")
app.command()(predict.predict)
app.command()(probe.probe)
app.add_typer(model.app, name="model")
app.command()(report.report)
app.add_typer(trajectory.app, name="trajectory")
app.add_typer(recipes.app, name="recipes")
app.command()(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        say(f"mtft {mtft.__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Multitask prompt finetuning of BLOOM and mT5, and zero-shot crosslingual evaluation."""


def main() -> None:
    """The entry point of the console script."""
    app()
