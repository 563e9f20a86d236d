"""`mtft mixture`: listing, describing, building and exporting mixtures."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Mixtures: list, describe, build, export.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The built-in mixtures."""
