"""Trainers that take their steps in turn, in one process, so that ratios of their times are of one moment."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from transformers import PrinterCallback, TrainerCallback

from mtft.training import MultitaskTrainer


def clock() -> float:
    """Seconds: of this process's processors, which other programs do not lengthen; on a GPU of the wall, finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


class Stepper(TrainerCallback):
    """A trainer in a thread of its own that takes steps when it is told, and tells how long they took.

    Everything from one step's end to another's counts: reading, collating, weighing, log lines. Only one stepper
    runs at a time, since turns are waited for.

    Args:
        trainer: Before its first step.
    """

    def __init__(self, trainer: MultitaskTrainer) -> None:
        self.trainer = trainer
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(self)
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._left, self._start, self._seconds = 0, 0.0, 0.0
        self._ending = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def turn(self, steps: int) -> float:
        """Take so many steps; seconds of one."""
        self._left = steps
        self._go.release()
        self._done.acquire()
        if self._error is not None:
            raise self._error
        return self._seconds / steps

    def finish(self) -> None:
        """End training after the steps taken."""
        self._ending = True
        self._go.release()
        self._thread.join()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """At a turn's end: wait for the next."""
        self._left -= 1
        if self._left:
            return
        self._seconds = clock() - self._start
        self._done.release()
        control.should_training_stop = not self._may_go()

    def _may_go(self) -> bool:
        self._go.acquire()
        self._start = clock()
        return not self._ending

    def _work(self) -> None:
        try:
            if self._may_go():
                self.trainer.train()
        except BaseException as error:  # told by `turn`, in the thread that waits
            self._error = error
        finally:
            self._done.release()


@dataclass(frozen=True)
class Compared:
    """Two trainers' steps.

    Attributes:
        ours: Seconds of a step, the median over the rounds.
        plain: Likewise.
        ratio: Median of the rounds' ratios.
        equal: Whether both trained on the same examples.
    """

    ours: float
    plain: float
    ratio: float
    equal: bool


def compare(ours: MultitaskTrainer, plain: MultitaskTrainer, *, rounds: int, steps: int) -> Compared:
    """Let both take `steps` steps in each round, by turns first and second; before that a step that does not count."""
    pair = [Stepper(ours), Stepper(plain)]
    try:
        for each in pair:
            each.turn(1)
        read = [list(each.trainer.mixture.read) for each in pair]  # type: ignore[attr-defined]
        seconds: list[tuple[float, float]] = []
        for number in range(rounds):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            took = {which: pair[which].turn(steps) for which in order}
            seconds.append((took[0], took[1]))
    finally:
        for each in pair:
            each.finish()
    return Compared(
        ours=median(mine for mine, _ in seconds),
        plain=median(theirs for _, theirs in seconds),
        ratio=median(mine / theirs for mine, theirs in seconds),
        equal=sorted(set(read[0])) == sorted(set(read[1])),
    )


def same_after_steps(ours: MultitaskTrainer, plain: MultitaskTrainer) -> float:
    """Train both to their ends; how far apart they are, as a part of how far they came."""
    start, ends = _weights(plain), []
    for trainer in (ours, plain):
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        ends.append(_weights(trainer))
    return float((ends[0] - ends[1]).norm() / (ends[1] - start).norm())


def _weights(trainer: MultitaskTrainer) -> torch.Tensor:
    """(P,) float64, those that train."""
    weights = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    return torch.cat([weight.detach().double().flatten().cpu() for weight in weights])
