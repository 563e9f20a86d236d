"""`mtft eval`: scoring a model on a suite, the suites there are, and a suite for lm-evaluation-harness."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtft.cli.options import DataRoot, Json, Prompts, Strict, collection_of, index_of, sources_of
from mtft.cli.output import Friendly, note, say, say_json, say_table
from mtft.cli.rescore import rescore
from mtft.resources import builtin_folder

if TYPE_CHECKING:
    from mtft.evaluation import EvalExample, LmEvalExport, Suite
    from mtft.evaluation.lm_eval_export import LeftOut


class RunByDefault(Friendly):
    """`mtft eval --model …` means `mtft eval run --model …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command `run` before options that begin the line."""
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunByDefault,
    help="Score a model on a suite, list the suites, write a suite for lm-evaluation-harness.",
    no_args_is_help=True,
)
MaxItems = Annotated[int | None, typer.Option(help="Default: the suite's own.")]
NumShots = Annotated[
    int | None, typer.Option(help="Answered examples before each prompt; default: the suite's own.")
]
ShotsFrom = Annotated[
    str | None, typer.Option(help="Their side: train, validation or either; default: the suite's own.")
]
Seed = Annotated[
    int | None, typer.Option(help="Seed of random choices in templates; default: the suite's own.")
]


@app.command("run")
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
    max_items_per_cell: MaxItems = None,
    tasks: Annotated[list[str], typer.Option(help="Only these of the suite's tasks; may be repeated.")] = [],  # noqa: B006  # typer copies it
    languages: Annotated[list[str], typer.Option(help="Only these languages of them; may be repeated.")] = [],  # noqa: B006  # typer copies it
    shots: NumShots = None,
    shots_from: ShotsFrom = None,
    batch_tokens: Annotated[int, typer.Option(help="Tokens per batch.")] = 8192,
    seed: Seed = None,
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
    partition_weights: Annotated[
        bool, typer.Option(help="DeepSpeed ZeRO-3: every process holds its part of the weights.")
    ] = False,
    pretrained_languages: Annotated[
        list[str],
        typer.Option(
            help="What the model was pretrained on: codes, bloom, mc4 or all; may be repeated. Default: what is known."
        ),
    ] = [],  # noqa: B006  # typer copies it
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
            partition_weights=partition_weights,
            pretrained_languages=pretrained_languages,
            contamination_index=None if contamination_index is None else str(contamination_index),
            strict=strict,
        )
    )
    say(written)


@app.command("suites")
def suites(prompts: Prompts = [], as_json: Json = False) -> None:  # noqa: B006  # typer copies it
    """The built-in suites: what each asks for, and under which scoring protocol."""
    from mtft.evaluation import Suite

    index, collection = index_of(prompts), collection_of(prompts)
    folder = builtin_folder("eval") / "suites"
    found = [Suite.load(path) for path in sorted(folder.rglob("*.yaml"))]
    rows = [{"suite": suite.name, **_facts(suite, index, collection)} for suite in found]
    if as_json:
        say_json(rows)
        return
    columns = ("suite", "title", "side", "protocol", "tasks", "languages", "cells", "prompts")
    counts = columns[4:]
    say_table(columns, ([row[c] for c in columns] for row in rows), numeric=counts)


def _facts(suite: Suite, index: Any, collection: Any) -> dict[str, Any]:
    """What a suite asks for; prompts are its cells' templates."""
    asked = suite.planned(index, collection)
    named = [each.protocol or suite.protocol or "of the model" for each in asked]
    return {
        "title": suite.title,
        "path": str(suite.path),
        "side": suite.side,
        "protocol": ", ".join(dict.fromkeys(named)),
        "tasks": len({each.task.name for each in asked}),
        "languages": len({each.task.language for each in asked}),
        "cells": len(asked),
        "prompts": sum(len(each.templates) for each in asked),
    }


@app.command("export-lm-eval")
def export_lm_eval(
    suite: Annotated[str, typer.Argument(help="Name or path of a suite.")],
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: lm_eval_SUITE here.")
    ] = None,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    max_items_per_cell: MaxItems = None,
    shots: NumShots = None,
    shots_from: ShotsFrom = None,
    seed: Seed = None,
    encoder_decoder: Annotated[
        bool,
        typer.Option(
            "--encoder-decoder",
            help="Bound the texts of models with an encoder, which the harness lets grow with the prompt.",
        ),
    ] = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Write a suite as tasks that lm-evaluation-harness runs offline, with the same accuracy as protocol lm_eval."""
    from mtft.evaluation import Suite
    from mtft.evaluation import export_lm_eval as export

    chosen = Suite.load(suite).with_items(max_items_per_cell).with_shots(shots, shots_from)
    examples = _examples(chosen, seed, prompts, data_root, strict=strict)
    made = export(
        examples, output_dir or Path(f"lm_eval_{chosen.name}"), chosen.name, encoder_decoder=encoder_decoder
    )
    if as_json:
        left_out = [vars(each) for each in made.left_out]
        say_json({**vars(made), "left_out": left_out})
        return
    _say_export(made, chosen.max_input_tokens)


def _examples(
    suite: Suite, seed: int | None, prompts: list[Path], data_root: Path | None, *, strict: bool
) -> list[EvalExample]:
    """The suite's examples, what could not be rendered told on standard error."""
    from dataclasses import replace

    from mtft.tasks import Problems

    problems = Problems(strict=strict)
    asked = suite if seed is None else replace(suite, seed=seed)
    sources = sources_of(data_root, strict=strict)
    examples = asked.examples(index_of(prompts), collection_of(prompts), sources, problems)
    for kind, count in problems.dropped.items():
        note(f"{kind.task}: {kind.reason}, {count} times")
    return examples


def _by_reason(left_out: Iterable[LeftOut]) -> list[tuple[object, ...]]:
    """Task, reason, and how many cells, templates in cells, and examples it concerns."""
    found: dict[tuple[str, str], list[LeftOut]] = {}
    for each in left_out:
        found.setdefault((each.task, each.reason), []).append(each)
    return [
        (*key, len({e.config for e in group}), len(group), sum(e.count for e in group))
        for key, group in found.items()
    ]


def _say_export(made: LmEvalExport, max_input_tokens: int | None) -> None:
    """What was written, what was not and why, and the command that runs it."""
    say(f"{len(made.tasks)} tasks with {made.rows} rows in {made.folder}")
    if made.left_out:
        say("", f"Not exported (cell by cell in {made.folder / 'export.json'}):")
        columns = ("task", "reason", "cells", "prompts", "examples")
        say_table(columns, _by_reason(made.left_out), numeric=columns[2:])
    for line in dict.fromkeys(line for lines in made.notes.values() for line in lines):
        say("", f"Note: {line}.")
    length = f",max_length={max_input_tokens}" if max_input_tokens else ""
    say(
        "",
        f"lm_eval run --model hf --model_args pretrained=MODEL{length} --include_path {made.folder} "
        f"--tasks {made.group}",
    )


app.command()(rescore)
