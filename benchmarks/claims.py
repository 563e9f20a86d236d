"""What a benchmark found, as rows that tests and tables can read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Claim:
    """One measured statement.

    Attributes:
        claim: Its name.
        ours: What we measured of ours.
        peer: The same of what we compare with; None where there is nothing to compare with.
        value: What the claim is about: the ratio of the two, or ours.
        unit: Of `value`.
        equal: Whether both gave the same results; None where there is nothing to compare.
    """

    claim: str
    ours: float
    peer: float | None
    value: float
    unit: str
    equal: bool | None


def table(claims: Sequence[Claim]) -> str:
    """The claims as lines of text."""
    lines = [("claim", "ours", "peer", "value", "unit", "equal")]
    for row in claims:
        peer = "-" if row.peer is None else f"{row.peer:.4g}"
        equal = "-" if row.equal is None else str(row.equal).lower()
        lines.append((row.claim, f"{row.ours:.4g}", peer, f"{row.value:.4g}", row.unit, equal))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write_claims(path: str | Path, claims: Sequence[Claim]) -> None:
    """A JSON list with one claim a line, renamed into place when it is whole."""
    rows = ",\n".join(json.dumps(asdict(claim)) for claim in claims)
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
    temporary.replace(target)


def tell(claims: Sequence[Claim], file: str | None) -> None:
    """Print the claims, and write them where a file is named."""
    print(table(claims))
    if file:
        write_claims(file, claims)
