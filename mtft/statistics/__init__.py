"""Intervals, clustered errors, resampling, paired tests and averages over plain arrays."""

from mtft.statistics.averages import MACRO_RULE, above_chance, macro_average
from mtft.statistics.bootstrap import (
    Statistic,
    median_over_templates,
    percentile_interval,
    ratio,
    replicates,
    resampling_weights,
)
from mtft.statistics.intervals import (
    FloatArray,
    Interval,
    cluster_sums,
    clustered_interval,
    clustered_standard_error,
    normal_quantile,
    wilson_interval,
)
from mtft.statistics.paired import PairedDifference, bootstrap_p_value, holm, paired_difference, sign_test

__all__ = [
    "MACRO_RULE",
    "FloatArray",
    "Interval",
    "PairedDifference",
    "Statistic",
    "above_chance",
    "bootstrap_p_value",
    "cluster_sums",
    "clustered_interval",
    "clustered_standard_error",
    "holm",
    "macro_average",
    "median_over_templates",
    "normal_quantile",
    "paired_difference",
    "percentile_interval",
    "ratio",
    "replicates",
    "resampling_weights",
    "sign_test",
    "wilson_interval",
]
