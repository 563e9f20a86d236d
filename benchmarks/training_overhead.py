"""How much of a training step is not forward, backward or optimiser.

    python benchmarks/training_overhead.py --data_root DATA [--json FILE]

Both families train on packs of the real mixture, one pack of the proposed capacity a step, in float32 on the
CPU, with the larger body of `training_peers.py` (width 512, 6 layers, 32,000 words). What is outside is everything
else between the ends of two steps: reading, rendering, tokenising and collating examples in this process, planning
packs, weighing examples, losses by task and language, a log line every 10 steps, and the library's own loop. The
optimiser's part is clipping, its step and setting gradients to nothing. `value` is the larger of both families'
shares of all steps' time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerCallback

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.claims import Claim, tell
from benchmarks.training_contenders import random_model
from benchmarks.training_data import ENCODERS, built_mixture, mixture_for, own_tokenizer, parsed, parser_of
from benchmarks.training_peers import SIZES
from mtft.mixing import BuiltMixture
from mtft.training import MultitaskArguments, MultitaskTrainer

WARMING = 3  # steps that are not counted


class Clock(TrainerCallback):
    """Seconds of each part of all counted steps, and of the steps themselves."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._starts: dict[str, float] = {}

    def begin(self, part: str) -> None:
        """A part begins."""
        self._starts[part] = time.perf_counter()

    def end(self, part: str) -> None:
        """It ends."""
        self.seconds[part] += time.perf_counter() - self._starts[part]

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time counted."""

        def run(*arguments: Any, **named: Any) -> Any:
            self.begin(part)
            result = work(*arguments, **named)
            self.end(part)
            return result

        return run

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The optimiser is there from now on."""
        optimizer = kwargs["optimizer"].optimizer  # within Accelerate's wrapper
        optimizer.register_step_pre_hook(lambda *_: self.begin("optimiser"))
        optimizer.register_step_post_hook(lambda *_: self.end("optimiser"))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """One step ends, the next one begins."""
        if state.global_step > WARMING:
            self.end("step")
        else:
            self.seconds.clear()
        self.begin("step")


def watch(trainer: MultitaskTrainer) -> Clock:
    """A clock in all parts of this trainer's steps."""
    clock, model, accelerator = Clock(), trainer.model, trainer.accelerator
    model.register_forward_pre_hook(lambda module, given: clock.begin("forward"))
    model.register_forward_hook(lambda module, given, output: clock.end("forward"))
    model.zero_grad = clock.timed("optimiser", model.zero_grad)
    accelerator.backward = clock.timed("backward", accelerator.backward)
    accelerator.clip_grad_norm_ = clock.timed("optimiser", accelerator.clip_grad_norm_)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(clock)
    return clock


def seconds_by_part(built: BuiltMixture, family: str, size: str, vocab_size: int, steps: int) -> Counter[str]:
    """Seconds of a mean step, by part; `step` is all of it."""
    tokenizer = own_tokenizer(built, family, vocab_size)
    words, body = SIZES[size]
    arguments = MultitaskArguments(
        output_dir=os.path.join(tempfile.gettempdir(), "mtft-benchmark"),  # nothing is saved
        max_steps=WARMING + steps,
        per_device_train_batch_size=1,
        packing=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = MultitaskTrainer(
        random_model(family, max(words[family], len(tokenizer)), body, tokenizer, own=True),
        arguments,
        mixture_for(built, family, vocab_size),
        ENCODERS[family](tokenizer),
    )
    clock = watch(trainer)
    trainer.train()
    return Counter({part: seconds / steps for part, seconds in clock.seconds.items()})


def overhead_claims(built: BuiltMixture, chosen: argparse.Namespace) -> list[Claim]:
    """`trainer_overhead`, of the family where it is larger."""
    worst = (0.0, 0.0)
    for family in ENCODERS:
        parts = seconds_by_part(built, family, chosen.overhead_size, chosen.vocab_size, chosen.overhead_steps)
        outside = 2 * parts["step"] - parts.total()
        share = 100 * outside / parts["step"]
        told = ", ".join(f"{part} {1000 * seconds:.1f}" for part, seconds in parts.items())
        print(f"# trainer_overhead, {family}: {told}, outside {1000 * outside:.1f} ms a step, {share:.2f} %")
        worst = max(worst, (share, 1000 * outside))
    return [Claim("trainer_overhead", worst[1], None, worst[0], "% of a step (ours: ms)", None)]


def add_flags(made: argparse.ArgumentParser) -> None:
    """What `overhead_claims` reads."""
    made.add_argument("--overhead_size", choices=list(SIZES), default="32k")
    made.add_argument("--overhead_steps", type=int, default=30, help="counted steps")


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    made = parser_of(__doc__)
    add_flags(made)
    chosen = parsed(made, arguments)
    claims = overhead_claims(built_mixture(chosen.mixture, Path(chosen.data_root)), chosen)
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
