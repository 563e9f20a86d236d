"""Training: short pretraining on raw text, and multitask finetuning on a mixture."""

from mtft.training.pretraining import PretrainArguments, PretrainReport, pretrain

__all__ = ["PretrainArguments", "PretrainReport", "pretrain"]
