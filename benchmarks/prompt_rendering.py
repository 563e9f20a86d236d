"""How fast prompts render and load, against compiling every template anew for every row.

    python benchmarks/prompt_rendering.py --data_root DATA [--json FILE]

DATA/promptsource holds promptsource's collection and the golden renderings (docs/data.md). The peer here is
this file's own account of what promptsource does: two Jinja compilations per row, a pure-Python YAML loader.
Results are compared before anything is timed. Rendering is timed in turn with its peer, in this process, on
one core, in seconds of that core (so that other work on the machine counts less); medians are reported.
Loading is timed in fresh processes, after imports, by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from mtft.prompting import BatchRenderer, LegacyKeyWarning, RenderError, Template, TemplateCollection

Pair = tuple[Template, dict[str, Any]]
Result = tuple[list[str], list[str] | None]
NLI = ("super_glue", "rte", "MNLI crowdsource")

# Prints the seconds that one way of loading takes, after the imports.
_LOADING = """
import sys, time, warnings
warnings.simplefilter("ignore")
from mtft.prompting import TemplateCollection
start = time.perf_counter()
collection = TemplateCollection.from_folder(sys.argv[1])
if sys.argv[2] == "all":
    found = sum(map(len, collection.load_all()))
else:
    found = len(collection.get("super_glue", "rte"))
    assert list(collection._loaded) == ["super_glue/rte"]
print(time.perf_counter() - start, found)
"""


def most_frequent(items: Sequence[Any]) -> list[Any] | None:
    counts = Counter(items)
    return [item for item, n in counts.items() if n == max(counts.values())] or None


def compiling_environment() -> Environment:
    environment = Environment()
    environment.globals["zip"] = zip
    environment.filters.update(choice=random.choice, most_frequent=most_frequent, highlight=str)
    return environment


PEER = compiling_environment()
_HIDDEN = "3ed2dface8203c4c9dfb1a5dc58e41e0"  # stands for a row's own separators while it renders


def compile_and_render(template: Template, row: Mapping[str, Any]) -> Result:
    """Input and targets, and the choices, with both texts compiled for this one row."""
    names = {k: v.replace("|||", _HIDDEN) if isinstance(v, str) else v for k, v in row.items()}
    choices = None
    if template.answer_choices is not None:
        choices = _split(PEER.from_string(template.answer_choices).render(**names))
    return _split(PEER.from_string(template.jinja).render(**names, answer_choices=choices)), choices


def _split(text: str) -> list[str]:
    return [part.replace(_HIDDEN, "|||").strip() for part in text.split("|||")]


def ours(template: Template, row: Mapping[str, Any]) -> Result | None:
    rendered = template.render(row)
    if rendered is None:
        return None
    choices = rendered.answer_choices
    return [rendered.inputs, *rendered.targets], None if choices is None else list(choices)


def golden_pairs(collection: TemplateCollection, lines: Sequence[str]) -> tuple[list[Pair], bool]:
    """Templates with their golden rows that `render` takes, and whether all render as the peer does.

    Left out are templates that draw random numbers, and rows that strict rendering refuses: the golden rows
    are made up, and a label may lie outside its choices.
    """
    pairs, equal = [], True
    for line in map(json.loads, lines):
        template = collection.get(line["dataset"], line["subset"]).by_id(line["id"])
        if "choice" in template.jinja.replace("answer_choices", "") or "random" in template.jinja:
            continue
        try:
            made = ours(template, line["row"])
        except RenderError:
            continue
        equal &= made == compile_and_render(template, line["row"])
        pairs.append((template, line["row"]))
    return pairs, equal


def nli_rows(count: int) -> list[dict[str, Any]]:
    """Rows of a sentence pair and a label, about as long as RTE's."""
    words = [
        "the",
        "river",
        "town",
        "council",
        "voted",
        "late",
        "to",
        "rebuild",
        "its",
        "old",
        "stone",
        "bridge",
    ]
    draw = random.Random(0)
    return [
        {
            "premise": " ".join(draw.choices(words, k=40)).capitalize() + ".",
            "hypothesis": " ".join(draw.choices(words, k=9)).capitalize() + ".",
            "label": draw.randrange(2),
            "idx": number,
        }
        for number in range(count)
    ]


def rows_per_second(work: Callable[[Template, Mapping[str, Any]], object], pairs: Sequence[Pair]) -> float:
    start = time.process_time()
    for template, row in pairs:
        work(template, row)
    return len(pairs) / (time.process_time() - start)


def compared(pairs: Sequence[Pair], peer_pairs: Sequence[Pair], repeats: int) -> tuple[float, float]:
    """Median rows per second of `render` and of compiling per call, measured in turn."""
    render = Template.render
    fast, slow = [], []
    for _ in range(repeats):
        fast.append(rows_per_second(render, pairs))
        slow.append(rows_per_second(compile_and_render, peer_pairs))
    return statistics.median(fast), statistics.median(slow)


