"""The benchmark of balancing runs at toy size, and its sides agree; its figures need real sizes and a quiet machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import multitask, multitask_gradients
from benchmarks.multitask_source import TASKS, Shape, TaskSource
from mtft.training.gradient_rows import GradientRows

TOY = ["--rounds", "1", "--steps", "1", "--width", "32", "--layers", "1", "--words", "400", "--rows", "2"]
TOY += ["--gradient_rows", "2", "--prompt", "6", "--target", "3"]
SHAPE = Shape(width=32, layers=1, words=400, rows=2, prompt=6, target=3)


def test_micro_batches_hold_one_task_or_all() -> None:
    def tasks(single: bool) -> list[str]:
        return [example.task for example in TaskSource(4, single=single).examples(torch.arange(32).numpy())]

    assert [len(set(tasks(single=True)[n : n + 4])) for n in range(0, 32, 4)] == [1] * 8
    assert sorted(tasks(single=True)) == sorted(tasks(single=False))
    assert len(set(tasks(single=False)[:TASKS])) == TASKS
    assert len(set(TaskSource(4, single=True).groups("task").values())) == TASKS


def test_every_claim_is_made_of_equal_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "claims.json"
    few = ["--family", "bloom", "--loss_methods", "uw", "doremi", "--gradient_methods", "upgrad"]
    multitask.main([*TOY, *few, "--json", str(file)])
    claims = {each["claim"]: each for each in json.loads(file.read_text(encoding="utf-8"))}
    assert set(claims) == {
        *("loss_balancing_overhead", "famo_overhead", "dgr_overhead", "gradient_balancing_overhead"),
        *("gradient_balancing_vs_torchjd_backward", "gradient_balancing_memory"),
    }
    assert all(each["equal"] for each in claims.values()), capsys.readouterr().out
    assert all(each["value"] > 0 for each in claims.values())


def test_mt5_gives_torchjds_weights_one_task_at_a_time() -> None:
    tasks = multitask_gradients.tasks_of("mt5", SHAPE)
    assert multitask_gradients.agree(tasks)
    tasks.losses[0], kept = (lambda: 3 * kept()), tasks.losses[0]
    mine = tasks.ours()
    tasks.losses[0] = kept
    assert not torch.allclose(mine, tasks.ours(), rtol=1e-2)  # other losses, other weights


def test_the_peak_counts_tensors_that_are_held_and_not_those_before() -> None:
    def work() -> None:
        held = torch.empty(100_000)
        for _ in range(5):
            torch.empty(50_000).add_(1)
        del held

    assert 600_000 <= multitask_gradients.peak_bytes(work) <= 610_000
    rows = GradientRows([torch.nn.Parameter(torch.zeros(1000))], TASKS)
    assert rows.matrix.nbytes == GradientRows.bytes_for(rows.parameters, TASKS) == 4 * TASKS * 1000
