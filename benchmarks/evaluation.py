"""How fast answer choices are ranked, and in how much memory, against lm-evaluation-harness.

    python benchmarks/evaluation.py --data_root DATA [--json FILE] [--claims bloom_250k_vs_lm_eval …]

The peer is the harness's own `HFLM` with batches of 16, ours `LikelihoodEngine`; both score the same model of the
library with random weights, in float32 on the CPU, and the same token ids, which the harness makes (`_encode_pair`: a
space before the choice, no end token). Questions are rows of americasnli (three choices of a word), sib200 (seven) and
xcopa (two sentences), at even distances over all languages; the tokenizer is trained here on the datasets' own text.
Models have width 256 and 4 layers (mT5: 4 and 4) with a vocabulary of mT5's, BLOOM's or 16,000 words.

All log-likelihoods are compared first. Then both sides score all questions in turn, round by round, without loading or
tokenising; `ours` and `peer` are questions per second, medians over the rounds, on one thread in seconds of its core.
`bloom_250k_memory` is measured in a process for each side: mebibytes that scoring the 16 longest questions adds, at its
peak, to what was resident before. With `--published_shapes` BLOOM-560M and mT5-small are timed as well, on an
eighth of the questions; that takes long.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from benchmarks.evaluation_data import DATASETS, own_tokenizer, spread
from benchmarks.evaluation_sides import (
    SCORERS,
    TOLERANCE,
    Asked,
    Sides,
    asked_of,
    in_turn,
    largest_error,
    our_scores,
    peer_scores,
    sides_of,
)
from benchmarks.head_memory import MEBIBYTE, resident
from benchmarks.training_contenders import published_model, random_model
from mtft.modeling import ModelSize
from mtft.modeling.published import published_config

BODY = ModelSize(width=256, layers=4, heads=8)
SMOKE_BODY = ModelSize(width=32, layers=2, heads=4)
WORDS = {"bloom_250k": 250_880, "mt5_250k": 250_112, "bloom_16k": 16_000, "mt5_16k": 16_000}
PUBLISHED = {"bloom_560m": "bigscience/bloom-560m", "mt5_small": "google/mt5-small"}
MEMORY, MEMORY_QUESTIONS = "bloom_250k_memory", 16
_FEWER = 8  # times fewer questions for the published shapes


class Case(NamedTuple):
    """One claim's model and dataset."""

    model: str
    dataset: str


CASES = {
    "bloom_250k_vs_lm_eval": Case("bloom_250k", "americasnli"),
    "bloom_16k_vs_lm_eval": Case("bloom_16k", "americasnli"),
    "mt5_250k_vs_lm_eval": Case("mt5_250k", "americasnli"),
    "mt5_16k_vs_lm_eval": Case("mt5_16k", "americasnli"),
    "mt5_250k_7choices_vs_lm_eval": Case("mt5_250k", "sib200"),
    "mt5_250k_2choices_vs_lm_eval": Case("mt5_250k", "xcopa"),
}
PUBLISHED_CASES = {f"{model}_vs_lm_eval": Case(model, "americasnli") for model in PUBLISHED}


def machine() -> str:
    """Versions, and what this runs on."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("lm_eval", "transformers", "torch"))
    return f"{versions}; Python {platform.python_version()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} thread(s)"


class Bench:
    """Models and questions, each made once.

    Args:
        chosen: The flags.
    """

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.chosen = chosen
        self.root = Path(chosen.data_root)
        self._tokenizers: dict[str, PreTrainedTokenizerBase] = {}

    def tokenizer(self, family: str) -> PreTrainedTokenizerBase:
        """One of the datasets' own text."""
        if family not in self._tokenizers:
            self._tokenizers[family] = own_tokenizer(self.root, family, self.chosen.vocab_size)
        return self._tokenizers[family]

    def model(self, name: str) -> PreTrainedModel:
        """A model of the library, the same weights each time."""
        family = name.partition("_")[0]
        if name in PUBLISHED:
            config = published_config(PUBLISHED[name])
            assert config is not None
            return published_model(family, config, own=False, device="cpu").float()
        tokenizer = self.tokenizer(family)
        words, body = (len(tokenizer), SMOKE_BODY) if self.chosen.smoke else (WORDS[name], BODY)
        return random_model(family, max(words, len(tokenizer)), body, tokenizer, own=False)

    def prepared(self, case: Case) -> tuple[Sides, Asked]:
        """Both sides, and what they are asked."""
        family = case.model.partition("_")[0]
        sides = sides_of(self.model(case.model), self.tokenizer(family), self.chosen.batch_tokens)
        count = self.chosen.questions // (_FEWER if case.model in PUBLISHED else 1)
        questions = spread(DATASETS[case.dataset](self.root), max(1, count))
        return sides, asked_of(sides.peer, questions)


