"""Intervals, clustered errors, resampling, paired tests and averages over plain arrays."""

from mtft.statistics.averages import (
    MACRO_RULE,
    MICRO_RULE,
    above_chance,
    effective_clusters,
    macro_average,
    micro_average,
)
from mtft.statistics.bootstrap import (
    Statistic,
    median_over_templates,
    percentile_interval,
    ratio,
    replicate_error,
    replicates,
    resampling_weights,
)
from mtft.statistics.consistency import consistency
from mtft.statistics.gradient_noise import GradientNoise, gradient_noise
from mtft.statistics.intervals import (
    FloatArray,
    Interval,
    cluster_sums,
    clustered_interval,
    clustered_standard_error,
    detectable_score,
    effective_trials,
    error_interval,
    normal_quantile,
    student_quantile,
    wilson_interval,
)
from mtft.statistics.mcnemar import Wins, mcnemar_exact, wins
from mtft.statistics.multitask import (
    SeededDifference,
    gainful,
    mean_rank,
    mean_relative_gain,
    relative_gain,
    seeded_difference,
)
from mtft.statistics.paired import PairedDifference, bootstrap_p_value, holm, paired_difference, sign_test
from mtft.statistics.spread import Spread, spread
from mtft.statistics.trajectories import Curve, Gap, generalisation_gap
from mtft.statistics.transfer import difference_interval, ratio_above_chance, transfer_gap

__all__ = [
    "MACRO_RULE",
    "MICRO_RULE",
    "Curve",
    "FloatArray",
    "Gap",
    "GradientNoise",
    "Interval",
    "PairedDifference",
    "SeededDifference",
    "Spread",
    "Statistic",
    "Wins",
    "above_chance",
    "bootstrap_p_value",
    "cluster_sums",
    "clustered_interval",
    "clustered_standard_error",
    "consistency",
    "detectable_score",
    "difference_interval",
    "effective_clusters",
    "effective_trials",
    "error_interval",
    "gainful",
    "generalisation_gap",
    "gradient_noise",
    "holm",
    "macro_average",
    "mcnemar_exact",
    "mean_rank",
    "mean_relative_gain",
    "median_over_templates",
    "micro_average",
    "normal_quantile",
    "paired_difference",
    "percentile_interval",
    "ratio",
    "ratio_above_chance",
    "relative_gain",
    "replicate_error",
    "replicates",
    "resampling_weights",
    "seeded_difference",
    "sign_test",
    "spread",
    "student_quantile",
    "transfer_gap",
    "wilson_interval",
    "wins",
]
