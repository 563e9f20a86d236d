"""What balancing losses, DGR and balancing gradients cost, against the plain sum on the same examples.

    python benchmarks/multitask.py [--json FILE] [--family mt5 bloom] [--rounds 3] [--parts loss dgr gradient torchjd]

Eight tasks in memory, one micro-batch for each in every step; models of the library's families with random weights,
by default width 256, 4 layers (mT5: 4 and 4) and 32,000 words; micro-batches of 16 rows, of 4 where each has one
task. All of it takes an hour or more on a CPU; `--parts`, `--family` and `--rows` shorten it.

Of each pair of trainers, a method and the plain sum, one takes its steps, then the other, round by round. Whole steps
count, from end to end, with reading, log lines and (CoBa) validation. `value` is the median over the rounds of the
ratio, of the family and method where it is worst. On the CPU one thread is timed in seconds of its core. Before any
time is taken, the same machinery with weights that change nothing must leave the same model after two steps as the
plain sum, and both trainers of a pair must have read the same examples.

- `loss_balancing_overhead`: every method but FAMO, all weights trained, tasks mixed in each micro-batch.
- `famo_overhead`, `dgr_overhead`: likewise.
- `gradient_balancing_overhead`: LoRA, micro-batches of one task each; the plain sum has the same ones.
- `gradient_balancing_vs_torchjd_backward`: one gradient of UPGrad, without optimiser: TorchJD's function for several
  losses against one task at a time, both on the library's model. Weights and gradients are compared first.
- `gradient_balancing_memory`: bytes of tensors that ours holds at its peak above what the plain sum's passes hold at
  theirs, over tasks x trained parameters x 4.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from benchmarks.multitask_gradients import gradient_claims
from benchmarks.multitask_source import TASKS, Shape, trainer_of
from benchmarks.multitask_steps import Compared, compare, same_after_steps
from mtft.training.balance_settings import BALANCINGS
from mtft.training.gradient_settings import GRADIENT_METHODS

LOSS_METHODS = tuple(name for name in BALANCINGS if name not in ("none", "famo"))
GRADIENTS = tuple(
    name for name in GRADIENT_METHODS if name not in ("none", "sum", "mean", "constant", "random")
)
FAMILIES = ("mt5", "bloom")
TOLERANCE = 1e-3  # of what two steps change


def machine() -> str:
    """Versions, and what this runs on."""
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("torchjd", "transformers", "peft", "torch")
    )
    device = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} thread(s)"
    )
    return f"{versions}; Python {platform.python_version()}, {os.cpu_count()} CPUs, {device}"


Settings = dict[str, Any]


def worst(
    claim: str,
    methods: Sequence[str],
    settings: Callable[[str], Settings],
    neutral: Settings,
    chosen: argparse.Namespace,
) -> Iterator[Claim]:
    """One claim over families and methods: the largest ratio to the plain sum; nothing where there is no method."""
    found: list[tuple[str, Compared]] = []
    same = [equals_plain(family, neutral, chosen) for family in chosen.family if methods]
    for family in chosen.family:
        for method in methods:
            given = settings(method)
            pair = [trainer_of(family, shape_of(given, chosen), **each) for each in (given, plain_of(given))]
            each = compare(*pair, rounds=chosen.rounds, steps=chosen.steps)
            print(
                f"# {family} {method}: {each.ours:.3f} s a step, plain {each.plain:.3f}, ratio {each.ratio:.3f}"
            )
            found.append((f"{method}, {family}", each))
    if found:
        name, most = max(found, key=lambda one: one[1].ratio)
        equal = all(same) and all(each.equal for _, each in found)
        yield Claim(claim, most.ours, most.plain, most.ratio, f"x a plain step ({name})", equal)


def plain_of(settings: Settings) -> Settings:
    """The plain sum's settings beside these."""
    return {name: settings[name] for name in ("peft", "single") if name in settings}