def told(asked: Asked) -> str:
    """Sizes of what is asked."""
    n, choices = len(asked.ours), [choice for item in asked.ours for choice in item.choices]
    prompt, choice = sum(len(item.inputs) for item in asked.ours) / n, sum(map(len, choices)) / len(choices)
    return f"{n} questions of {prompt:.0f} tokens, {len(choices) / n:.0f} choices of {choice:.1f}"


def speed_claim(name: str, case: Case, bench: Bench) -> Claim:
    """Equality, then speed."""
    sides, asked = bench.prepared(case)
    error = largest_error(our_scores(sides, asked), peer_scores(sides, asked))
    print(f"# {name}: {told(asked)}; off by {error:.1e} at most", flush=True)
    took = in_turn(sides, asked, bench.chosen.rounds)
    n = len(asked.ours)
    return Claim(
        name, n / took["ours"], n / took["peer"], took["peer"] / took["ours"], "x", error <= TOLERANCE
    )


def added_memory(side: str, bench: Bench) -> dict[str, object]:
    """Bytes that one side adds at its peak, and its log-likelihoods."""
    sides, asked = bench.prepared(CASES["bloom_250k_vs_lm_eval"])
    items = sorted(asked.ours, key=lambda item: -len(item.inputs))[:MEMORY_QUESTIONS]
    kept = {item.key for item in items}
    owners = (item.key for item in asked.ours for _ in item.choices)
    longest = Asked(
        [request for request, key in zip(asked.peer, owners, strict=True) if key in kept],
        [item for item in asked.ours if item.key in kept],
    )
    short = Asked(longest.peer[:1], [longest.ours[0]._replace(choices=longest.ours[0].choices[:1])])
    SCORERS[side](sides, short)  # what the first call loads is not counted
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets VmHWM
    scores = SCORERS[side](sides, longest)
    return {"bytes": resident("VmHWM") - before, "scores": scores}


def memory_claim(flags: Sequence[str]) -> Claim:
    """Each side in a process of its own (Linux only)."""
    found = {}
    for side in SCORERS:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "found.json"
            command = [sys.executable, __file__, *flags, "--measure", side, "--json", str(file)]
            subprocess.run(command, check=True)
            found[side] = json.loads(file.read_text(encoding="utf-8"))
    ours, peer = (found[side]["bytes"] / MEBIBYTE for side in ("ours", "peer"))
    error = largest_error(found["ours"]["scores"], found["peer"]["scores"])
    return Claim(MEMORY, ours, peer, ours / peer, "of the peer's", error <= TOLERANCE)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument(
        "--data_root", default=os.environ.get("MTFT_DATA_ROOT"), help="holds americasnli/, sib200/ and xcopa/"
    )
    made.add_argument("--json", metavar="FILE", help="write the claims there")
    made.add_argument("--claims", nargs="*", metavar="CLAIM", choices=[*CASES, *PUBLISHED_CASES, MEMORY])
    made.add_argument("--published_shapes", action="store_true", help="BLOOM-560M and mT5-small as well")
    made.add_argument("--questions", type=int, default=256, help="of each dataset")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--vocab_size", type=int, default=16_000, help="of the tokenizer, at most 16,000")
    made.add_argument("--batch_tokens", type=int, default=8192, help="of ours")
    made.add_argument("--smoke", action="store_true", help="models that say nothing")
    made.add_argument("--measure", choices=list(SCORERS), help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    made = parser()
    flags = list(sys.argv[1:] if arguments is None else arguments)
    chosen = made.parse_args(flags)
    if chosen.data_root is None:
        made.error("--data_root, or MTFT_DATA_ROOT, must name the folder that holds the datasets")
    torch.set_num_threads(chosen.threads)
    bench = Bench(chosen)
    if chosen.measure:
        Path(chosen.json).write_text(json.dumps(added_memory(chosen.measure, bench)), encoding="utf-8")
        return []
    print(f"# {machine()}")
    cases = CASES | (PUBLISHED_CASES if chosen.published_shapes or chosen.claims else {})
    wanted = chosen.claims or [*cases, MEMORY]
    claims = [speed_claim(name, case, bench) for name, case in cases.items() if name in wanted]
    claims += [memory_claim(flags)] if MEMORY in wanted else []
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
