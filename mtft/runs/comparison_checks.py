"""What a comparison of methods refuses, since its runs would then not be alike in all but the method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields

from mtft.errors import ConfigError
from mtft.runs.arguments import RunArguments
from mtft.runs.settings import option
from mtft.training import MultitaskArguments

Settings = tuple[RunArguments, MultitaskArguments]


def rows_per_step(training: MultitaskArguments) -> int:
    """Rows of an optimiser step over all processes."""
    own: int = training.per_device_train_batch_size * training.gradient_accumulation_steps
    return own * int(training.world_size)


def check_budget(settings: Settings, *, single_tasks: Sequence[str]) -> None:
    """Refuse settings of all runs under which they would not make the same steps, or could not be scored.

    Args:
        settings: Of the runs, without those of a method.
        single_tasks: As in `CompareArguments`.

    Raises:
        ConfigError: There is such a setting.
    """
    run, _ = settings
    check_steps(settings, "a comparison")
    if not run.evaluate:
        raise ConfigError("A comparison compares scores.", found="--evaluate false")
    if run.early_stopping_patience or run.export_checkpoint != "last":
        raise ConfigError(
            "All models of a comparison are those after its last step.",
            found=f"--early_stopping_patience {run.early_stopping_patience}, "
            f"--export_checkpoint {run.export_checkpoint}",
        )
    if run.only_tasks:
        raise ConfigError(
            "A comparison trains on all tasks of its mixture.",
            found=f"--only_tasks {' '.join(run.only_tasks)}",
            remedy="Give a mixture of these tasks; --single_tasks says which are also trained alone.",
        )
    if run.shuffled_labels and list(single_tasks) != ["none"]:
        raise ConfigError(
            "Single-task models learn from true labels.",
            found="--shuffled_labels with single tasks",
            remedy="Give --single_tasks none.",
        )


def check_method(name: str, settings: Settings, shared: Settings) -> None:
    """Refuse a method that changes more than how the model learns from the same steps.

    Args:
        name: The method's.
        settings: With its flags.
        shared: Without them; `check_budget` has seen them.

    Raises:
        ConfigError: It changes data, scoring, steps or the rows of a step.
    """
    check_steps(settings, f"the method `{name}`")
    (run, training), (base_run, base_training) = settings, shared
    changed = [f.name for f in fields(run) if getattr(run, f.name) != getattr(base_run, f.name)]
    changed += [n for n in ("max_steps", "data_seed") if getattr(training, n) != getattr(base_training, n)]
    if rows_per_step(training) != rows_per_step(base_training):
        changed.append(f"{rows_per_step(training)} in place of {rows_per_step(base_training)} rows per step")
    if changed:
        raise ConfigError(
            "A method sees the same rows in the same steps as the others, and is scored alike.",
            found=f"`{name}` changes {', '.join(changed)}",
            remedy="Give such a flag for all runs alike, outside of the method.",
        )


def check_steps(settings: Settings, whose: str) -> None:
    """Refuse what decides a step's rows beside its batch: runs on some tasks could not take their part of them.

    Args:
        settings: Of the runs.
        whose: What they belong to, in words.

    Raises:
        ConfigError: There is such a setting, or no number of steps.
    """
    _, training = settings
    if training.global_batch_size is not None:
        raise ConfigError(
            "The rows of a step are those of its batch, so that runs on some tasks can take their part of them.",
            found=f"--global_batch_size {training.global_batch_size} of {whose}",
            remedy="Give --per_device_train_batch_size and --gradient_accumulation_steps.",
        )
    if training.packing:
        raise ConfigError(
            "The steps are of rows, not of packs, so that runs on some tasks can take their part of them.",
            found=f"--packing of {whose}",
            remedy="Give --packing false.",
        )
    if training.max_steps < 1:
        raise ConfigError(
            "All runs make the same number of steps.",
            found=f"--max_steps {training.max_steps} of {whose}",
            remedy="Give --max_steps in place of --num_train_epochs.",
        )


def refuse_flags(flags: Sequence[str], instead: Mapping[str, str], whose: str) -> None:
    """Refuse flags that every run sets for itself.

    Args:
        flags: As on a command line.
        instead: Name of a flag to what to give in its place.
        whose: What the flags belong to, in words.

    Raises:
        ConfigError: One of them is given.
    """
    for name, remedy in instead.items():
        value, _ = option(flags, name)
        if value is not None:
            raise ConfigError(
                "A flag that each run sets for itself cannot be given.",
                found=f"--{name} {value} of {whose}",
                remedy=remedy,
            )
