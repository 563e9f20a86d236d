"""All training benchmarks: packing, speed and memory against peers, the trainer's own overhead.

    python benchmarks/training.py --data_root DATA [--json FILE] [--groups packing peers overhead]

Each group is a script of its own, which says what it measures: `training_packing.py`, `training_peers.py`,
`training_overhead.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import training_overhead, training_packing, training_peers
from benchmarks.claims import Claim, tell
from benchmarks.training_data import built_mixture, parsed, parser_of

GROUPS = {
    "packing": training_packing.packing_claims,
    "peers": training_peers.peer_claims,
    "overhead": training_overhead.overhead_claims,
}


def main(arguments: Sequence[str] | None = None) -> list[Claim]:
    made = parser_of(__doc__)
    made.add_argument("--groups", nargs="*", choices=list(GROUPS), default=list(GROUPS))
    for part in (training_packing, training_peers, training_overhead):
        part.add_flags(made)
    chosen = parsed(made, arguments)
    built = built_mixture(chosen.mixture, Path(chosen.data_root))
    claims = [claim for group in chosen.groups for claim in GROUPS[group](built, chosen)]
    tell(claims, chosen.json)
    return claims


if __name__ == "__main__":
    main()
