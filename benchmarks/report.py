"""A report over very many scored examples: seconds and memory of `mtft report`, statistics made anew.

    python benchmarks/report.py [--rows 1000000] [--forms html markdown csv latex] [--json FILE]

Rows are generated: two models, eight tasks of held-out and trained clusters, languages and templates, as many items
as it takes. They are written as an evaluation writes them; then `mtft report FOLDER --recompute` runs in a process of
its own, whose time and largest resident memory are measured. Nothing of the report is measured here.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from mtft.evaluation.sample_table import SCHEMA

CLAIM = "report_million_rows_seconds"
MODELS, TASKS, TEMPLATES = ("base", "finetuned"), 8, 5
LANGUAGES = ("ar", "en", "es", "et", "fr", "hi", "id", "ru", "sw", "te", "th", "tr", "ur", "vi", "zh")
CHOICES = ("guaranteed", "possible", "impossible")
TEXT = "the girl reads a book by the window and the river runs past the old mill near the town square"


def cells() -> list[tuple[str, str, str]]:
    """(task, language, template) of every cell."""
    names = [f"task_{number}" for number in range(TASKS)]
    templates = [f"template {number}" for number in range(TEMPLATES)]
    return [(task, language, template) for task in names for language in LANGUAGES for template in templates]


def write_run(folder: Path, rows: int, *, seed: int = 0) -> int:
    """Writes `results.json` and `samples.parquet` of an evaluation into `folder`; returns the number of rows."""
    items = max(1, round(rows / (len(MODELS) * len(cells()))))
    written = 0
    with pq.ParquetWriter(folder / "samples.parquet", SCHEMA, compression="zstd") as writer:
        for chunk in _tables(items, np.random.default_rng(seed)):
            writer.write_table(chunk)
            written += chunk.num_rows
    (folder / "results.json").write_text(json.dumps(_results()), encoding="utf-8")
    return written


def _tables(items: int, rng: np.random.Generator) -> Iterator[pa.Table]:
    for at, model in enumerate(MODELS):
        for task, language, template in cells():
            yield _table(model, task, language, template, items, 0.35 + 0.2 * at, rng)


def _table(
    model: str, task: str, language: str, template: str, items: int, skill: float, rng: np.random.Generator
) -> pa.Table:
    """One template's rows in one language: the same items in all languages, as parallel sets have them."""
    right = rng.random(items) < skill
    target = np.arange(items) % len(CHOICES)
    chosen = np.where(right, target, (target + 1) % len(CHOICES))
    scores = rng.normal(-9, 1, (items, len(CHOICES)))
    scores[np.arange(items), chosen] = -1.0
    texts = [f"{TEXT} {n}. Question: does it follow, in {language}, by {template}?" for n in range(items)]
    fixed = {
        "model": model,
        "task": task,
        "dataset": task,
        "config": language,
        "cluster": f"cluster_{task[-1]}",
        "language": language,
        "prompt_language": "en",
        "metric": "accuracy",
        "template": template,
        "template_id": f"{task}-{template}",
        "unscored_reason": "",
        "signature": "",
        "slices": "{}",
    }
    columns = {
        "id": [f"test/{n}" for n in range(items)],
        "item_group": [f"{task}/{n}" for n in range(items)],
        "inputs": texts,
        "choices": [list(CHOICES)] * items,
        "loglikelihoods": list(scores),
        "prediction": [CHOICES[n] for n in chosen],
        "target": [CHOICES[n] for n in target],
        "targets": [[CHOICES[n]] for n in target],
        "scores": ['{"accuracy": 1.0}' if won else '{"accuracy": 0.0}' for won in right],
    }
    known = {**{name: [value] * items for name, value in fixed.items()}, **columns}
    arrays = [
        pa.array(known[field.name], field.type) if field.name in known else _empty(field, items)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _empty(field: pa.Field, items: int) -> pa.Array:
    """What a column holds that this evaluation has nothing for."""
    is_number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    value = [] if pa.types.is_list(field.type) else 0 if is_number else ""
    return pa.array([value] * items, field.type)


def _results() -> dict[str, object]:
    """The facts that statistics need beside the rows."""
    facts = {"metrics": ["accuracy"], "max_new_tokens": 64, "title": "", "licence": ""}
    seen = ("seen", "held_out_cluster")
    rows = [
        {"task": task, "config": language, "cluster": f"cluster_{task[-1]}", "language": language, **facts}
        | {"seen": seen[int(task[-1]) % 2], "cluster_trained": int(task[-1]) % 2 == 0}
        | {"language_status": "trained", "language_name": language.upper(), "script": "Latn"}
        for task, language in dict.fromkeys((task, language) for task, language, _ in cells())
    ]
    models = [
        {"name": name, "path": "", "family": "mt5", "parameters": None, "step": None} for name in MODELS
    ]
    content = {"schema": 1, "title": "Many rows", "suite": {"name": "many_rows"}, "models": models}
    return {**content, "eval_cells": rows}


def measure(folder: Path, forms: Sequence[str]) -> tuple[float, float]:
    """(seconds, largest resident memory in GiB) of the command in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "mtft.cli",
        "report",
        str(folder),
        "--recompute",
        *(f"--{f}" for f in forms),
    ]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[1])
    seconds = time.perf_counter() - start
    # kibibytes on Linux
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    """The claims, printed and, if asked, written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--forms", nargs="*", default=["html", "markdown", "csv", "latex"])
    parser.add_argument("--json", default=None)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = write_run(folder, chosen.rows)
        print(f"{rows:,} rows written; page ", end="", flush=True)
        seconds, memory = measure(folder, chosen.forms)
        size = (folder / "report.html").stat().st_size / 1e6 if "html" in chosen.forms else 0.0
        print(f"{size:.1f} MB")
    claims = [
        Claim(CLAIM, seconds, None, seconds, "s", None),
        Claim("report_million_rows_memory", memory, None, memory, "GiB", None),
        Claim("report_million_rows_page", size, None, size, "MB", None),
    ]
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
