"""`mtft eval`: one model on one suite; the same options as `eval/zero_shot.py`. Its subcommands need no model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mtft.cli.options import DataRoot, Prompts, Strict
from mtft.cli.output import say
from mtft.cli.rescore import rescore

MAIN = "model"


class MainCommand(TyperGroup):
    """A group whose command `model` is meant where no other one is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command's name before its options."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else [MAIN, *args])


app = typer.Typer(cls=MainCommand, rich_markup_mode=None)
app.command()(rescore)


@app.command(
    MAIN,
    hidden=True,
    epilog="`mtft eval rescore RESULTS --score_function byte` ranks stored choices anew, without a model.",
)
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
    tasks: Annotated[list[str], typer.Option(help="Only these of the suite's tasks; may be repeated.")] = [],  # noqa: B006  # typer copies it
    languages: Annotated[list[str], typer.Option(help="Only these languages of them; may be repeated.")] = [],  # noqa: B006  # typer copies it
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
    self_check: Annotated[
        int, typer.Option(help="Compare fast and naive scoring on so many examples of every task first.")
    ] = 0,
    reference: Annotated[bool, typer.Option("--reference", help="Score naively. Slow.")] = False,
    score_function: Annotated[
        str | None,
        typer.Option(help="What ranks choices: sum, token, character, byte, pmi; default: the suite's own."),
    ] = None,
    generation_backend: Annotated[
        str, typer.Option(help="What generates texts: transformers or vllm.")
    ] = "transformers",
    quantization: Annotated[
        str, typer.Option(help="What linear layers are held in: none, 4bit or 8bit.")
    ] = "none",
    device_map: Annotated[
        str | None, typer.Option(help="Spread the weights over devices: auto. One process.")
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
            tasks=tasks,
            languages=languages,
            shots=shots,
            shots_from=shots_from,
            batch_tokens=batch_tokens,
            seed=seed,
            self_check=self_check,
            reference=reference,
            score_function=score_function,
            generation_backend=generation_backend,
            quantization=quantization,
            device_map=device_map,
            strict=strict,
        )
    )
    say(written)
