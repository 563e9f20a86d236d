"""A suite as a folder that lm-evaluation-harness itself runs, offline.

    FOLDER/
      mtft_SUITE.yaml                      the group of all tasks
      tasks/TASK/group.yaml                the group of one task's cells
      tasks/TASK/mtft_SUITE_TASK_….yaml    one cell under one template
      data/TASK/mtft_SUITE_TASK_….jsonl    its rendered prompts, choices, and the place of the right one
      _data                                where the data stands, included by every task
      export.json                          what was written, and what was left out and why

    lm_eval run --model hf --model_args pretrained=MODEL --include_path FOLDER --tasks mtft_SUITE

Accuracies are those of mtft's protocol `lm_eval`, except that of choices that tie for likeliest the harness
takes the first, where ours share the point.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mtft.errors import RunError
from mtft.evaluation.examples import EvalExample
from mtft.evaluation.lm_eval_files import BASE, MANIFEST, clear, slug, write_rows, write_yaml
from mtft.evaluation.lm_eval_tasks import HarnessTask, tasks_of

_LONGEST = 48


@dataclass(frozen=True)
class LeftOut:
    """Examples of a cell under a template that the harness is not given, or not under a metric."""

    task: str
    config: str
    template: str
    reason: str
    count: int


@dataclass(frozen=True)
class LmEvalExport:
    """What was written.

    Attributes:
        folder: Where; the harness's `--include_path`.
        group: Name of the group of all tasks; the harness's `--tasks`.
        tasks: Names of the tasks.
        rows: Rows of all tasks.
        left_out: What was not exported.
        notes: Task → what differs from ours there.
    """

    folder: Path
    group: str
    tasks: tuple[str, ...]
    rows: int
    left_out: tuple[LeftOut, ...]
    notes: dict[str, list[str]]


def export_lm_eval(
    examples: Iterable[EvalExample], folder: Path, suite: str, *, encoder_decoder: bool = False
) -> LmEvalExport:
    """Writes the examples as tasks of lm-evaluation-harness, one per cell and template.

    Args:
        examples: From `Suite.examples`.
        folder: Empty, or with an earlier export, which is replaced.
        suite: The suite's name.
        encoder_decoder: Whether generation tasks are for models with an encoder.

    Raises:
        RunError: The folder holds something else, or nothing of the suite can be exported.
    """
    cells: dict[tuple[str, str, str], list[EvalExample]] = defaultdict(list)
    for example in examples:
        cells[example.cell.task, example.cell.config, example.example.template_id].append(example)
    clear(folder)
    writer = _Writer(folder.resolve(), f"mtft_{slug(suite)}")
    for rows in cells.values():
        for task in tasks_of(rows, encoder_decoder=encoder_decoder):
            writer.add(task)
    return writer.close()


class _Writer:
    def __init__(self, folder: Path, group: str) -> None:
        self.folder, self.group = folder, group
        self.names: dict[str, list[str]] = defaultdict(list)
        self.choices: set[str] = set()
        self.left_out: list[LeftOut] = []
        self.notes: dict[str, list[str]] = {}
        self.rows = 0

    def add(self, task: HarnessTask) -> None:
        """Writes a task, if a row of it is left."""
        first = task.examples[0]
        cell, template = first.cell, first.template
        self.left_out += [
            LeftOut(cell.task, cell.config, template, reason, count)
            for reason, count in task.left_out.items()
        ]
        if not task.rows:
            return
        name = self._name(first, task.kind)
        place = slug(cell.task)
        data = write_rows(self.folder / "data" / place / name, task.rows)
        config = {
            "include": f"../../{BASE}",
            "task": name,
            "task_alias": f"{cell.task} {cell.config} · {template}",
            "dataset_kwargs": {"data_files": {"test": f"{place}/{data.name}"}},
            "test_split": "test",
            **task.config,
            "metadata": {"version": 1.0, **_facts(first)},
        }
        write_yaml(self.folder / "tasks" / place / f"{name}.yaml", config)
        self.names[cell.task].append(name)
        self.choices |= {name} if task.kind == "choices" else set()
        self.notes |= {name: task.notes} if task.notes else {}
        self.rows += len(task.rows)

    def _name(self, first: EvalExample, kind: str) -> str:
        """Unique: a template's name that is long, taken or has no Latin letter is told by a hash as well."""
        cell, template = first.cell, slug(first.template)
        name = "_".join([self.group, slug(cell.task), slug(cell.config), template[:_LONGEST]])
        taken = {each for names in self.names.values() for each in names}
        if name in taken or not template or len(template) > _LONGEST or not slug(cell.config):
            whole = "\n".join([cell.task, cell.config, first.example.template_id, kind])
            name = f"{name.rstrip('_')}_{sha256(whole.encode()).hexdigest()[:8]}"
        return name

    def close(self) -> LmEvalExport:
        """Writes the groups and the list of all that is there and is not."""
        if not self.names:
            raise RunError(
                "A suite must have something that the harness can score.",
                found="; ".join(sorted({each.reason for each in self.left_out})) or "no examples",
            )
        write_yaml(self.folder / BASE, {"dataset_path": str(self.folder / "data")})
        groups = []
        for task, names in self.names.items():
            groups.append(f"{self.group}_{slug(task)}_all")
            write_yaml(self.folder / "tasks" / slug(task) / "group.yaml", self._group(groups[-1], names))
        everything = [name for names in self.names.values() for name in names]
        write_yaml(self.folder / f"{self.group}.yaml", self._group(self.group, everything) | {"task": groups})
        made = LmEvalExport(
            self.folder, self.group, tuple(everything), self.rows, tuple(self.left_out), self.notes
        )
        listed = {
            "group": made.group,
            "harness": "lm_eval>=0.4.13",
            "tasks": list(made.tasks),
            "rows": made.rows,
            "left_out": [vars(each) for each in made.left_out],
            "notes": made.notes,
        }
        text = json.dumps(listed, ensure_ascii=False, indent=1)
        (self.folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        return made

    def _group(self, name: str, tasks: Sequence[str]) -> dict[str, Any]:
        """A group, its accuracy the mean over its tasks, where all of them have one."""
        made: dict[str, Any] = {"group": name, "task": list(tasks)}
        if self.choices.issuperset(tasks):
            mean = {"metric": "acc", "aggregation": "mean", "weight_by_size": False}
            made["aggregate_metric_list"] = [mean]
        return made | {"metadata": {"version": 1.0}}


def _facts(first: EvalExample) -> dict[str, str]:
    """What joins the harness's results with ours."""
    cell, example = first.cell, first.example
    return {
        "mtft_task": cell.task,
        "mtft_config": cell.config,
        "language": cell.language,
        "prompt_language": example.prompt_language,
        "template": first.template,
        "template_id": example.template_id,
        "ranked_by": cell.score_function,
    }
