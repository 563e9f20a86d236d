"""How fast training is, and how much memory it takes, against the library's trainers and TRL's packing.

    python benchmarks/training_peers.py --data_root DATA [--json FILE] [--families mt5] [--sizes 250k]

Every contender is a whole trainer (ours `MultitaskTrainer` on packs; the library's `Seq2SeqTrainer` or `Trainer`
on batches of 8, padded to the longest, in the schedule's order or grouped by length; TRL's `SFTTrainer` with
packing) in a process of its own, in float32 on the CPU, with the library's AdamW, clipping and default settings, no
dropout, and as many threads as torch takes by itself. All begin with the same weights and train on the same
examples: lengths are those of the mixture under a tokenizer of its own, ids are drawn from the whole vocabulary.
Ours takes one pack a step, of the proposed capacity, or of the next that holds 8 examples; and so does TRL.

Losses are compared first: the token mean over the padded contenders' first two batches, over all examples for
TRL. Then all train in turn, round by round, each round once on the sample, after a step that does not count. `ours`
and `peer` are the medians of useful (not padding) tokens per second. For the rows named `…_memory` they are the
mebibytes of the largest step, beyond what the process held before the first one: gradients and optimiser state
count, the model's weights do not; there `value` is the share of the peer's.

TRL is compared if it is installed (`pip install 'mtft[bench]'`). It drops prompt positions before the head on GPUs
only; here it is made to do so as well, which makes it faster. `--trl_all_positions` adds a row for it as it is on
CPUs.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from benchmarks.training_contenders import Job
from benchmarks.training_data import (
    ENCODERS,
    built_mixture,
    mixture_for,
    own_tokenizer,
    parsed,
    parser_of,
    tokenizer_folder,
)
from benchmarks.training_sample import BATCH, sampled
from benchmarks.training_worker import Round, Worker
from mtft.encoding import SAMPLE, fillings
from mtft.mixing import BuiltMixture
from mtft.modeling import ModelSize

# words of mT5's and of BLOOM's vocabulary, and the body that goes with them
SIZES = {
    "250k": ({"mt5": 250_112, "bloom": 250_880}, ModelSize(width=256, layers=6, heads=8)),
    "32k": ({"mt5": 32_000, "bloom": 32_000}, ModelSize(width=512, layers=6, heads=8)),
    "smoke": ({"mt5": 8_000, "bloom": 8_000}, ModelSize(width=32, layers=2, heads=4)),
}
PEERS = {"mt5": ("padded", "grouped"), "bloom": ("padded", "trl")}
EQUAL = 1e-5


def machine() -> str:
    """Versions, and what this runs on."""
    packages = ("torch", "transformers", "accelerate", "datasets", "trl")
    found = (name for name in packages if find_spec(name))
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in found)
    return f"{versions}; Python {platform.python_version()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads"


def job_for(built: BuiltMixture, family: str, size: str, vocab_size: int, batches: int, rounds: int) -> Job:
    mixture, tokenizer = mixture_for(built, family, vocab_size), own_tokenizer(built, family, vocab_size)
    words, body = SIZES[size]
    all_of_them, proposed = fillings(mixture, ENCODERS[family].kind, min(SAMPLE, len(mixture)))
    # as many examples in a step as the peers have, at least: each step has an optimiser's pass over all weights
    enough = (f for f in (proposed, *all_of_them) if f.capacities >= proposed.capacities)
    chosen = next((f for f in enough if f.examples_per_pack >= BATCH), proposed)
    return Job(
        family=family,
        words=words[family],
        size=body,
        tokenizer=str(tokenizer_folder(built, family, vocab_size)),
        capacities=chosen.capacities,
        packs=1,
        sample=sampled(mixture, batches, words[family], tokenizer),
        steps=1 + 2 * rounds * len(mixture),
    )


def loss_error(ours: Worker, peer: Worker) -> tuple[float, float]:
    """Relative error of the peer's token mean against ours, and the mean one of its parts (batches or examples)."""
    known = {numbers[0]: loss for numbers, loss in ours.ready.losses}
    pairs = np.array([(loss, sum(known[n] for n in numbers)) for numbers, loss in peer.ready.losses])
    theirs, right = pairs.sum(axis=0)
    parts = np.abs(pairs[:, 0] - pairs[:, 1]) / pairs[:, 1]
    return float(abs(theirs - right) / right), float(parts.mean())


