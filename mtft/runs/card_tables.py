"""The tables of a model card on its training and on the data of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mtft.reporting.plain import show, tables_of
from mtft.reporting.tables import Cell, Table, plain_table
from mtft.reporting.wording import words
from mtft.runs.card_facts import RunFacts

LOSS_ROWS = 10
# in the order of the card; what a run did not set is left out
_SETTINGS = (
    *("revision", "peft", "quantization", "max_steps", "num_train_epochs", "global_batch_size"),
    *("per_device_train_batch_size", "gradient_accumulation_steps", "packing", "pack_capacity"),
    *("max_input_tokens", "max_target_tokens", "loss_normalization", "learning_rate", "lr_scheduler_type"),
    *("warmup_steps", "optim", "adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay", "max_grad_norm"),
    *("bf16", "fp16", "seed", "data_seed"),
)
_OF_KIND = {"lora": ("lora_rank", "lora_alpha", "lora_dropout"), "prompt_tuning": ("virtual_tokens",)}
_MIXTURE = ("name", "fingerprint", "seed", "rows", "examples", "mtft")
_SUMMARY = ("base_commit", "step", "examples", "dropped", "train_loss", "train_runtime")
_DATA_COLUMNS = (
    "task",
    "cluster",
    "languages",
    "rows",
    "examples",
    "share",
    "licence",
    "source",
    "revisions",
)


def data_tables(facts: RunFacts) -> list[Table]:
    """The mixture's facts, then a row per task: languages, sizes, share, licence, source and its revisions."""
    known = {name: facts.mixture[name] for name in _MIXTURE if facts.mixture.get(name) not in (None, "")}
    dropped = facts.mixture.get("dropped")
    if isinstance(dropped, Mapping) and dropped:
        known["left out"] = ", ".join(f"{words(reason)} {count}" for reason, count in dropped.items())
    tasks: dict[str, list[Mapping[str, Any]]] = {}
    for unit in facts.units:
        tasks.setdefault(str(unit.get("task")), []).append(unit)
    rows = [_task_row(name, tasks[name]) for name in sorted(tasks)]
    return [*tables_of("mixture", "", known), plain_table("data", "", _DATA_COLUMNS, rows)]


def _task_row(name: str, units: list[Mapping[str, Any]]) -> tuple[Cell, ...]:
    sums = {key: sum(_number(unit.get(key)) for unit in units) for key in ("rows", "examples", "share")}
    return (
        Cell(name),
        Cell(_listed(unit.get("cluster") for unit in units)),
        Cell(_listed(unit.get("language") for unit in units)),
        show(round(sums["rows"])),
        show(round(sums["examples"])),
        Cell(f"{sums['share']:.2%}", sums["share"]),
        Cell(_listed(unit.get("licence") for unit in units)),
        Cell(_listed(_place(unit.get("source")) for unit in units)),
        Cell(_listed(revision for unit in units for revision in _texts(unit.get("sources")))),
    )


def _place(source: Any) -> str:
    """Where data comes from: its Hub id, else its homepage, else what kind it is."""
    if not isinstance(source, Mapping):
        return ""
    return str(source.get("id") or source.get("homepage") or source.get("kind") or "")


def _listed(values: Any) -> str:
    """Distinct texts, the first eight; of long hexadecimal ones the beginning."""
    found = sorted({str(value) for value in values if value not in (None, "")})
    shown = ", ".join(text[:12] if len(text) >= 32 and text.isalnum() else text for text in found[:8])
    return shown + (f" and {len(found) - 8} more" if len(found) > 8 else "")


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def training_tables(facts: RunFacts) -> list[Table]:
    """Settings, what came of them, and the loss from its first log line to its last."""
    names = [*_SETTINGS, *_OF_KIND.get(str(facts.settings.get("peft")), ())]
    if _number(facts.settings.get("max_steps")) > 0:
        names.remove("num_train_epochs")
    chosen = {"base": facts.base_name} | {name: facts.settings.get(name) for name in names}
    chosen = {name: value for name, value in chosen.items() if value not in (None, "", "none", False, [])}
    done = {name: facts.training.get(name) for name in _SUMMARY}
    return [*tables_of("settings", "Settings", chosen), *tables_of("result", "Result", done), _losses(facts)]


def _losses(facts: RunFacts) -> Table:
    """The loss and the tasks' own, at about ten log lines, evenly spread."""
    logged = facts.history
    kept = (
        sorted({round(at * (len(logged) - 1) / max(1, LOSS_ROWS - 1)) for at in range(LOSS_ROWS)})
        if logged
        else []
    )
    rows = [logged[at] for at in kept]
    tasks = sorted({name for row in rows for name in row if name.startswith("task_loss/")})
    columns = ["step", "loss", *(tasks if len(tasks) <= LOSS_ROWS else [])]
    titles = [words(name.removeprefix("task_loss/")) for name in columns]
    cells = [tuple(show(row.get(name)) for name in columns) for row in rows]
    return plain_table("losses", "Loss of the step, and of each task in nats per target token", titles, cells)
