"""The settings that all balancing shares."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtft.training.groups import GROUPINGS
from mtft.training.guards import check_choice


@dataclass
class BalanceSettings:
    """What balancing treats as one."""

    balance_by: str = field(
        default="task",
        metadata={"help": "What balancing treats as one: a `task`, a `language` or a task `cluster`."},
    )

    def check_balancing(self) -> None:
        """Refuse a grouping that is none.

        Raises:
            ConfigError: It is unknown.
        """
        check_choice("balance_by", self.balance_by, GROUPINGS)
