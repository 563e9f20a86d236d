"""The benchmark of the head's memory: both sides agree, and the measuring processes run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks import head_memory
from mtft.modeling import LossOptions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("options", [LossOptions(), LossOptions(0.1, 1e-2)], ids=str)
def test_both_sides_give_the_same_loss_and_gradients(options: LossOptions) -> None:
    found = {
        side: head_memory.measure(side, head_memory.head(40, 500, 16), options)[1]
        for side in head_memory.SIDES
    }
    assert head_memory.agree(found["ours"], found["peer"])
    found["peer"]["weight"][3] += 1e-3
    assert not head_memory.agree(found["ours"], found["peer"])


@pytest.mark.slow
def test_chunks_take_less_memory_than_all_logits(tmp_path: Path) -> None:
    file = tmp_path / "claims.json"
    head_memory.main(["--rows", "1000", "--vocabulary", "250112", "--width", "16", "--json", str(file)])
    (claim,) = json.loads(file.read_text(encoding="utf-8"))
    assert claim["claim"] == "head_memory_1000"
    assert claim["equal"] is True
    assert claim["value"] < 0.4