def rate(rounds: Sequence[Round]) -> float:
    """Median tokens per second."""
    return statistics.median(each.tokens / each.seconds for each in rounds)


def trained(workers: Sequence[Worker], rounds: int) -> list[list[Round]]:
    """The rounds of each contender, taken in turn."""
    for worker in workers:
        worker.round()  # warms up
    turns = []
    for number in range(1, rounds + 1):
        turns.append([worker.round() for worker in workers])
        rates = (f"{worker.name} {rate([turn]):.0f}" for worker, turn in zip(workers, turns[-1], strict=True))
        print(f"#   round {number}, tokens/s: {', '.join(rates)}", flush=True)
    return [list(column) for column in zip(*turns, strict=True)]


def compared(job: Job, prefix: str, peers: Sequence[str], rounds: int) -> list[Claim]:
    """The claims of one family at one size."""
    targets, examples = job.sample.target_tokens, len(job.sample.examples)
    print(
        f"# {prefix}: {examples} examples, {targets:,} target tokens, {job.words:,} words, width {job.size.width}, "
        f"{job.size.layers} layers, capacity {list(job.capacities)}, {rounds} rounds",
        flush=True,
    )
    workers = [Worker(name, job) for name in ("ours", *peers)]
    found = trained(workers, rounds)
    peaks = [worker.finish() for worker in workers]
    claims = []
    for worker, turns, peak in zip(workers, found, peaks, strict=True):
        steps, seconds = worker.ready.round_steps, statistics.median(each.seconds for each in turns)
        total, part = loss_error(workers[0], worker)
        print(
            f"#   {worker.name}: {steps} steps of {examples / steps:.1f} examples a round, "
            f"{seconds / steps:.2f} s a step, {rate(turns):.0f} tokens/s, {peak:,.0f} MiB, "
            f"loss off by {total:.1e} (parts by {part:.1e} on average)"
        )
        if worker is workers[0]:
            continue
        equal = max(total, part) <= EQUAL and worker.ready.weights == workers[0].ready.weights
        ours, theirs = rate(found[0]), rate(turns)
        name = f"{prefix}_vs_{worker.name}"
        claims.append(Claim(name, ours, theirs, ours / theirs, "x", equal))
        claims.append(Claim(f"{name}_memory", peaks[0], peak, peaks[0] / peak, "of the peer's", equal))
    return claims


def peers_of(family: str, all_positions: bool) -> list[str]:
    """The contenders that can run here."""
    peers = [name for name in PEERS[family] if name != "trl" or find_spec("trl")]
    if "trl" in PEERS[family] and "trl" not in peers:
        print("# TRL is not installed: no comparison with it (pip install 'mtft[bench]')")
    return [*peers, "trl_all_positions"] if all_positions and "trl" in peers else peers


def peer_claims(built: BuiltMixture, chosen: argparse.Namespace) -> list[Claim]:
    """All claims of the chosen families and sizes."""
    print(f"# {machine()}")
    claims = []
    for family in chosen.families:
        for size in chosen.sizes:
            job = job_for(built, family, size, chosen.vocab_size, chosen.steps, chosen.rounds)
            peers = peers_of(family, chosen.trl_all_positions)
            claims += compared(job, f"{family}_{size}", peers, chosen.rounds)
    return claims


def add_flags(made: argparse.ArgumentParser) -> None:
    """What `peer_claims` reads."""
    made.add_argument("--families", nargs="*", choices=list(PEERS), default=list(PEERS))
    made.add_argument("--sizes", nargs="*", choices=list(SIZES), default=["250k", "32k"])
    made.add_argument("--steps", type=int, default=12, help="padded batches of a round, at most 50")
    made.add_argument("--rounds", type=int, default=3, help="rounds whose median counts")
    made.add_argument("--trl_all_positions", action="store_true", help="TRL as it is on CPUs, too")


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    made = parser_of(__doc__)
    add_flags(made)
    chosen = parsed(made, arguments)
    claims = peer_claims(built_mixture(chosen.mixture, Path(chosen.data_root)), chosen)
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