def rendering_claims(collection: TemplateCollection, golden: Path, repeats: int, rows: int) -> list[Claim]:
    lines = golden.read_text(encoding="utf-8").splitlines()
    pairs, equal = golden_pairs(collection, lines[: 20 * rows])
    enough = max(1, rows // len(pairs))
    fast, slow = compared(pairs * enough, pairs, repeats)
    template = collection.get(*NLI[:2])[NLI[2]]
    nli = [(template, row) for row in nli_rows(rows)]
    few = nli[: max(1, rows // 50)]
    same = all(ours(*pair) == compile_and_render(*pair) for pair in few)
    per_second, compiled = compared(nli, few, repeats)
    return [
        Claim("render_vs_compile_per_call", fast, slow, fast / slow, "x", equal),
        Claim("render_vs_compile_per_call_nli", per_second, compiled, per_second / compiled, "x", same),
        Claim("render_rows_per_second", per_second, compiled, per_second, "rows/s", same),
    ]


def load_seconds(folder: Path, what: str, cache: str) -> tuple[float, int]:
    """Seconds that a fresh process takes to load all templates, or one dataset's, and how many it found."""
    answer = subprocess.run(
        [sys.executable, "-c", _LOADING, str(folder), what],
        env={**os.environ, "MTFT_CACHE": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, found = answer.stdout.split()
    return float(seconds), int(found)


class PlainLoader(yaml.SafeLoader):
    """PyYAML's own loader, which knows the format's two tags."""


for _tag in ("!Template", "!TemplateMetadata"):
    PlainLoader.add_constructor(_tag, lambda loader, node: loader.construct_mapping(node, deep=True))


def plain_loading(collection: TemplateCollection, paths: Sequence[Path]) -> tuple[float, bool]:
    """Seconds that plain YAML loading takes, and whether it reads the same templates."""
    start = time.perf_counter()
    files = [yaml.load(path.read_text(encoding="utf-8"), Loader=PlainLoader) for path in paths]
    seconds = time.perf_counter() - start
    equal = True
    for file in files:
        mine = collection.get(file["dataset"], file.get("subset")).values()
        theirs = [(t["id"], t["name"], t["jinja"], t["answer_choices"]) for t in file["templates"].values()]
        equal &= [(t.id, t.name, t.jinja, t.answer_choices) for t in mine] == theirs
    return seconds, equal


def loading_claims(collection: TemplateCollection, folder: Path, repeats: int, peers: bool) -> list[Claim]:
    cold, warm, one = [], [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            one.append(load_seconds(folder, "one", cache)[0])
        with tempfile.TemporaryDirectory() as cache:
            cold.append(load_seconds(folder, "all", cache)[0])
            warm.append(load_seconds(folder, "all", cache)[0])
    slow, slow_one, equal = None, None, None
    if peers:
        slow, equal = plain_loading(collection, sorted(folder.rglob("templates.yaml")))
        slow_one = plain_loading(collection, [collection.get(*NLI[:2]).path])[0] * 1000
    first, again, single = (statistics.median(times) for times in (cold, warm, one))
    return [
        Claim("collection_cold_seconds", first, slow, first, "s", equal),
        Claim("collection_warm_seconds", again, slow, again, "s", equal),
        Claim("one_dataset_milliseconds", single * 1000, slow_one, single * 1000, "ms", equal),
    ]


def scaling_claims(collection: TemplateCollection, rows: int, processes: int) -> list[Claim]:
    """Batched rendering through `datasets.map`, in one process and in several."""
    import datasets

    datasets.disable_progress_bars()
    renderer = BatchRenderer(collection.get(*NLI[:2])[NLI[2]])
    with tempfile.TemporaryDirectory() as folder:
        datasets.Dataset.from_list(nli_rows(rows)).save_to_disk(folder)
        data = datasets.load_from_disk(folder)  # rows stay on disk: workers are not sent any
        seconds, made = [], []
        for workers in (1, processes):
            start = time.perf_counter()
            made.append(
                data.map(
                    renderer,
                    batched=True,
                    with_indices=True,
                    num_proc=workers,
                    remove_columns=data.column_names,
                    cache_file_name=f"{folder}/{workers}.arrow",
                )
            )
            seconds.append(time.perf_counter() - start)
        equal = made[0].data.table.combine_chunks().equals(made[1].data.table.combine_chunks())
    alone, together = (rows / each for each in seconds)
    return [Claim(f"map_{processes}_processes_vs_one", together, alone, together / alone, "x", equal)]


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_root", default=os.environ.get("MTFT_DATA_ROOT"), help="holds promptsource/")
    parser.add_argument("--json", metavar="FILE", help="write the claims there")
    parser.add_argument("--repeats", type=int, default=7, help="measurements whose median counts")
    parser.add_argument("--rows", type=int, default=20_000, help="rows per measurement")
    parser.add_argument("--processes", type=int, default=2, help="of datasets.map; 0 leaves it out")
    parser.add_argument("--no_plain_yaml", action="store_true", help="leave out the slow YAML peer")
    chosen = parser.parse_args(arguments)
    if chosen.data_root is None:
        parser.error("--data_root, or MTFT_DATA_ROOT, must name the folder that holds promptsource/")
    warnings.simplefilter("ignore", LegacyKeyWarning)
    folder = Path(chosen.data_root) / "promptsource"
    collection = TemplateCollection.from_folder(folder / "templates")
    claims = rendering_claims(collection, folder / "golden.jsonl", chosen.repeats, chosen.rows)
    claims += loading_claims(collection, folder / "templates", chosen.repeats, not chosen.no_plain_yaml)
    if chosen.processes:
        claims += scaling_claims(collection, 25 * chosen.rows, chosen.processes)
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