def shape_of(settings: Settings, chosen: argparse.Namespace) -> Shape:
    """The sizes for these settings: smaller micro-batches where each has one task."""
    shape: Shape = chosen.single if settings.get("single") else chosen.shape
    return shape


def equals_plain(family: str, neutral: Settings, chosen: argparse.Namespace) -> bool:
    """Whether settings that should change nothing do, with plain SGD: Adam turns rounding into steps."""
    pair = [
        trainer_of(family, shape_of(neutral, chosen), **each, optim="sgd", max_steps=2, learning_rate=0.1)
        for each in (neutral, plain_of(neutral))
    ]
    off = same_after_steps(*pair)
    print(f"# {family}: {neutral} is {off:.1e} of two steps off the plain sum")
    return off < TOLERANCE


def loss_part(chosen: argparse.Namespace) -> Iterator[Claim]:
    """`loss_balancing_overhead` and `famo_overhead`."""
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "reference.json"
        reference.write_text(json.dumps({f"task {n}": 5.0 for n in range(TASKS)}), encoding="utf-8")

        def settings(method: str) -> dict[str, Any]:
            more = {"balance_reference": str(reference)} if method == "doremi" else {}
            return {"loss_balancing": method, **more}

        neutral = {
            "loss_balancing": "sum",
            "loss_reduction": "mean",
        }  # tasks have the same number of examples
        yield from worst("loss_balancing_overhead", chosen.loss_methods, settings, neutral, chosen)
        yield from worst("famo_overhead", ["famo"], settings, neutral, chosen)


def dgr_part(chosen: argparse.Namespace) -> Iterator[Claim]:
    """`dgr_overhead`."""
    yield from worst("dgr_overhead", ["dgr"], lambda _: {"dgr_weight": 0.1}, {"dgr_weight": 1e-12}, chosen)


def gradient_part(chosen: argparse.Namespace) -> Iterator[Claim]:
    """`gradient_balancing_overhead`."""
    on_adapters = {"peft": "lora", "single": True}
    yield from worst(
        "gradient_balancing_overhead",
        chosen.gradient_methods,
        lambda method: {"gradient_balancing": method, **on_adapters},
        {"gradient_balancing": "mean", "update_norm": "none", **on_adapters},
        chosen,
    )


def torchjd_part(chosen: argparse.Namespace) -> Iterator[Claim]:
    """`gradient_balancing_vs_torchjd_backward` and `gradient_balancing_memory`, of the worse family each."""
    found = [gradient_claims(family, chosen.single, chosen) for family in chosen.family]
    yield min((speed for speed, _ in found), key=lambda claim: claim.value)
    yield max((memory for _, memory in found), key=lambda claim: claim.value)


PARTS = {"loss": loss_part, "dgr": dgr_part, "gradient": gradient_part, "torchjd": torchjd_part}


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The chosen settings, with the shape."""
    default = Shape()
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", metavar="FILE", help="write the claims there")
    made.add_argument("--family", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    made.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--steps", type=int, default=10, help="of each trainer in each round")
    made.add_argument("--loss_methods", nargs="*", choices=LOSS_METHODS, default=list(LOSS_METHODS))
    made.add_argument("--gradient_methods", nargs="*", choices=GRADIENTS, default=list(GRADIENTS))
    for name in Shape.__dataclass_fields__:
        made.add_argument(f"--{name}", type=int, default=getattr(default, name))
    made.add_argument("--gradient_rows", type=int, default=4, help="--rows of the parts gradient and torchjd")
    chosen = made.parse_args(arguments)
    chosen.shape = Shape(**{name: getattr(chosen, name) for name in Shape.__dataclass_fields__})
    chosen.single = replace(chosen.shape, rows=chosen.gradient_rows)
    return chosen


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    chosen = parsed(arguments)
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    rounds = f"{chosen.rounds} rounds of {chosen.steps} steps"
    print(f"# {machine()}\n# {chosen.shape} ({chosen.gradient_rows} rows where they have one task); {rounds}")
    claims = [claim for part in chosen.parts for claim in PARTS[part](chosen)]
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
