"""The trainers that are compared: ours on packs, the library's on padded rows, and TRL's packing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    AutoTokenizer,
    BloomForCausalLM,
    DataCollatorForSeq2Seq,
    MT5ForConditionalGeneration,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainingArguments,
)

from benchmarks.training_sample import Sample, SampleSource, sample_encoder
from mtft.encoding import Encoded, PackedCollator, pack, sizes_of
from mtft.encoding.packing import members
from mtft.modeling import ModelSize, TargetBloom, TargetMT5, build_model
from mtft.training import MultitaskArguments, MultitaskTrainer

OURS = {"mt5": TargetMT5, "bloom": TargetBloom}
LIBRARY = {"mt5": MT5ForConditionalGeneration, "bloom": BloomForCausalLM}
Losses = list[tuple[list[int], float]]  # numbers of examples, and the sum of their targets' losses in nats


@dataclass(frozen=True)
class Job:
    """What contenders share.

    Attributes:
        family: `mt5` or `bloom`.
        words: Entries of the vocabulary.
        size: Of the body.
        tokenizer: Folder of one whose special ids count.
        capacities: Of a pack, for ours and for TRL.
        packs: Packs of one optimiser step, for ours and for TRL.
        sample: What each round trains on.
        steps: More than any contender takes.
        config: Of the model, its weights in bfloat16 on a GPU; None for `size`, in float32 on the CPU.
        checkpointing: Whether layers are computed again in the backward pass.
    """

    family: str
    words: int
    size: ModelSize
    tokenizer: str
    capacities: tuple[int, ...]
    packs: int
    sample: Sample
    steps: int
    config: PretrainedConfig | None = None
    checkpointing: bool = False


@dataclass(frozen=True)
class Contender:
    """One trainer, before its first step.

    Attributes:
        trainer: Optimiser, clipping and learning rate are the library's defaults in all of them.
        round_steps: Optimiser steps that train on the sample once.
        losses: Computes the sample's losses, or its first rows', without a gradient.
    """

    trainer: Trainer
    round_steps: int
    losses: Callable[[], Losses]


def build(name: str, job: Job) -> Contender:
    """One of `ours`, `padded`, `grouped`, `trl` and `trl_all_positions`."""
    tokenizer = AutoTokenizer.from_pretrained(job.tokenizer)
    if job.config is not None:
        model = published_model(job.family, job.config, own=name == "ours")
    else:
        model = random_model(job.family, job.words, job.size, tokenizer, own=name == "ours")
    if name == "ours":
        return _ours(job, model, tokenizer)
    if name.startswith("trl"):
        return _trl(job, model, tokenizer, all_positions=name == "trl_all_positions")
    return _padded(job, model, tokenizer, getattr(job.sample, name))


def random_model(
    family: str, words: int, size: ModelSize, tokenizer: PreTrainedTokenizerBase, *, own: bool
) -> PreTrainedModel:
    """A model with the same weights each time, in our class or in the library's."""
    config, deviation = build_model(family, size, tokenizer).config, size.width**-0.5
    config.vocab_size = words
    config.initializer_range = deviation  # with BLOOM's own 0.02, attention hardly counts at these widths
    torch.manual_seed(0)
    model = (OURS if own else LIBRARY)[family](config)
    if family == "mt5":
        # the library's weights give logits a deviation of sqrt(width); see `build_model`
        torch.manual_seed(0)
        torch.nn.init.normal_(model.shared.weight, std=deviation)
    return model


def published_model(
    family: str, config: PretrainedConfig, *, own: bool, device: str | None = None
) -> PreTrainedModel:
    """A model of a published shape in bfloat16, the same weights each time; on the GPU where there is one."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")):
            model: PreTrainedModel = (OURS if own else LIBRARY)[family](config)
            if family == "mt5":  # as in `random_model`
                torch.manual_seed(0)
                torch.nn.init.normal_(model.shared.weight, std=config.d_model**-0.5)
            return model
    finally:
        torch.set_default_dtype(before)


def common(job: Job) -> dict[str, Any]:
    """Settings of all trainers; the rest are the library's defaults."""
    return {
        "output_dir": os.path.join(tempfile.gettempdir(), "mtft-benchmark"),  # nothing is saved
        "max_steps": job.steps,
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant",
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "activation_checkpointing": job.checkpointing,
        "use_cpu": job.config is None or not torch.cuda.is_available(),
    }


