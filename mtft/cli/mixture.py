"""`mtft mixture`: listing, describing, building and exporting mixtures."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtft.cli.options import DataRoot, Json, Prompts, Strict, collection_of, index_of, sources_of
from mtft.cli.output import console, note, say, say_json, say_table
from mtft.errors import MtftError
from mtft.resources import builtin_folder, cache_folder

if TYPE_CHECKING:
    from mtft.encoding import Encoder, Filling
    from mtft.mixing import BuiltMixture, LengthMeasure, Mixture, MixtureCells, MixtureSpec
    from mtft.tasks import Task

app = typer.Typer(help="Mixtures: list, describe, build, export.", no_args_is_help=True)
MOST_WIDTH = 160
Name = Annotated[str, typer.Argument(help="A built-in mixture's name, or the path of one.")]
CacheDir = Annotated[
    Path | None,
    typer.Option(help="Folder of rendered rows, which runs and builds share; default: in the user's cache."),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Count tokens with this model's tokenizer, and apply the mixture's limits; else UTF-8 bytes."
    ),
]

OverLong = Annotated[
    str | None,
    typer.Option(
        help="What becomes, with --model, of prompts over the limit: drop, or truncate in the column that the card "
        "names; default: what the mixture says."
    ),
]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The built-in mixtures."""
    from mtft.mixing import MixtureSpec

    folder = builtin_folder("recipes") / "mixtures"
    specs = [MixtureSpec.load(path) for path in sorted(folder.rglob("*.yaml"))]
    rows = [{"name": s.name, "tasks": len(s.entries), "title": s.title, "path": str(s.path)} for s in specs]
    if as_json:
        say_json(rows)
    else:
        say_table(
            ("name", "tasks", "title"),
            ([r["name"], r["tasks"], r["title"]] for r in rows),
            numeric=("tasks",),
        )


