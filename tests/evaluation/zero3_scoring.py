"""What torchrun starts: two processes with a model's weights divided among them (ZeRO-3) evaluate it.

torchrun --nproc_per_node 2 tests/evaluation/zero3_scoring.py MODELS OUTPUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from deepspeed import ops

from mtft.evaluation import EngineSettings, evaluate
from mtft.evaluation.fingerprints import model_fingerprint
from mtft.runs.placement import Placement, count_parameters
from tests.evaluation.one_task import generated, ranked

PAIRS = [
    ("the river is wide", ("yes", "no maybe", "yes maybe")),
    ("mto", ("both", "neither")),
    ("boat " * 9, ("a", "b")),
]


def examples() -> list:  # type: ignore[type-arg]
    """Three rankings and three generations, of different lengths: the processes' shares would differ."""
    return [*ranked(PAIRS), *generated(["the boat", "mto ni", "no yes maybe"])]


def main() -> None:
    """Leave every process's scores beside OUTPUT."""
    ops.__compatible_ops__["deepspeed_shm_comm"] = False  # built with g++ in a minute; gloo does as well
    torch.set_num_threads(1)
    state = PartialState(cpu=True)
    assert state.num_processes == 2
    found = {}
    for folder in sorted(Path(sys.argv[1]).iterdir()):
        loaded = Placement(partition_weights=True).load(folder)
        assert all(p.numel() < p.ds_numel for p in loaded.model.module.parameters()), "the weights are whole"
        settings = EngineSettings(cache_folder=Path(sys.argv[2]).parent / "outputs", self_check=1)
        samples = evaluate(*loaded, examples(), settings=settings)
        found[folder.name] = {
            "scores": [list(s.loglikelihoods) for s in samples],
            "texts": [s.prediction for s in samples],
            "fingerprint": model_fingerprint(loaded.model),
            "parameters": count_parameters(loaded.model),
        }
    Path(f"{sys.argv[2]}.{state.process_index}").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
