"""Whole runs: rows → mixture → base model → evaluation → finetuning → evaluation → report."""

from mtft.runs.arguments import EvaluateArguments, RunArguments
from mtft.runs.evaluate import evaluate_model
from mtft.runs.launching import readable_errors
from mtft.runs.run import Run
from mtft.runs.settings import read_arguments, read_settings

__all__ = [
    "EvaluateArguments",
    "Run",
    "RunArguments",
    "evaluate_model",
    "read_arguments",
    "read_settings",
    "readable_errors",
]
