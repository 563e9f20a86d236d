"""A contender in a process of its own, which trains round by round as it is told."""

from __future__ import annotations

import math
import os
import time
import traceback
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PrinterCallback, TrainerCallback

from benchmarks.training_contenders import Contender, Job, Losses, build

_DEPARTED = "a contender's process ended early; was it killed for memory?"


@dataclass(frozen=True)
class Ready:
    """A contender before its first step.

    Attributes:
        weights: Sum of all weights, to tell whether they are the same.
        losses: Of the sample, or of its first rows.
        round_steps: Optimiser steps of one round.
    """

    weights: float
    losses: Losses
    round_steps: int


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        seconds: By the clock, from one step's end to another's: reading and collating included.
        tokens: Trained on, padding not counted.
    """

    seconds: float
    tokens: int


class Worker:
    """The parent's side of one contender."""

    def __init__(self, name: str, job: Job) -> None:
        self.name = name
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(name, job, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.ready: Ready = self._receive()

    def round(self) -> Round:
        """Train once on the sample, after a step that does not count; the first time that step only."""
        self._pipe.send("go")
        return self._receive()

    def finish(self) -> float:
        """End the process. Mebibytes that its largest step took above what stood before the first."""
        self._pipe.send("end")
        peak: float = self._receive()
        self._process.join()
        return peak

    def _receive(self) -> Any:
        try:
            found = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"{self.name}: {_DEPARTED}") from None
        if isinstance(found, str):
            raise RuntimeError(f"{self.name}: {found}")
        return found


def _work(name: str, job: Job, pipe: Connection) -> None:
    try:
        os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
        contender = build(name, job)
        with torch.no_grad():
            losses = contender.losses()
            sums = [float(p.sum(dtype=torch.float64)) for p in contender.trainer.model.parameters()]
        pipe.send(Ready(math.fsum(sums), losses, contender.round_steps))
        on_gpu = next(contender.trainer.model.parameters()).is_cuda
        before = _held(on_gpu)
        train_in_rounds(contender, pipe)
        pipe.send(_peak(on_gpu) - before)
    except BaseException:
        pipe.send(traceback.format_exc())
        raise


def train_in_rounds(contender: Contender, pipe: Connection) -> None:
    """Train as the other end of the pipe says: a step at its first `go`, a round at each further one."""
    rounds = _Rounds(contender.round_steps, pipe)
    contender.trainer.remove_callback(PrinterCallback)
    contender.trainer.add_callback(rounds)
    contender.trainer.model.register_forward_pre_hook(rounds.count, with_kwargs=True)
    if rounds.wait():
        contender.trainer.train()


def _held(on_gpu: bool) -> float:
    """Mebibytes held now, of the GPU or of main memory; the peak is from now on."""
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak(on_gpu: bool) -> float:
    return torch.cuda.max_memory_allocated() / 2**20 if on_gpu else _status("VmHWM")


def _status(name: str) -> float:
    """Mebibytes that Linux tells of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


class _Rounds(TrainerCallback):
    """Reports after the first step and after every round, and waits for the next.

    A round begins with one step that is not counted: while others have their rounds, the machine takes away what
    an idle process has in its caches, and some of its memory.
    """

    def __init__(self, steps: int, pipe: Connection) -> None:
        self.steps, self.pipe = steps, pipe
        self.tokens, self.left, self.start = 0, 1, 0.0

    def count(self, module: nn.Module, arguments: Any, batch: dict[str, Any]) -> None:
        """Before each forward: the tokens that it is given."""
        if "segments" in batch:
            self.tokens += int((batch["segments"] > 0).sum())
            self.tokens += int((batch.get("target_segments", torch.zeros(1)) > 0).sum())
        elif "attention_mask" in batch:
            self.tokens += int(batch["attention_mask"].sum())
            if "decoder_input_ids" in batch:
                self.tokens += int((batch["labels"] != -100).sum())
        else:
            self.tokens += batch["input_ids"].numel()

    def wait(self) -> bool:
        """Whether to go on, as soon as it is said; the clock then starts."""
        word = self.pipe.recv()
        self.tokens, self.start = 0, time.perf_counter()
        return bool(word == "go")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Report at a round's end."""
        self.left -= 1
        if self.left not in (0, self.steps):
            return
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if self.left:
            self.tokens, self.start = 0, time.perf_counter()
            return
        self.pipe.send(Round(time.perf_counter() - self.start, self.tokens))
        self.left = self.steps + 1
        if not self.wait():
            control.should_training_stop = True
