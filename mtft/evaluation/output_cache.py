"""Model outputs kept on disk as they are made, so that a killed evaluation goes on where it stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TypeVar

# Log-likelihoods of choices, or a generated text; None where the model's logits were no numbers.
Answer = list[float] | str | None
T = TypeVar("T")


class OutputCache:
    """Outputs of one model under one protocol, by request key.

    Every chunk of finished work is one JSON file, `<folder>/<fingerprint>/<process>-<number>.json`, written
    under another name and renamed; all processes' files are read, so the number of processes may change in
    between.

    Args:
        folder: Where; None keeps nothing.
        fingerprint: Of model, tokenizer and protocol together: another model's outputs are never found.
    """

    def __init__(self, folder: Path | None, fingerprint: str) -> None:
        self.folder = folder / fingerprint if folder is not None else None

    def read(self) -> dict[str, Answer]:
        """Every stored output; a file that is not whole is passed over."""
        found: dict[str, Answer] = {}
        if self.folder is None or not self.folder.is_dir():
            return found
        for path in sorted(self.folder.glob("*.json")):
            try:
                found |= json.loads(path.read_text(encoding="utf-8"))
            except (json.JSONDecodeError, UnicodeDecodeError):
                continue
        return found

    def write(self, outputs: dict[str, Answer], *, rank: int) -> None:
        """Stores one chunk."""
        if self.folder is None or not outputs:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self.folder.glob(f"{rank}-*.json")))
        target = self.folder / f"{rank}-{number:05d}.json"
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_text(json.dumps(outputs, ensure_ascii=False), encoding="utf-8")
        temporary.replace(target)
