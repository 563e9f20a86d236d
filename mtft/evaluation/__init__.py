"""Zero-shot evaluation: suites, scoring engines, scorers, results.

Suite → EvalExample → requests → LikelihoodEngine, Generator → Scorer → Sample → EvaluationResults
"""

from mtft.evaluation.contamination import with_contamination
from mtft.evaluation.controls import bag_of_tokens_control, control_rows, control_samples
from mtft.evaluation.evaluator import evaluate
from mtft.evaluation.examples import EvalCell, EvalExample, Sample
from mtft.evaluation.frame import load_results
from mtft.evaluation.generation import Generator
from mtft.evaluation.likelihood import LikelihoodEngine
from mtft.evaluation.lm_eval_export import LmEvalExport, export_lm_eval
from mtft.evaluation.metrics import METRICS, Metric
from mtft.evaluation.output_cache import load_outputs
from mtft.evaluation.protocols import PROTOCOLS, ProtocolEncoder, ScoringProtocol, find_protocol
from mtft.evaluation.results import EvaluationResults, ModelInfo, cells_of, examples_fingerprint
from mtft.evaluation.runner import EngineSettings
from mtft.evaluation.scorers import SCORERS, Scorer, find_scorer
from mtft.evaluation.suite import Suite
from mtft.evaluation.suite_task import SuiteTask
from mtft.evaluation.trained_on import TrainedOn

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "SCORERS",
    "EngineSettings",
    "EvalCell",
    "EvalExample",
    "EvaluationResults",
    "Generator",
    "LikelihoodEngine",
    "LmEvalExport",
    "Metric",
    "ModelInfo",
    "ProtocolEncoder",
    "Sample",
    "Scorer",
    "ScoringProtocol",
    "Suite",
    "SuiteTask",
    "TrainedOn",
    "bag_of_tokens_control",
    "cells_of",
    "control_rows",
    "control_samples",
    "evaluate",
    "examples_fingerprint",
    "export_lm_eval",
    "find_protocol",
    "find_scorer",
    "load_outputs",
    "load_results",
    "with_contamination",
]
