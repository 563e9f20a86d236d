"""Whole runs: rows → mixture → base model → evaluation → finetuning → evaluation → report."""

from mtft.runs.arguments import EvaluateArguments, RunArguments
from mtft.runs.data_to_text import DataToTextArguments, data_to_text, read_data_to_text
from mtft.runs.evaluate import evaluate_model
from mtft.runs.launching import readable_errors
from mtft.runs.mtl_compare import CompareArguments, compare_methods, read_comparison
from mtft.runs.run import Run
from mtft.runs.settings import read_arguments, read_recipe, read_settings
from mtft.runs.study import StudyArguments, read_study, study
from mtft.runs.transfer_probe import ProbeArguments, gap_line, read_probe, transfer_probe

__all__ = [
    "CompareArguments",
    "DataToTextArguments",
    "EvaluateArguments",
    "ProbeArguments",
    "Run",
    "RunArguments",
    "StudyArguments",
    "compare_methods",
    "data_to_text",
    "evaluate_model",
    "gap_line",
    "read_arguments",
    "read_comparison",
    "read_data_to_text",
    "read_probe",
    "read_recipe",
    "read_settings",
    "read_study",
    "readable_errors",
    "study",
    "transfer_probe",
]
