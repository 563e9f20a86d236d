"""Mixing: tasks with rates become an endless, reproducible order over rows that were rendered once.

MixtureSpec (YAML) → MixtureCells → build_mixture → BuiltMixture (shards) → MixtureIndex (lengths) → Mixture
"""

from mtft.mixing.annealing import Annealing
from mtft.mixing.build import build_mixture
from mtft.mixing.built import BuiltMixture
from mtft.mixing.cells import Entry, HeldOut, MixtureCells, MixtureTask, languages_of
from mtft.mixing.declared import Declaration, DeclaredTask, declare
from mtft.mixing.describe_declared import describe_declared
from mtft.mixing.division import evaluation_groups, groups_on_two_sides
from mtft.mixing.export import FORMATS as EXPORT_FORMATS
from mtft.mixing.export import export
from mtft.mixing.index import ByteLengths, LengthMeasure, MixtureIndex, TokenBounds, UnitIndex
from mtft.mixing.limits import Limits
from mtft.mixing.mixture import Mixture
from mtft.mixing.overlap import OverlapIndex, OverlapRule
from mtft.mixing.phased_schedule import PhasedSchedule
from mtft.mixing.phases import Phase
from mtft.mixing.proportions import Proportion, summed
from mtft.mixing.rates import Rates, Unit, shares
from mtft.mixing.repetition import beyond_bound
from mtft.mixing.sampling import Sampling
from mtft.mixing.schedule import Schedule
from mtft.mixing.spec import MixtureSpec

__all__ = [
    "EXPORT_FORMATS",
    "Annealing",
    "BuiltMixture",
    "ByteLengths",
    "Declaration",
    "DeclaredTask",
    "Entry",
    "HeldOut",
    "LengthMeasure",
    "Limits",
    "Mixture",
    "MixtureCells",
    "MixtureIndex",
    "MixtureSpec",
    "MixtureTask",
    "OverlapIndex",
    "OverlapRule",
    "Phase",
    "PhasedSchedule",
    "Proportion",
    "Rates",
    "Sampling",
    "Schedule",
    "TokenBounds",
    "Unit",
    "UnitIndex",
    "beyond_bound",
    "build_mixture",
    "declare",
    "describe_declared",
    "evaluation_groups",
    "export",
    "groups_on_two_sides",
    "languages_of",
    "shares",
    "summed",
]
