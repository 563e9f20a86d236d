"""From settings to a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mtft.training.balancing.coba import CoBa
from mtft.training.balancing.doremi import DoReMi
from mtft.training.balancing.dwa import DynamicWeightAverage
from mtft.training.balancing.famo import Famo
from mtft.training.balancing.fixed import Random, Sum
from mtft.training.balancing.learned import ImtlL, UncertaintyWeighting
from mtft.training.balancing.method import Method
from mtft.training.balancing.reference import reference_losses
from mtft.training.balancing.slaw import Slaw
from mtft.training.balancing.stch import SmoothTchebycheff

if TYPE_CHECKING:
    from mtft.training.balance_settings import BalanceSettings
    from mtft.training.groups import Groups


def method_of(settings: BalanceSettings, groups: Groups, seed: int) -> Method:
    """The method that the settings name.

    Args:
        settings: Checked, and not `none`.
        groups: Of the mixture.
        seed: Of random weights.

    Raises:
        MissingExtraError: The method needs TorchJD.
        ConfigError: A reference loss is missing or is no number.
    """
    s, n = settings, len(groups.names)
    makers: dict[str, Callable[[], Method]] = {
        "sum": lambda: Sum(n),
        "random": lambda: Random(n, seed),
        "uw": lambda: UncertaintyWeighting(n, s.balance_learning_rate, s.balance_floor),
        "imtl_l": lambda: ImtlL(n, s.balance_learning_rate, s.balance_floor),
        "dwa": lambda: DynamicWeightAverage(n, s.balance_temperature, s.balance_window, s.balance_floor),
        "famo": lambda: Famo(n, s.balance_learning_rate, s.balance_weight_decay, s.balance_floor),
        "stch": lambda: SmoothTchebycheff(n, s.balance_mu),
        "slaw": lambda: Slaw(n, s.balance_decay),
        "coba": lambda: CoBa(n, s.balance_warmup, s.balance_history, s.balance_tau),
        "doremi": lambda: DoReMi(
            reference_losses(str(s.balance_reference), groups), s.balance_step_size, s.balance_uniform
        ),
    }
    return makers[s.loss_balancing]()