def _ours(job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Contender:
    encoder = sample_encoder(job.family, tokenizer, job.sample)
    arguments = MultitaskArguments(
        **common(job),
        packing=True,
        pack_capacity=list(job.capacities),
        pack_window=len(job.sample.examples),
        per_device_train_batch_size=job.packs,
        loss_normalization="token",
    )
    trainer = MultitaskTrainer(model, arguments, SampleSource(job.sample), encoder)
    owner = pack(
        sizes_of(encoder.kind, *SampleSource(job.sample).lengths(np.arange(len(job.sample.examples)))),
        job.capacities,
    )
    collator = PackedCollator(encoder, job.capacities)

    def losses() -> Losses:
        found: Losses = []
        for numbers in members(owner):
            batch = collator([[job.sample.examples[number] for number in numbers]])
            row = model(**trainer._prepare_inputs(batch)).row_losses[0].tolist()
            found += [([int(number)], loss) for number, loss in zip(numbers, row, strict=True)]
        return found

    return Contender(trainer, round((owner.max() + 1) / job.packs), losses)


def _features(family: str, example: Encoded) -> dict[str, list[int]]:
    """The example as the library's collator takes it."""
    prompt, target = example.input_ids.tolist(), example.target_ids.tolist()
    if family == "mt5":
        return {"input_ids": prompt, "attention_mask": [1] * len(prompt), "labels": target}
    ids = prompt + target
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": [-100] * len(prompt) + target}


def _padded(
    job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, batches: np.ndarray
) -> Contender:
    seq2seq = job.family == "mt5"
    arguments = (Seq2SeqTrainingArguments if seq2seq else TrainingArguments)(
        **common(job), per_device_train_batch_size=batches.shape[1], train_sampling_strategy="sequential"
    )
    rows = [_features(job.family, job.sample.examples[number]) for number in batches.ravel()]
    collator = DataCollatorForSeq2Seq(tokenizer, model=model if seq2seq else None)
    trainer = (Seq2SeqTrainer if seq2seq else Trainer)(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        data_collator=collator,
        processing_class=tokenizer,
    )

    def losses() -> Losses:
        found: Losses = []
        for number, batch in enumerate(batches[:2].tolist()):
            made = collator(rows[number * len(batch) : (number + 1) * len(batch)])
            tokens = int((made["labels"] != -100).sum())
            found.append((batch, float(model(**trainer._prepare_inputs(made)).loss) * tokens))
        return found

    return Contender(trainer, len(batches), losses)


def _trl(
    job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, all_positions: bool
) -> Contender:
    from trl import SFTConfig, SFTTrainer
    from trl.trainer import utils

    if not all_positions:
        # On GPUs it leaves prompt positions out before the head, on CPUs not; this is the switch.
        if not hasattr(utils, "_use_triton"):
            raise RuntimeError("this TRL's switch for target positions only was not found")
        utils._use_triton = lambda device: True
    rows = [_features(job.family, example) for example in job.sample.examples]
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            **common(job),
            packing=True,
            max_length=job.capacities[0],
            per_device_train_batch_size=job.packs,
            gradient_checkpointing=False,
            bf16=False,
        ),
        train_dataset=Dataset.from_list([{k: row[k] for k in ("input_ids", "labels")} for row in rows]),
        processing_class=tokenizer,
    )
    number_of = {tuple(row["input_ids"]): number for number, row in enumerate(rows)}

    def losses() -> Losses:
        found: Losses = []
        for batch in trainer.get_train_dataloader():
            terms = -model(**batch, fused_lm_head=True).log_probs[0]  # of every token but the first
            for start, stop in _borders(batch["position_ids"][0]):
                ids = tuple(batch["input_ids"][0, start:stop].tolist())
                found.append(([number_of[ids]], float(terms[start : stop - 1].sum())))
        return found

    return Contender(trainer, len(trainer.get_train_dataloader()), losses)


def _borders(positions: torch.Tensor) -> Iterator[tuple[int, int]]:
    """Where each packed example begins and ends."""
    starts = torch.nonzero(positions == 0).flatten().tolist()
    return zip(starts, [*starts[1:], len(positions)], strict=True)