@app.command()
def describe(
    name: Name,
    positions: Annotated[
        int | None, typer.Option(help="Examples to describe; default: one pass.", min=1)
    ] = None,
    cells: Annotated[bool, typer.Option("--cells", help="Only name the cells; reads no data.")] = False,
    declared: Annotated[
        bool | None,
        typer.Option(
            "--declared/--built",
            help="What the cards declare, reading no data, or what was built; default: declared where a source "
            "is on the Hub.",
        ),
    ] = None,
    packing: Annotated[
        bool,
        typer.Option("--packing", help="Only say how full packs of several capacities would be."),
    ] = False,
    model: Model = None,
    over_long: OverLong = None,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    cache_dir: CacheDir = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Sources, what is held out, and the table of proportions; local rows are rendered if they are not yet,
    and nothing is downloaded.
    """
    from mtft.mixing import Mixture, MixtureSpec, beyond_bound

    spec = MixtureSpec.load(name).with_over_long(over_long, "--over_long")
    found = spec.resolve(index_of(prompts), collection_of(prompts))
    if cells:
        _say_cells(found, as_json=as_json)
        return
    if not packing and (_is_remote(found) if declared is None else declared):
        _say_declared(spec, found, as_json=as_json)
        return
    built = _build(spec, found, data_root, cache_dir, strict=strict, progress=not as_json)
    encoder = _encoder(model)
    mixture = Mixture(built, built.index(None if encoder is None else encoder.measure))
    if packing:
        _say_packing(
            mixture, ["causal", "seq2seq"] if encoder is None else [encoder.kind], positions, as_json=as_json
        )
    elif as_json:
        say_json(mixture.manifest(positions))
        if error := beyond_bound(mixture, positions or len(mixture)):
            note(f"Warning: {error}")
    else:
        say(mixture.describe(positions, width=_width()).rstrip())
        _note_problems(built.problems.as_dict())


def _width() -> int:
    return min(max(console().width, 80), MOST_WIDTH)


def _is_remote(cells: MixtureCells) -> bool:
    """Whether rows of a cell would have to be downloaded."""
    return any(task.card.source.id is not None for task in (*cells.evaluated,))


def _say_declared(spec: MixtureSpec, cells: MixtureCells, *, as_json: bool) -> None:
    from mtft.mixing import declare, describe_declared

    declaration = declare(spec, cells)
    if as_json:
        say_json(declaration.as_dict())
    else:
        say(describe_declared(declaration, _width()).rstrip())


def _say_packing(mixture: Mixture, kinds: Sequence[str], positions: int | None, *, as_json: bool) -> None:
    """How full packs of several capacities are, per kind of model; the proposed capacity is marked."""
    from mtft.encoding import SAMPLE, WINDOW, fillings

    rows = positions or min(len(mixture), SAMPLE)
    found = {kind: fillings(mixture, kind, rows) for kind in kinds}
    unit = mixture.index.length_unit
    if as_json:
        per_kind = {
            kind: [{**asdict(each), "proposed": each is best} for each in each_kind]
            for kind, (each_kind, best) in found.items()
        }
        say_json({"positions": rows, "window": WINDOW, "length_unit": unit, **per_kind})
        return
    if unit == "bytes":
        note("Capacities are in bytes as well: name a model with --model for tokens.")
    for kind, (each_kind, best) in found.items():
        say(f"{kind}: the first {rows:,} positions, packed in windows of {WINDOW:,}; lengths in {unit}")
        columns = ("capacity", "full", "packs", "examples per pack", f"{unit} per example", "dropped", "")
        say_table(columns, (_packing_row(each, each is best) for each in each_kind), numeric=columns[1:-1])


def _packing_row(filling: Filling, proposed: bool) -> tuple[str, ...]:
    return (
        " + ".join(map(str, filling.capacities)),
        " + ".join(f"{share:.1%}" for share in filling.utilisation),
        f"{filling.packs:,}",
        f"{filling.examples_per_pack:.1f}",
        f"{filling.tokens_per_example:.1f}",
        f"{filling.dropped:,}",
        "proposed" if proposed else "",
    )


def _say_cells(cells: MixtureCells, *, as_json: bool) -> None:
    sides: dict[str, Iterable[Task]] = {
        "train": [cell.task for cell in cells],
        "validation": cells.validation,
        "report": cells.report,
    }
    columns = ("side", "cluster", "task", "language", "config", "templates")
    rows = [
        (side, task.cluster, task.name, task.language, task.config, len(task.templates))
        for side, tasks in sides.items()
        for task in tasks
    ]
    if as_json:
        say_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        say_table(columns, rows, numeric=("templates",))


@app.command()
def build(
    name: Name,
    model: Model = None,
    over_long: OverLong = None,
    online: Annotated[
        bool,
        typer.Option("--online", help="Download from the Hub what its cache lacks; otherwise nothing is."),
    ] = False,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    cache_dir: CacheDir = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Render every row once; a build that was stopped goes on, and runs find the rows there."""
    from mtft.mixing import Mixture, MixtureSpec

    spec = MixtureSpec.load(name).with_over_long(over_long, "--over_long")
    cells = spec.resolve(index_of(prompts), collection_of(prompts))
    built = _build(spec, cells, data_root, cache_dir, strict=strict, progress=not as_json, online=online)
    mixture = Mixture(built, built.index(_measure(model)))
    manifest, overlap = mixture.manifest(), mixture.overlap()
    if as_json:
        say_json({**manifest, "overlap": {**overlap.describe(), "path": str(overlap.path)}})
        return
    rows, examples = manifest["rows"], manifest["examples"]
    say(f"{rows:,} rows, {examples:,} prompted, in {len(built.shards)} cells: {built.folder}")
    say(f"overlap index of {sum(overlap.counts.values()):,} hashes: {overlap.path}")
    _say_counts({"truncated": manifest["truncated"]} if manifest["truncated"] else {})
    _say_counts(manifest["dropped"])
    _note_problems(built.problems.as_dict())


@app.command("export")
def export_(
    name: Name,
    output_dir: Annotated[Path, typer.Option(help="Folder to write to.")],
    format_: Annotated[
        str, typer.Option("--format", help="jsonl (as xP3) or parquet (with provenance).")
    ] = "jsonl",
    model: Model = None,
    over_long: OverLong = None,
    data_root: DataRoot = None,
    prompts: Prompts = [],  # noqa: B006  # typer copies it
    cache_dir: CacheDir = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Write the mixture's prompted rows for other tools, in a folder per language."""
    from mtft.mixing import MixtureSpec, export

    spec = MixtureSpec.load(name).with_over_long(over_long, "--over_long")
    cells = spec.resolve(index_of(prompts), collection_of(prompts))
    built = _build(spec, cells, data_root, cache_dir, strict=strict, progress=not as_json)
    written = export(built, built.index(_measure(model)), output_dir, format_)
    if as_json:
        say_json(written)
    else:
        say(f"{sum(written.values()):,} rows in {len(written):,} files: {output_dir}")


def _build(
    spec: MixtureSpec,
    cells: MixtureCells,
    data_root: Path | None,
    cache_dir: Path | None,
    *,
    strict: bool,
    progress: bool,
    online: bool = False,
) -> BuiltMixture:
    from mtft.mixing import build_mixture

    folder = cache_dir or cache_folder() / "mixtures"
    sources = replace(sources_of(data_root, strict=strict), offline=not online)
    return build_mixture(spec, cells, sources, folder, progress and sys.stdout.isatty())


def _measure(model: str | None) -> LengthMeasure | None:
    """Lengths by a model's tokenizer."""
    encoder = _encoder(model)
    return None if encoder is None else encoder.measure


def _encoder(model: str | None) -> Encoder | None:
    """The encoder of a model, which is not loaded itself."""
    if model is None:
        return None
    from transformers import AutoConfig, AutoTokenizer

    from mtft.encoding import encoder_for

    try:
        config = AutoConfig.from_pretrained(model)
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        rule = "A model must be a folder or a Hub id with a configuration and a tokenizer."
        raise MtftError(rule, found=str(error).partition("\n")[0], where=model) from error
    return encoder_for(config, tokenizer)


def _say_counts(counts: Mapping[str, int]) -> None:
    for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
        say(f"{count:>9,} {reason}")


def _note_problems(problems: Mapping[str, Any]) -> None:
    """What went wrong, on standard error."""
    for message in problems.get("samples", ()):
        note(message)
