"""The human-readable result: an offline HTML page, Markdown, CSV and LaTeX, from `results.json` as plain data."""

from mtft.reporting.inputs import ReportInput, read_run, validation_curve
from mtft.reporting.joining import Joined, RunResults, join_runs, run_names
from mtft.reporting.opening import answer
from mtft.reporting.results import Results, find_results, read_results
from mtft.reporting.sample_choice import SampleFile
from mtft.reporting.tracked import TrackedRun, TrackedValue
from mtft.reporting.trajectories import write_trajectories
from mtft.reporting.write import FORMS, Form, write_forms, write_report

__all__ = [
    "FORMS",
    "Form",
    "Joined",
    "ReportInput",
    "Results",
    "RunResults",
    "SampleFile",
    "TrackedRun",
    "TrackedValue",
    "answer",
    "find_results",
    "join_runs",
    "read_results",
    "read_run",
    "run_names",
    "validation_curve",
    "write_forms",
    "write_report",
    "write_trajectories",
]
