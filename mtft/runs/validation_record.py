"""What every validated checkpoint scored: kept in the run's folder, and all that choosing needs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtft.evaluation.selection import RULE
from mtft.runs.folder import write_atomically

VALIDATION_FILE = "validation.json"
_SCHEMA = 1


@dataclass
class ValidationRecord:
    """The scores by step, and what follows from them.

    Attributes:
        fingerprint: Of the suite, its examples and the protocol: scores of others are not comparable.
        patience: Validations without a new best after which training ends; 0 for never.
        scores: Step → `Selection.as_dict` and `seconds`.
    """

    fingerprint: str
    patience: int = 0
    scores: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def best_step(self) -> int | None:
        """The first step with the highest score; None as long as no score is a number."""
        known = [(each["score"], -step) for step, each in self.scores.items() if each["score"] is not None]
        return -max(known)[1] if known else None

    @property
    def best_score(self) -> float:
        """The highest score, or nan."""
        return math.nan if self.best_step is None else float(self.scores[self.best_step]["score"])

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        since = [step for step in self.scores if step > (self.best_step or 0)]
        return bool(self.patience) and len(since) >= self.patience

    def until(self, step: int) -> ValidationRecord:
        """What was known at a step: a run that goes on from there saves the later checkpoints anew."""
        kept = {number: each for number, each in self.scores.items() if number <= step}
        return ValidationRecord(self.fingerprint, self.patience, kept)

    def write(self, folder: Path, **facts: Any) -> None:
        """Keep it in the run's folder with some facts, whole or not at all."""
        content = {
            "schema": _SCHEMA,
            "fingerprint": self.fingerprint,
            "rule": RULE,
            **facts,
            "best_step": self.best_step,
            "scores": {str(step): each for step, each in sorted(self.scores.items())},
        }
        write_atomically(folder / VALIDATION_FILE, json.dumps(content, indent=1))

    @classmethod
    def read(cls, folder: Path, fingerprint: str, patience: int) -> ValidationRecord:
        """The record that the run's folder holds; an empty one where there is none of this fingerprint."""
        try:
            content = json.loads((folder / VALIDATION_FILE).read_text(encoding="utf-8"))
            if content["schema"] == _SCHEMA and content["fingerprint"] == fingerprint:
                scores = {int(step): dict(each) for step, each in content["scores"].items()}
                return cls(fingerprint, patience, scores)
        except FileNotFoundError:
            pass
        except (KeyError, TypeError, ValueError, AttributeError):
            pass  # written by something else: every checkpoint is scored again
        return cls(fingerprint, patience)
