"""How full training's packs are, against next-fit packing of the same examples in the same order.

    python benchmarks/training_packing.py --data_root DATA [--json FILE]

Lengths are those of the mixture's first positions (by default one pass of open_multilingual) under a tokenizer
trained on its own text, one per family; tokenizers and lengths are kept in the user's cache. Capacities are the
ones that `mtft mixture describe --packing` proposes, the same for both sides, and all packs count, also the last
of every window. The peer is this file's own account of next-fit: examples in the schedule's order, a new pack as
soon as the next example does not fit, as BLOOMZ's and seqio's packers do it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from benchmarks.training_data import ENCODERS, built_mixture, mixture_for, parsed, parser_of
from mtft.encoding import WINDOW, Filling, PackWindows, fillings, sizes_of
from mtft.mixing import BuiltMixture, Mixture


def next_fit(sizes: np.ndarray, capacities: Sequence[int]) -> int:
    """Packs that next-fit needs for examples in this order."""
    packs, room = 0, [0] * len(capacities)
    for size in sizes.tolist():
        if any(one > left for one, left in zip(size, room, strict=True)):
            packs, room = packs + 1, list(capacities)
        room = [left - one for one, left in zip(size, room, strict=True)]
    return packs


def trains_all_once(mixture: Mixture, kind: str, capacities: tuple[int, ...], rows: int) -> bool:
    """Whether the plan's packs hold every position once, none over its capacity."""
    windows = PackWindows(mixture, kind, capacities, total_rows=rows, over_capacity="refuse")
    packs = [pack for number in range(-(-rows // WINDOW)) for pack in windows[number].packs]
    sizes = sizes_of(kind, *mixture.lengths(np.arange(rows)))
    fits = all((sizes[pack].sum(axis=0) <= capacities).all() for pack in packs)
    return fits and sorted(np.concatenate(packs).tolist()) == list(range(rows))


def packing(mixture: Mixture, kind: str, rows: int) -> tuple[Filling, list[float], bool]:
    """What the proposed capacity gives, the peer's utilisation of it, and whether both hold every example."""
    _, best = fillings(mixture, kind, rows)
    sizes = sizes_of(kind, *mixture.lengths(np.arange(rows)))
    started = time.process_time()
    equal = trains_all_once(mixture, kind, best.capacities, rows)
    seconds = time.process_time() - started
    print(
        f"# {kind}: {rows:,} examples, mean {sizes.mean(axis=0).round(1).tolist()}, "
        f"longest {sizes.max(axis=0).tolist()}, capacity {list(best.capacities)}, window {WINDOW:,}, "
        f"{best.examples_per_pack:.1f} examples per pack, planned and checked in {seconds:.2f} core seconds"
    )
    packs = next_fit(sizes, best.capacities)
    totals = sizes.sum(axis=0).tolist()
    peer = [total / (packs * capacity) for total, capacity in zip(totals, best.capacities, strict=True)]
    return best, peer, equal


def packing_claims(built: BuiltMixture, chosen: argparse.Namespace) -> list[Claim]:
    """`packing_1d`, `packing_2d_encoder` and `packing_2d_decoder`."""
    claims = []
    for family, names in (("bloom", ["1d"]), ("mt5", ["2d_encoder", "2d_decoder"])):
        mixture = mixture_for(built, family, chosen.vocab_size)
        best, peer, equal = packing(mixture, ENCODERS[family].kind, chosen.rows or len(mixture))
        for name, ours, theirs in zip(names, best.utilisation, peer, strict=True):
            claims.append(Claim(f"packing_{name}", 100 * ours, 100 * theirs, 100 * ours, "%", equal))
    return claims


def add_flags(made: argparse.ArgumentParser) -> None:
    """What `packing_claims` reads."""
    made.add_argument("--rows", type=int, help="positions packed; default: one pass")


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    made = parser_of(__doc__)
    add_flags(made)
    chosen = parsed(made, arguments)
    claims = packing_claims(built_mixture(chosen.mixture, Path(chosen.data_root)), chosen)
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
