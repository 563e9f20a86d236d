"""What of a training model is measured without a suite: losses and gradients on fixed training examples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from mtft.encoding import Collator
from mtft.training.diagnostic_losses import LossTotals, evaluation_mode, measure_losses
from mtft.training.diagnostic_subset import choose_examples
from mtft.training.groups import groups_of

if TYPE_CHECKING:
    from mtft.training.trainer import MultitaskTrainer


class Finding(NamedTuple):
    """One measured number; see `mtft.runs.trajectory_file.Measured`."""

    task: str
    language: str
    quantity: str
    other: str
    value: float
    n: int


class Diagnoser:
    """Measures a trainer's model on the same training examples whenever it is asked.

    Neither weights nor gradients nor any module's mode are changed by it.

    Args:
        trainer: Before or while it trains.

    Attributes:
        tasks: The examples of each task.

    Raises:
        ConfigError: The source does not tell its tasks.
    """

    def __init__(self, trainer: MultitaskTrainer) -> None:
        self.trainer, self.args = trainer, trainer.args
        self.collator = Collator(trainer.encoder)
        self.tasks = choose_examples(
            trainer.mixture,
            trainer.encoder,
            groups_of(trainer.mixture, "task"),
            self.args.diagnostics_examples,
            normalization=self.args.loss_normalization,
            exponent=self.args.target_length_exponent,
        )

    @property
    def batch_size(self) -> int:
        """Examples of one forward pass."""
        return max(1, self.args.diagnostics_examples // self.args.diagnostics_batches)

    def losses(self) -> list[Finding]:
        """`train_loss` of each task, and of its languages where asked; equal in every process."""
        wrapped = self.trainer.model_wrapped
        with self._at_rest(wrapped):
            totals = measure_losses(
                wrapped,
                self.tasks,
                self.collator,
                own_forward=self.trainer.own_forward,
                batch_size=self.batch_size,
                device=self.args.device,
                rank=self.args.process_index,
                processes=self.args.world_size,
            )
        return list(_loss_findings(totals, languages=self.args.diagnostics_languages))

    @contextmanager
    def _at_rest(self, model: Any) -> Iterator[None]:
        """Evaluation mode and the trainer's precision."""
        with evaluation_mode(model), self.trainer.compute_loss_context_manager():
            yield


def _loss_findings(totals: LossTotals, *, languages: bool) -> Iterator[Finding]:
    by_place: dict[tuple[str, str], tuple[float, int, int]] = {}
    for (task, language), (loss, tokens, count) in sorted(totals.items()):
        for place in {(task, ""), (task, language)} if languages else {(task, "")}:
            before = by_place.get(place, (0.0, 0, 0))
            by_place[place] = (before[0] + loss, before[1] + tokens, before[2] + count)
    for (task, language), (loss, tokens, count) in sorted(by_place.items()):
        yield Finding(task, language, "train_loss", "", loss / max(tokens, 1), count)
