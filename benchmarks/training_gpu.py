"""Speed and model FLOP utilisation on a GPU, for the shapes of published models, ours against the library's trainer.

    python benchmarks/training_gpu.py --data_root DATA [--json FILE] [--shapes google/mt5-large] [--batch 64]

Weights are random, in bfloat16, with the library's fused AdamW in bfloat16 as well; activation checkpointing is off
unless `--checkpointing` is given. The library's `Seq2SeqTrainer` or `Trainer` takes dynamically padded batches of
`--batch` rows; ours takes packs of the proposed capacity, as many a step as hold about so many examples. Lengths are
those of the mixture under a tokenizer of its own, ids are drawn from the whole vocabulary. Both are processes of their
own and train in turn, round by round.

Model FLOP utilisation is the operations that the model needs by its definition (`mtft.training.flops`: 6 per weight and
token and 12 x layers x heads x head width x n x m of attention, example by example; the output layer at target
positions only; padding and recomputation are no work), per second, over what the card reaches in a large matrix
product in bfloat16, measured here first. `…_vs_padded` is useful tokens per second, `…_mfu` is in percent, and
`…_memory` as in `training_peers.py`, of the card's. Losses are compared to what bfloat16 allows.

It needs a GPU; `--smoke` runs all of it on a CPU with a shape that says nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PretrainedConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from benchmarks.training_contenders import Job, published_model
from benchmarks.training_data import (
    ENCODERS,
    built_mixture,
    mixture_for,
    own_tokenizer,
    parsed,
    parser_of,
    tokenizer_folder,
)
from benchmarks.training_peers import loss_error, machine, rate, trained
from benchmarks.training_sample import Sample, sampled
from benchmarks.training_worker import Worker
from mtft.encoding import SAMPLE, fillings
from mtft.mixing import BuiltMixture
from mtft.modeling import ModelSize
from mtft.modeling.published import published_config
from mtft.training.flops import matrix_rate, model_cost

SHAPES = ("google/mt5-large", "google/mt5-xl", "bigscience/bloom-560m", "bigscience/bloom-3b")
EQUAL = 2e-2  # of losses in bfloat16


def config_of(shape: str, *, smoke: bool, checkpointing: bool) -> PretrainedConfig:
    """The published shape without dropout; with `smoke`, a tiny one of its family."""
    config = published_config(shape)
    assert config is not None
    tiny = {"n_layer": 2, "hidden_size": 32, "n_head": 2, "vocab_size": 9000}
    if config.model_type == "mt5":
        tiny = {"num_layers": 2, "num_decoder_layers": 2, "d_model": 32, "d_kv": 16, "d_ff": 64}
        tiny |= {"num_heads": 2, "vocab_size": 9000}
    no_dropout = {"dropout_rate": 0.0, "hidden_dropout": 0.0, "attention_dropout": 0.0}
    for name, value in (no_dropout | (tiny if smoke else {})).items():
        if hasattr(config, name):
            setattr(config, name, value)
    config.use_cache = not checkpointing
    return config


def job_for(built: BuiltMixture, shape: str, chosen: argparse.Namespace) -> Job:
    """What both contenders do."""
    config = config_of(shape, smoke=chosen.smoke, checkpointing=chosen.checkpointing)
    family = config.model_type
    mixture, tokenizer = (
        mixture_for(built, family, chosen.vocab_size),
        own_tokenizer(built, family, chosen.vocab_size),
    )
    _, proposed = fillings(mixture, ENCODERS[family].kind, min(SAMPLE, len(mixture)))
    return Job(
        family=family,
        words=config.vocab_size,
        size=ModelSize(width=config.hidden_size, layers=1, heads=1),
        tokenizer=str(tokenizer_folder(built, family, chosen.vocab_size)),
        capacities=proposed.capacities,
        packs=max(1, round(chosen.batch / proposed.examples_per_pack)),
        sample=sampled(mixture, chosen.steps, config.vocab_size, tokenizer, chosen.batch),
        steps=1 + 2 * chosen.rounds * len(mixture),
        config=config,
        checkpointing=chosen.checkpointing,
    )


def operations(job: Job) -> float:
    """What the model needs for the sample, by its definition."""
    assert job.config is not None
    cost = model_cost(published_model(job.family, job.config, own=True, device="meta"))
    return cost.flops(*lengths(job.family, job.sample))


def lengths(family: str, sample: Sample) -> tuple[torch.Tensor, torch.Tensor]:
    """(examples,) tokens of inputs and of targets; a causal model's inputs hold the targets."""
    targets = torch.tensor([len(each.target_ids) for each in sample.examples])
    inputs = torch.tensor([len(each.input_ids) for each in sample.examples])
    return (inputs + targets if family == "bloom" else inputs), targets


def compared(job: Job, name: str, rounds: int, device_rate: float) -> list[Claim]:
    """The claims of one shape."""
    workers = [Worker(each, job) for each in ("ours", "padded")]
    found = trained(workers, rounds)
    peaks = [worker.finish() for worker in workers]
    total, part = loss_error(*workers)
    equal = max(total, part) <= EQUAL
    rates = [rate(turns) for turns in found]
    needed = operations(job)
    used = [100 * needed / statistics.median(each.seconds for each in turns) / device_rate for turns in found]
    print(
        f"# {name}: {len(job.sample.examples)} examples, capacity {list(job.capacities)} x {job.packs}, "
        f"loss off by {total:.1e} (parts by {part:.1e}), peaks {peaks[0]:,.0f} and {peaks[1]:,.0f} MiB"
    )
    return [
        Claim(f"{name}_vs_padded", rates[0], rates[1], rates[0] / rates[1], "x", equal),
        Claim(f"{name}_mfu", used[0], used[1], used[0], "% of the card", equal),
        Claim(f"{name}_memory", peaks[0], peaks[1], peaks[0] / peaks[1], "of the peer's", equal),
    ]


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    made = parser_of(__doc__)
    made.add_argument("--shapes", nargs="*", choices=SHAPES, default=list(SHAPES))
    made.add_argument("--batch", type=int, default=64, help="rows of a padded batch")
    made.add_argument("--steps", type=int, default=12, help="padded batches of a round, at most 50")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--checkpointing", action="store_true", help="activation checkpointing, on both sides")
    made.add_argument("--smoke", action="store_true", help="tiny shapes, on a CPU too")
    chosen = parsed(made, arguments)
    if not (torch.cuda.is_available() or chosen.smoke):
        made.error("there is no GPU here (--smoke tries the script without one)")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device_rate = matrix_rate(device, torch.bfloat16, seconds=0.1 if chosen.smoke else 2.0)
    card = torch.cuda.get_device_name() if device.type == "cuda" else "a CPU"
    print(f"# {machine()}; {card}, {device_rate / 1e12:,.2f} TFLOP/s in a bfloat16 matrix product")
    built = built_mixture(chosen.mixture, Path(chosen.data_root))
    claims = []
    for shape in chosen.shapes:
        name = shape.rpartition("/")[2].replace("-", "_")
        claims += compared(job_for(built, shape, chosen), name, chosen.rounds, device_rate)
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
