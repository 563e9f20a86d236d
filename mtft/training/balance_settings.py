"""The settings of loss balancing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mtft.errors import ConfigError
from mtft.training.balancing.scalarizers import scalarizers
from mtft.training.groups import GROUPINGS
from mtft.training.guards import check_choice

REDUCTIONS = ("sum", "mean")
_DRAWN = ("random",)
_OF_TORCHJD = ("uw", "imtl_l", "dwa", "random", "famo", "stch")
# each method with the settings that decide what it does
BALANCINGS: dict[str, tuple[str, ...]] = {
    "none": (),
    "sum": (),
    "uw": ("balance_learning_rate", "balance_floor"),
    "imtl_l": ("balance_learning_rate", "balance_floor"),
    "dwa": ("balance_temperature", "balance_window", "balance_floor"),
    "random": (),
    "famo": ("balance_learning_rate", "balance_weight_decay", "balance_floor"),
    "stch": ("balance_mu",),
    "slaw": ("balance_decay",),
    "coba": ("balance_every", "balance_warmup", "balance_history", "balance_tau", "balance_examples"),
    "doremi": ("balance_step_size", "balance_uniform"),
}


@dataclass
class BalanceSettings:
    """What each group's loss is multiplied by; see docs/loss_balancing.md."""

    loss_balancing: str = field(
        default="none",
        metadata={
            "help": "How groups are weighed: `none` (all rows alike), `sum` (each group's own loss once), `uw`, "
            "`imtl_l`, `dwa`, `random`, `famo`, `stch`, `slaw`, `coba` or `doremi`."
        },
    )
    balance_by: str = field(default="task", metadata={"help": "What a group is: task, language or cluster."})
    loss_reduction: str = field(
        default="sum",
        metadata={"help": "Over the groups of a step: `sum` (C = 1), or `mean` (divided by their number)."},
    )
    balance_learning_rate: float = field(
        default=0.025, metadata={"help": "Of Adam on what `uw`, `imtl_l` and `famo` learn."}
    )
    balance_weight_decay: float = field(default=1e-3, metadata={"help": "Of what `famo` learns."})
    balance_floor: float = field(
        default=0.01,
        metadata={
            "help": "Loss below which `uw`, `imtl_l`, `dwa` and `famo` do not look, in the loss's unit."
        },
    )
    balance_temperature: float = field(
        default=2.0, metadata={"help": "Of `dwa`; larger is nearer to uniform."}
    )
    balance_window: int = field(default=100, metadata={"help": "Steps that are an epoch to `dwa`."})
    balance_mu: float = field(
        default=0.1, metadata={"help": "Of `stch`; smaller is nearer to the largest loss alone."}
    )
    balance_decay: float = field(default=0.99, metadata={"help": "Of the running means of `slaw`."})
    balance_every: int = field(default=10, metadata={"help": "Steps between two validations of `coba`."})
    balance_warmup: int = field(default=100, metadata={"help": "Validations before `coba` weighs."})
    balance_history: int = field(
        default=200, metadata={"help": "Validations that `coba` fits its slopes to, at most."}
    )
    balance_tau: float = field(default=5.0, metadata={"help": "Of the divergence factor of `coba`."})
    balance_examples: int = field(
        default=8, metadata={"help": "Validation examples of each task and language for `coba`."}
    )
    balance_step_size: float = field(default=1.0, metadata={"help": "Of `doremi` (eta)."})
    balance_uniform: float = field(
        default=1e-4, metadata={"help": "Uniform share of the weights of `doremi`."}
    )
    balance_reference: str | None = field(
        default=None,
        metadata={
            "help": "Reference losses of `doremi`, nats per target token: a JSON file (group to loss), or the folder "
            "of a reference run."
        },
    )

    @property
    def balance_identity(self) -> dict[str, str]:
        """What a resumed run must share of these; empty where nothing is balanced."""
        if self.loss_balancing == "none":
            return {}
        named = [f"{name}={getattr(self, name):g}" for name in BALANCINGS[self.loss_balancing]]
        if self.loss_balancing in _DRAWN:
            named.append(f"seed={getattr(self, 'seed', 0)}")
        return {"balance": ", ".join([self.loss_balancing, self.balance_by, self.loss_reduction, *named])}

    @property
    def unweighted_steps(self) -> int:
        """Steps at the start in which the method has nothing yet to weigh by, and all weights are 1."""
        steps = {"dwa": 2 * self.balance_window, "coba": self.balance_every * self.balance_warmup}
        return steps.get(self.loss_balancing, 0)

    def check_balance(self, loss_normalization: str) -> None:
        """Refuse values that mean nothing.

        Raises:
            ConfigError: A name is unknown, a number out of range, or the normalisation balances by itself.
            MissingExtraError: The method needs TorchJD.
        """
        check_choice("loss_balancing", self.loss_balancing, tuple(BALANCINGS))
        check_choice("balance_by", self.balance_by, GROUPINGS)
        check_choice("loss_reduction", self.loss_reduction, REDUCTIONS)
        self._check_reference()
        if self.loss_balancing == "none":
            self._refuse_lone_reduction()
            return
        for name, holds, rule in self._rules():
            if not holds:
                raise ConfigError(f"`{name}` must be {rule}.", found=getattr(self, name))
        check_inner_normalization(loss_normalization)
        if self.loss_balancing in _OF_TORCHJD:
            scalarizers()

    def _check_reference(self) -> None:
        if (self.loss_balancing == "doremi") == (self.balance_reference is None):
            raise ConfigError(
                "`balance_reference` comes with `doremi`, and `doremi` with it.",
                found=f"`{self.loss_balancing}` and {self.balance_reference}",
                remedy="Give --balance_reference the folder of a run with --loss_balancing sum.",
            )

    def _refuse_lone_reduction(self) -> None:
        """Without groups there is nothing to divide by; gradient balancing has its own word on it."""
        if self.loss_reduction != "sum" and getattr(self, "gradient_balancing", "none") == "none":
            raise ConfigError(
                "`loss_reduction` is of --loss_balancing.",
                found=f"`{self.loss_reduction}` and `loss_balancing: none`",
                remedy="Give --loss_balancing sum, or leave it out.",
            )

    def _rules(self) -> list[tuple[str, bool, str]]:
        above = ("learning_rate", "floor", "temperature", "mu", "tau", "step_size")
        least = {"window": 1, "every": 1, "warmup": 2, "examples": 1, "weight_decay": 0}
        values = {name: getattr(self, f"balance_{name}") for name in (*above, *least)}
        return [
            *((f"balance_{name}", 0 < values[name] < math.inf, "above 0, and finite") for name in above),
            *(
                (
                    f"balance_{name}",
                    least[name] <= values[name] < math.inf,
                    f"at least {least[name]}, and finite",
                )
                for name in least
            ),
            ("balance_decay", 0 < self.balance_decay < 1, "between 0 and 1"),
            ("balance_uniform", 0 <= self.balance_uniform <= 1, "between 0 and 1"),
            (
                "balance_history",
                self.balance_history >= self.balance_warmup,
                f"at least `balance_warmup`, {self.balance_warmup}",
            ),
        ]


def check_inner_normalization(kind: str) -> None:
    """Refuse a normalisation that balances by itself, where groups are balanced.

    Raises:
        ConfigError: It is `task`.
    """
    if kind == "task":
        raise ConfigError(
            "Balancing needs a normalisation inside the groups: `token`, `target` or `sample`.",
            found="`loss_normalization` task",
            remedy="`task` is --loss_balancing sum --loss_reduction mean --loss_normalization token.",
        )
