"""A mixture for the record, as plain data: what decided it, what is in it, what was left out."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mtft import __version__
from mtft.mixing.describe import dropped_by_reason
from mtft.mixing.leakage import leakage_record

if TYPE_CHECKING:
    from mtft.mixing.cells import MixtureTask
    from mtft.mixing.index import UnitIndex
    from mtft.mixing.mixture import Mixture
    from mtft.mixing.proportions import Proportion
    from mtft.tasks import Task

FORMAT = 1


def manifest(mixture: Mixture, n_positions: int) -> dict[str, Any]:
    """The manifest; JSON holds it as it is.

    Keys: `format`, `mtft`, `name`, `title`, `fingerprint`, `seed`, `spec` (the file's settings), `rates`
    (those used), `length_unit`, `measure`, `limits`, `rows`, `examples`, `truncated` (of these, with a shortened
    prompt), `dropped` (by reason, over all), `guard`, `leakage` (what datasets have from each other), `units` (one
    per trained cell, with its own counts, drops, source and its revisions, licence and proportions), `held_out`;
    where rates change `phases`, and each unit's `weight` is a list with one for each.
    """
    built, index = mixture.built, mixture.index
    limits = index.limits
    return {
        "format": FORMAT,
        "mtft": __version__,
        "name": built.spec.name,
        "title": built.spec.title,
        "fingerprint": mixture.fingerprint,
        "seed": mixture.seed,
        "spec": built.spec.as_dict(),
        "rates": mixture.rates.as_dict(),
        "length_unit": index.length_unit,
        "measure": index.measure,
        "limits": {
            "max_input_tokens": limits.max_input_tokens,
            "max_target_tokens": limits.max_target_tokens,
            "over_long": built.spec.limits.over_long,
        },
        "rows": len(mixture),
        "examples": sum(unit.examples for unit in index.units),
        "truncated": sum(unit.truncated for unit in index.units),
        "n_positions": n_positions,
        "dropped": dict(dropped_by_reason(mixture)),
        "guard": {"evaluated_cells": len(built.cells.evaluated), "evaluation_groups": len(built.evaluated)},
        "leakage": leakage_record(built.spec.leakage, built.leakage),
        "units": [
            {**_unit(mixture, n, line), "weight": weight}
            for n, (line, weight) in enumerate(
                zip(mixture.proportions(n_positions), mixture.schedule.rates(), strict=True)
            )
        ],
        **_phases(mixture),
        "held_out": {
            "validation": [_cell(task) for task in built.cells.validation],
            "report": [_cell(task) for task in built.cells.report],
        },
    }


def _phases(mixture: Mixture) -> dict[str, Any]:
    if len(mixture.phases) == 1:
        return {}
    told = [{"start": each.start, "stop": each.stop, **each.temperatures} for each in mixture.phases]
    return {"phases": told}


def _cell(task: Task) -> dict[str, Any]:
    return {"task": task.name, "config": task.config, "language": task.language, "cluster": task.cluster}


def _sample(cell: MixtureTask, found: dict[str, Any]) -> dict[str, Any] | None:
    """What was asked for and what was drawn, or None where all rows train."""
    return None if cell.sample is None else {**asdict(cell.sample), **found}


def _exemplars(unit: UnitIndex) -> dict[str, Any]:
    """How many exemplars stand before the kept prompts, and how many that were asked for do not."""
    if unit.exemplars is None:
        return {}
    given = int(unit.exemplars.fitting[unit.records].sum(dtype="int64"))
    return {"exemplars": {"given": given, "left_out": unit.exemplars.count * unit.examples - given}}


def _unit(mixture: Mixture, number: int, line: Proportion) -> dict[str, Any]:
    task, shard = mixture.built.cells.train[number].task, mixture.built.shards[number]
    unit = mixture.index.units[number]
    return {
        **asdict(line),
        "key": task.key,
        "licence": task.card.licence,
        "source": {
            "kind": task.card.source.kind,
            "id": task.card.source.id,
            "homepage": task.card.homepage,
        },
        "templates": [{"id": template.id, "name": template.name} for template in task.templates],
        "sources": sorted({origin.source_revision for origin in shard.summary.origins}),
        "shard": shard.key,
        "sample": _sample(mixture.built.cells.train[number], shard.summary.sample),
        "slices": shard.summary.slices,
        "truncated": unit.truncated,
        **_exemplars(unit),
        "dropped": {**shard.summary.dropped, **unit.dropped},
        "problems": shard.summary.problems,
    }
