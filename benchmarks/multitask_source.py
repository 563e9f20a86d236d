"""What the multitask benchmark trains: eight tasks in memory, and models of the library's families for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.training_contenders import random_model
from benchmarks.training_sample import Sample, sample_encoder
from mtft.encoding import Encoded, minimum_vocabulary, train_tokenizer
from mtft.modeling import ModelSize
from mtft.training import MultitaskArguments, MultitaskTrainer

TASKS = 8
ENDLESS = 10**6  # steps, more than any trainer takes
NUMBERED = 512  # different examples


@dataclass(frozen=True)
class Shape:
    """Sizes of models and steps.

    Attributes:
        width: Of the body.
        layers: Likewise; mT5 has as many in encoder and decoder.
        words: Of the vocabulary; at least the tokenizer's.
        rows: Of a micro-batch; a step has one for each task.
        prompt: Tokens of a mean prompt.
        target: Of a mean target.
    """

    width: int = 256
    layers: int = 4
    words: int = 32_000
    rows: int = 16  # CoBa's validation is then as small beside ten steps as in real ones
    prompt: int = 32
    target: int = 8

    def __str__(self) -> str:
        return (
            f"width {self.width}, {self.layers} layers, {self.words:,} words, {TASKS} micro-batches of {self.rows} "
            f"rows, about {self.prompt} + {self.target} tokens each"
        )


class TaskExample(NamedTuple):
    """An example whose text is its number."""

    inputs: str
    target: str
    task: str
    language: str = "en"


class TaskSource:
    """Examples of eight tasks by position, each micro-batch of one task or of all.

    Args:
        rows: Of a micro-batch.
        single: Whether a micro-batch has one task.

    Attributes:
        read: Positions that were asked for.
    """

    def __init__(self, rows: int, *, single: bool) -> None:
        self.fingerprint = f"{TASKS} tasks"
        self.parts: dict[str, Any] = {}
        self.read: list[int] = []
        self._run = rows if single else 1

    def examples(self, positions: npt.NDArray[np.int64]) -> list[TaskExample]:
        """The examples at these positions."""
        found = positions.tolist()
        self.read += found
        return [TaskExample(str(p % NUMBERED), "", f"task {p // self._run % TASKS}") for p in found]

    def groups(self, by: str) -> Mapping[tuple[str, str], str]:
        """(task, language) to the group: each task, or all in one language and one cluster."""
        names = [f"task {number}" for number in range(TASKS)]
        return {(name, "en"): name if by == "task" else "en" for name in names}


class FewTasks(TaskSource):
    """The same with an end, to validate on."""

    def __len__(self) -> int:
        return 8 * TASKS


def sample_of(shape: Shape, words: int, low: int, eos: int) -> Sample:
    """Examples of lengths around the shape's, ids spread over the vocabulary, each with its target's end."""
    draw = np.random.default_rng(0)
    examples = []
    for _ in range(NUMBERED):
        prompt = int(draw.integers(max(shape.prompt // 2, 2), shape.prompt * 3 // 2 + 1))
        target = int(draw.integers(max(shape.target // 2, 2), shape.target * 3 // 2 + 1))
        ids = draw.integers(low, words, prompt + target, dtype=np.int32)
        ids[-1] = eos
        examples.append(Encoded(ids[:prompt], ids[prompt:]))
    none = np.empty((0, 0), dtype=np.int64)
    return Sample(tuple(examples), none, none)


def trainer_of(
    family: str, shape: Shape, *, single: bool = False, own: bool = True, **settings: Any
) -> MultitaskTrainer:
    """A trainer before its first step; the same weights and examples whatever the settings.

    Args:
        family: `mt5` or `bloom`.
        shape: Sizes.
        single: Whether a micro-batch has one task.
        own: Whether the model is of our class or of the library's.
        **settings: Of `MultitaskArguments`.
    """
    tokenizer = train_tokenizer(["a text"], minimum_vocabulary(family), family)  # type: ignore[arg-type]
    words = max(shape.words, len(tokenizer))
    size = ModelSize(width=shape.width, layers=shape.layers, heads=max(shape.width // 32, 1))
    model = random_model(family, words, size, tokenizer, own=own)
    sample = sample_of(shape, words, max(tokenizer.all_special_ids) + 1, int(tokenizer.eos_token_id))
    validation = {"validation": FewTasks(1, single=True)} if settings.get("loss_balancing") == "coba" else {}
    return MultitaskTrainer(
        model,
        arguments_of(shape, **settings),
        TaskSource(shape.rows, single=single),
        sample_encoder(family, tokenizer, sample),
        **validation,
    )


def arguments_of(shape: Shape, **settings: Any) -> MultitaskArguments:
    """Settings of all trainers; the rest are the defaults."""
    common: dict[str, Any] = {
        "output_dir": os.path.join(tempfile.gettempdir(), "mtft-benchmark"),  # nothing is saved
        "max_steps": ENDLESS,
        "per_device_train_batch_size": shape.rows,
        "gradient_accumulation_steps": TASKS,
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
    }
    return MultitaskArguments(**{**common, **settings})
