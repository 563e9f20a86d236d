"""The data path: how long a block of the schedule takes, and a mixture's build beside its tokenizer alone.

    python benchmarks/data_path.py [--data_root DATA] [--json FILE]

`schedule_block_seconds`: unit, row and epoch at a million consecutive positions, over 300 units of very unequal sizes
with 100 million rows together, somewhere far into the order. It holds if every prefix of the block is within two rows
of its rate, and single positions, computed alone, agree.

`build_vs_tokenizer`: a mixture's build from nothing (reading, rendering, writing, hashing, dividing), its overlap
index and the lengths of all its records, over the tokenizer's own `tokenizer(texts)` of the same prompts and targets in
batches of the same size. The tokenizer has about 32k words and is trained here on the mixture's own text: with a data
root every so-manieth cell of open_multilingual, else mini_xp3 of the micro-world. Both sides run in turn, the best of
the rounds counts; with one process in processor seconds on one thread, with `--num_proc N` in seconds by the clock, the
tokenizer on N threads. They are equal if every length is.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from mtft.encoding import Seq2SeqEncoder, train_tokenizer
from mtft.mixing import BuiltMixture, Mixture, MixtureCells, MixtureSpec, build_mixture
from mtft.mixing.order import Order
from mtft.mixing.rates import quantised
from mtft.mixing.schedule import Schedule
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Sources

UNITS, ROWS, BLOCK = 300, 10**8, 10**6
Texts = list[tuple[list[str], list[str]]]


def order_of(units: int, rows: int) -> tuple[Order, np.ndarray]:
    """An order over units whose sizes spread over four powers of ten, and the units' shares."""
    sizes = np.random.default_rng(0).lognormal(0.0, 2.0, units)
    sizes = np.maximum(sizes / sizes.sum() * rows, 1).astype(np.int64)
    share = sizes / sizes.sum()
    return Order(Schedule(quantised(share)), sizes, [f"unit {n}" for n in range(units)], seed=0), share


def most_off(order: Order, share: np.ndarray, unit: np.ndarray, start: int) -> float:
    """The largest distance, in rows, between a unit's count in a prefix that ends in the block and its rate."""
    worst, before = 0.0, order.schedule.counts(start)
    for number in range(len(share)):
        places = np.flatnonzero(unit == number)
        # counts are furthest off just before and just after each of the unit's rows
        seen, ends = before[number] + np.arange(len(places) + 1), np.append(places, len(unit))
        starts = np.insert(places + 1, 0, 0)
        for counts, at in ((seen, starts), (seen, ends)):
            worst = max(worst, float(np.abs(counts - (start + at) * share[number]).max()))
    return worst


def schedule_claim(rounds: int) -> Claim:
    order, share = order_of(UNITS, ROWS)
    start = 7 * ROWS // 10
    positions = np.arange(start, start + BLOCK)
    seconds, found = best(lambda: order.rows(positions), rounds, time.process_time)
    some = np.random.default_rng(1).integers(0, BLOCK, 20)
    alone, single = best(lambda: [order.rows(positions[at : at + 1]) for at in some], 1, time.process_time)
    agree = all(
        one[part][0] == found[part][at]
        for at, one in zip(some.tolist(), single, strict=True)
        for part in range(3)
    )
    worst = most_off(order, share, found[0], start)
    print(
        f"# schedule: {UNITS} units, {ROWS:,} rows, positions {start:,} to {start + BLOCK:,}: at most "
        f"{worst:.2f} rows off its rate; one position alone {1e3 * alone / len(some):.2f} ms"
    )
    return Claim("schedule_block_seconds", seconds, None, seconds, "s", agree and worst < 2)


def best(work: Callable[[], object], rounds: int, clock: Callable[[], float]) -> tuple[float, object]:
    """The least time of several rounds, in seconds, and what the last one gave."""
    times = []
    for _ in range(rounds):
        started = clock()
        found = work()
        times.append(clock() - started)
    return min(times), found


def resolved(data_root: str | None, every: int) -> tuple[MixtureSpec, MixtureCells, Sources]:
    """The mixture to build: all languages of open_multilingual, thinned out, or the micro-world's."""
    spec, prompts = (
        MixtureSpec.load("open_multilingual" if data_root else "mini_xp3"),
        builtin_folder("prompts"),
    )
    cells = spec.resolve(CardIndex.load([prompts]), TemplateCollection.from_folder(prompts))
    if data_root:
        cells = replace(cells, train=cells.train[::every], validation=(), report=())
    return spec, cells, Sources(data_root=Path(data_root) if data_root else None)


def encoded(tokenizer: PreTrainedTokenizerBase, texts: Texts) -> list[list[list[list[int]]]]:
    """The tokenizer's ids of all prompts and targets, batch by batch."""
    return [[tokenizer(part)["input_ids"] for part in batch] for batch in texts]


def build_claim(data_root: str | None, every: int, vocab_size: int, rounds: int, num_proc: int) -> Claim:
    spec, cells, sources = resolved(data_root, every)

    def built(folder: str, measure: Seq2SeqEncoder | None) -> BuiltMixture:
        made = build_mixture(spec, cells, sources, folder, num_proc=num_proc)
        if measure is not None:
            Mixture(made, made.index(measure.measure, num_proc=num_proc)).overlap()
        return made

    with tempfile.TemporaryDirectory() as folder:
        first = built(folder, None)
        tokenizer = train_tokenizer(first.texts(), vocab_size, "mt5")
        encoder = Seq2SeqEncoder(tokenizer)
        texts: Texts = [(inputs, targets) for shard in first.shards for _, inputs, targets in shard.texts()]
        peer_lengths = lengths_of(encoded(tokenizer, texts))
        ours_lengths = np.concatenate([u.lengths for u in first.index(encoder.measure).units], axis=1)
    clock = time.process_time if num_proc == 1 else time.perf_counter
    ours, peer = [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours.append(best(lambda: built(folder, encoder), 1, clock)[0])
        peer.append(best(lambda: encoded(tokenizer, texts), 1, clock)[0])
    characters = sum(len(text) for batch in texts for part in batch for text in part)
    print(
        f"# build: {spec.name}, {len(cells.train)} cells, {ours_lengths.shape[1]:,} prompted rows, {characters:,} "
        f"characters, {int(ours_lengths.sum()):,} tokens of {len(tokenizer):,}, {num_proc} process(es)"
    )
    equal = bool((ours_lengths == peer_lengths).all())
    return Claim("build_vs_tokenizer", min(ours), min(peer), min(ours) / min(peer), "x", equal)


def lengths_of(batches: Sequence[Sequence[Sequence[Sequence[int]]]]) -> np.ndarray:
    """(2, records) tokens of prompts and targets."""
    return np.array([[len(ids) for batch in batches for ids in batch[part]] for part in range(2)])


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data_root", default=os.environ.get("MTFT_DATA_ROOT"), help="holds the mixture's data"
    )
    parser.add_argument("--json", metavar="FILE", help="write the claims there")
    parser.add_argument("--vocab_size", type=int, default=32_000)
    parser.add_argument("--every", type=int, default=4, help="take every so-manieth cell; 1 for all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--num_proc", type=int, default=1)
    chosen = parser.parse_args(arguments)
    # read by the tokenizer when it first encodes a batch
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if chosen.num_proc > 1 else "false"
    os.environ["RAYON_NUM_THREADS"] = str(chosen.num_proc)
    claims = [
        schedule_claim(chosen.rounds),
        build_claim(chosen.data_root, chosen.every, chosen.vocab_size, chosen.rounds, chosen.num_proc),
    ]
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
