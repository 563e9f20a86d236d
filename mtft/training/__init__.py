"""Training: short pretraining on raw text, and multitask finetuning on a mixture."""

from mtft.training.arguments import MultitaskArguments
from mtft.training.checkpoints import STATE_FILES, find_checkpoint, told_differences
from mtft.training.diagnosing import Diagnoser, Finding
from mtft.training.normalization import NORMALIZATIONS
from mtft.training.pretraining import PretrainArguments, PretrainReport, pretrain
from mtft.training.step_data import ExampleSource
from mtft.training.steps import expected_examples
from mtft.training.trainer import MultitaskTrainer

__all__ = [
    "NORMALIZATIONS",
    "STATE_FILES",
    "Diagnoser",
    "ExampleSource",
    "Finding",
    "MultitaskArguments",
    "MultitaskTrainer",
    "PretrainArguments",
    "PretrainReport",
    "expected_examples",
    "find_checkpoint",
    "pretrain",
    "told_differences",
]
