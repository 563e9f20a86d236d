"""The settings of diagnostics: what is measured along a training's way, when, and on what."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtft.errors import ConfigError
from mtft.training.guards import check_choice

LOSS_QUANTITIES = ("train_loss", "dev_metric")
GRADIENT_QUANTITIES = ("conflict", "gradient_norm", "coherence", "fisher_trace", "sharpness")
QUANTITIES = (*LOSS_QUANTITIES, *GRADIENT_QUANTITIES)
CHOSEN_PARAMETERS = ("adapters", "last_block", "all")


@dataclass
class DiagnosticSettings:
    """Whether and how a training is measured; it trains the same with and without."""

    diagnostics: bool = field(
        default=False,
        metadata={
            "help": "Measure every task along the training's way, into trajectory.parquet: training loss, "
            "development metric, conflict, gradient noise, Fisher trace, sharpness (docs/trajectories.md)."
        },
    )
    diagnostics_quantities: list[str] = field(
        default_factory=lambda: list(QUANTITIES),
        metadata={"help": f"What is measured: {', '.join(QUANTITIES)}; `conflict` brings all cosines."},
    )
    diagnostics_every: int = field(
        default=100, metadata={"help": "Steps between two measurements; 0 for the named steps only."}
    )
    diagnostics_steps: list[int] = field(
        default_factory=list,
        metadata={
            "help": "Further steps; default: 0, 1, 2, 4, 8, … below diagnostics_every, where ways part. The last step "
            "is always measured."
        },
    )
    diagnostics_parameters: str = field(
        default="last_block",
        metadata={"help": "Trained weights whose gradients count: adapters, last_block or all."},
    )
    diagnostics_examples: int = field(
        default=64,
        metadata={"help": "Training examples of each task that are measured, the same every time."},
    )
    diagnostics_batches: int = field(
        default=8, metadata={"help": "Batches that they make: cosines are means over them."}
    )
    diagnostics_languages: bool = field(
        default=False, metadata={"help": "Training loss and metric of each language of a task too."}
    )
    diagnostics_suite: str | None = field(
        default=None,
        metadata={
            "help": "Suite of the development metric, on the validation side; default: validation items of the "
            "trained cells."
        },
    )
    diagnostics_items: int = field(
        default=32, metadata={"help": "Items of each task and language in the development metric."}
    )
    diagnostics_generation: bool = field(
        default=False, metadata={"help": "Score tasks without answer choices too, by generating: slow."}
    )
    diagnostics_sharpness_radius: float = field(
        default=1e-3, metadata={"help": "Largest relative change of a weight in the sharpness."}
    )
    diagnostics_sharpness_steps: int = field(
        default=5, metadata={"help": "Ascent steps to the worst change."}
    )

    @property
    def measures_gradients(self) -> bool:
        """Whether anything but losses and metrics is measured."""
        return bool(set(self.diagnostics_quantities) & set(GRADIENT_QUANTITIES))

    def diagnostic_steps(self, last: int) -> list[int]:
        """The steps of a training of `last` steps that are measured, ascending.

        Example: every 10 of 25 steps are 0, 1, 2, 4, 8, 10, 20 and 25.
        """
        every = self.diagnostics_every
        early = self.diagnostics_steps or [0, *(2**n for n in range(64) if 2**n < min(every, last))]
        regular = range(every, last + 1, every) if every else ()
        return sorted({step for step in (*early, *regular, last) if step <= last})

    def check_diagnostics(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            ConfigError: A choice is unknown, a number is out of range or too small for gradient noise, nothing is to
                be measured, or the adapter's weights are asked for without an adapter.
        """
        if not self.diagnostics_quantities:
            raise ConfigError(
                "`diagnostics_quantities` must name what is measured.",
                found="none",
                remedy=f"Give some of {', '.join(QUANTITIES)}, or leave it out for all of them.",
            )
        for name in self.diagnostics_quantities:
            check_choice("diagnostics_quantities", name, QUANTITIES)
        check_choice("diagnostics_parameters", self.diagnostics_parameters, CHOSEN_PARAMETERS)
        for name, least in (
            ("every", 0), ("examples", 1), ("batches", 1), ("items", 1), ("sharpness_steps", 1),
        ):  # fmt: skip
            _check_least(f"diagnostics_{name}", getattr(self, f"diagnostics_{name}"), least)
        for step in self.diagnostics_steps:
            _check_least("diagnostics_steps", step, 0)
        if not self.diagnostics_sharpness_radius > 0:
            raise ConfigError(
                "`diagnostics_sharpness_radius` must be above 0.", found=self.diagnostics_sharpness_radius
            )
        self._check_noise()
        adapter = getattr(self, "peft", "none")
        wanted = self.diagnostics and self.measures_gradients and self.diagnostics_parameters == "adapters"
        if wanted and adapter == "none":
            raise ConfigError(
                "`diagnostics_parameters: adapters` needs an adapter.",
                found="`peft: none`",
                remedy="Give --peft lora, or --diagnostics_parameters last_block.",
            )

    def _check_noise(self) -> None:
        """The noise of gradients is what batches differ by: of one batch it is not a number."""
        batches = min(self.diagnostics_batches, self.diagnostics_examples)
        if self.diagnostics and "coherence" in self.diagnostics_quantities and batches < 2:
            raise ConfigError(
                "`coherence` and its noise scale need two batches of each task.",
                found=f"{self.diagnostics_examples} examples in {self.diagnostics_batches} batches",
                remedy="Raise --diagnostics_batches and --diagnostics_examples to 2 or more, or leave `coherence` out "
                "of --diagnostics_quantities.",
            )


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ConfigError(f"`{name}` must be at least {least}.", found=value)
