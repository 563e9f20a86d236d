"""How full training's packs are, against next-fit packing of the same examples in the same order.

    python benchmarks/training.py --data_root DATA [--json FILE]

Lengths are those of the mixture's first positions (by default one pass of open_multilingual) under a tokenizer
trained on its own text, one per family; tokenizers and lengths are kept in the user's cache. Capacities are the
ones that `mtft mixture describe --packing` proposes, the same for both sides, and all packs count, also the last
of every window. The peer is this file's own account of next-fit: examples in the schedule's order, a new pack as
soon as the next example does not fit, as BLOOMZ's and seqio's packers do it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer, PreTrainedTokenizerBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, table, write_claims
from mtft.encoding import (
    WINDOW,
    CausalEncoder,
    Filling,
    PackWindows,
    Seq2SeqEncoder,
    fillings,
    sizes_of,
    train_tokenizer,
)
from mtft.mixing import BuiltMixture, Mixture, MixtureSpec, build_mixture
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder, cache_folder
from mtft.tasks import CardIndex, Sources

ENCODERS = {"mt5": Seq2SeqEncoder, "bloom": CausalEncoder}


def built_mixture(name: str, data_root: Path) -> BuiltMixture:
    spec, prompts = MixtureSpec.load(name), builtin_folder("prompts")
    cells = spec.resolve(CardIndex.load([prompts]), TemplateCollection.from_folder(prompts))
    return build_mixture(spec, cells, Sources(data_root=data_root), cache_folder() / "mixtures")


def own_tokenizer(built: BuiltMixture, family: str, vocab_size: int) -> PreTrainedTokenizerBase:
    """A tokenizer of the mixture's own text, trained once."""
    shards = hashlib.sha256("".join(shard.key for shard in built.shards).encode()).hexdigest()[:16]
    folder = cache_folder() / "benchmarks" / f"{family}-{vocab_size}-{shards}"
    if not (folder / "tokenizer.json").is_file():
        train_tokenizer(built.texts(), vocab_size, family, folder)
    return AutoTokenizer.from_pretrained(folder)


def mixture_for(built: BuiltMixture, family: str, vocab_size: int) -> Mixture:
    """The mixture with the lengths that this family's encoder gives."""
    encoder = ENCODERS[family](own_tokenizer(built, family, vocab_size))
    return Mixture(built, built.index(encoder.measure))


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


def packing_claims(built: BuiltMixture, vocab_size: int, rows: int | None) -> list[Claim]:
    claims = []
    for family, names in (("bloom", ["1d"]), ("mt5", ["2d_encoder", "2d_decoder"])):
        mixture = mixture_for(built, family, vocab_size)
        best, peer, equal = packing(mixture, ENCODERS[family].kind, rows or len(mixture))
        for name, ours, theirs in zip(names, best.utilisation, peer, strict=True):
            claims.append(Claim(f"packing_{name}", 100 * ours, 100 * theirs, 100 * ours, "%", equal))
    return claims


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data_root", default=os.environ.get("MTFT_DATA_ROOT"), help="holds the mixture's data"
    )
    parser.add_argument("--json", metavar="FILE", help="write the claims there")
    parser.add_argument("--mixture", default="open_multilingual")
    parser.add_argument("--vocab_size", type=int, default=16_000, help="of the mixture's own tokenizer")
    parser.add_argument("--rows", type=int, help="positions packed; default: one pass")
    chosen = parser.parse_args(arguments)
    if chosen.data_root is None:
        parser.error("--data_root, or MTFT_DATA_ROOT, must name the folder that holds the data")
    built = built_mixture(chosen.mixture, Path(chosen.data_root))
    claims = packing_claims(built, chosen.vocab_size, chosen.rows)
    print(table(claims))
    if chosen.json:
        write_claims(chosen.json, claims)
    return claims


if __name__ == "__main__":
    main()
