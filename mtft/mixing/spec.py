"""What a mixture is asked to be: its YAML file, read strictly."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtft.errors import MixtureError, nearest
from mtft.mixing.annealing import Annealing
from mtft.mixing.cells import Entry, HeldOut, MixtureCells, divide
from mtft.mixing.leakage import MODES, guarded
from mtft.mixing.limits import LIMIT_KEYS, Limits, over_long
from mtft.mixing.rates import Rates
from mtft.mixing.sampling import SAMPLE_KEYS, Sampling
from mtft.mixing.settings import Section, read_yaml
from mtft.resources import builtin_folder, find_yaml

if TYPE_CHECKING:
    from mtft.prompting import TemplateCollection
    from mtft.tasks import CardIndex, Task

MAX_EXEMPLARS = 64
_KEYS = (
    *("name", "title", "seed", "prompt_languages", "tasks", "held_out", "rates", "limits", "leakage"),
    *("exemplars", "sources"),
)
_ENTRY_KEYS = (*(field.name for field in dataclasses.fields(Entry)), *SAMPLE_KEYS[1:])
_RATE_KEYS = tuple(field.name for field in dataclasses.fields(Rates))
_ANNEAL_KEYS = tuple(field.name for field in dataclasses.fields(Annealing))
_HELD_KEYS = tuple(field.name for field in dataclasses.fields(HeldOut))


@dataclass(frozen=True)
class MixtureSpec:
    """A mixture's file: tasks, what is held out, rates, limits.

    Attributes:
        name: Names the mixture in manifests and reports.
        title: One line on what it is.
        seed: Of random choices in templates, of samples that give none, and by default of the order.
        entries: The listed tasks, in the file's order; what is held out is listed too.
        validation: What selects checkpoints: never trained on, never reported.
        report: What is reported: never trained on, never looked at for selection.
        rates: How the units share the positions.
        limits: How long an example may be.
        leakage: `exclude` leaves out, everywhere, the rows that a dataset took from another of the mixture's;
            `report`, or nothing, only counts them.
        sources: Key of this file, `tasks` or `rates.cap` → where what it says is known from.
        path: The file.
        exemplars: Answered examples of the same task, language and template before each training prompt, as many as
            fit (`mtft.mixing.exemplars`).
    """

    name: str
    title: str
    seed: int
    entries: tuple[Entry, ...]
    validation: HeldOut
    report: HeldOut
    rates: Rates
    limits: Limits
    sources: dict[str, str]
    path: Path
    leakage: str | None = None
    exemplars: int = 0

    @classmethod
    def load(cls, name_or_path: str | Path) -> MixtureSpec:
        """The mixture of that name among the built-in ones, or in that file.

        Raises:
            ConfigError: There is none; the nearest names are given.
            MixtureError: The file is malformed: unknown key, wrong type, a task listed twice, overlapping
                sides, `over` without a bound on repetition.
        """
        path = find_yaml(name_or_path, builtin_folder("recipes") / "mixtures", what="mixture")
        top = Section(read_yaml(path), str(path), _KEYS)
        held = Section(top.raw("held_out"), f"{path}: held_out", ("validation", "report"))
        spec = cls(
            name=top.text("name"),
            title=top.text("title", top.text("name")),
            seed=top.whole("seed", 0, least=0) or 0,
            entries=_entries(top, path),
            validation=_held_out(held, "validation"),
            report=_held_out(held, "report"),
            rates=_rates(top, path),
            limits=Limits.read(Section(top.raw("limits"), f"{path}: limits", LIMIT_KEYS)),
            sources=_sources(top, path),
            path=path,
            leakage=_leakage(top),
            exemplars=_exemplars(top.whole("exemplars", 0, least=0) or 0, str(path)),
        )
        _check_sides(spec)
        _check_over(spec)
        return spec

    def with_templates(self, names: Sequence[str]) -> MixtureSpec:
        """The mixture with other templates for all its tasks; no names leave it as it is."""
        if not names:
            return self
        entries = tuple(dataclasses.replace(entry, templates=tuple(names)) for entry in self.entries)
        return dataclasses.replace(self, entries=entries)

    def with_sample(self, sample: Sampling | None) -> MixtureSpec:
        """The mixture with a sample of every task's items, in place of its own; None leaves it as it is."""
        if sample is None:
            return self
        return dataclasses.replace(
            self, entries=tuple(dataclasses.replace(entry, sample=sample) for entry in self.entries)
        )

    def with_over_long(self, policy: str | None, where: str = "over_long") -> MixtureSpec:
        """The mixture with another policy for over-long examples (`Limits.over_long`); None leaves it as it is.

        Raises:
            MixtureError: There is no such policy; `where` says where it was given.
        """
        if policy is None:
            return self
        limits = dataclasses.replace(self.limits, over_long=over_long(policy, where))
        return dataclasses.replace(self, limits=limits)

    def with_exemplars(self, count: int | None, where: str = "exemplars") -> MixtureSpec:
        """The mixture with so many answered examples before each prompt; None leaves it as it is.

        Raises:
            MixtureError: There are fewer than none or more than `MAX_EXEMPLARS`; `where` says where it was given.
        """
        return self if count is None else dataclasses.replace(self, exemplars=_exemplars(count, where))

    @property
    def fingerprint(self) -> str:
        """Hash of everything in the file that decides rows or order."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """The settings as plain data, without the place they were read from."""
        content = dataclasses.asdict(self)
        del content["path"]
        content["rates"] = self.rates.as_dict()
        if self.leakage is None:
            del content["leakage"]
        if not self.exemplars:
            del content["exemplars"]
        if self.limits.over_long == "drop":  # as before there was a choice
            del content["limits"]["over_long"]
        del content["sources"]  # where the settings are known from decides no row
        return content

    def resolve(self, index: CardIndex, collection: TemplateCollection) -> MixtureCells:
        """The cells (one language of one task each) that the file asks for, divided into its three sides.

        Raises:
            MtftError: A task, language, template or cluster does not exist; the nearest names are given.
        """
        cells = divide(self.entries, self.validation, self.report, index, collection, str(self.path))
        return guarded(cells) if self.leakage == "exclude" else cells

    def validation_cells(self, index: CardIndex, collection: TemplateCollection) -> list[Task]:
        """The cells held out for validation."""
        return list(self.resolve(index, collection).validation)

    def report_cells(self, index: CardIndex, collection: TemplateCollection) -> list[Task]:
        """The cells held out for the report."""
        return list(self.resolve(index, collection).report)


def _entries(top: Section, path: Path) -> tuple[Entry, ...]:
    listed = top.raw("tasks")
    if not isinstance(listed, list) or not listed:
        raise MixtureError("`tasks` must be a list of at least one task.", found=listed, where=path)
    languages = top.texts("prompt_languages")
    entries = tuple(_entry(item, f"{path}: tasks[{i}]", languages) for i, item in enumerate(listed))
    names = [entry.task for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise MixtureError(
                "A task must be listed once.",
                found=f"`{name}` {names.count(name)} times",
                where=path,
                remedy="Give all its languages and templates in one entry.",
            )
    return entries


def _entry(item: Any, where: str, prompt_languages: tuple[str, ...]) -> Entry:
    section = Section({"task": item} if isinstance(item, str) else item, where, _ENTRY_KEYS)
    if "languages" in section and "exclude_languages" in section:
        raise MixtureError("An entry gives `languages` or `exclude_languages`, not both.", where=where)
    return Entry(
        task=section.text("task"),
        languages=section.texts("languages"),
        exclude_languages=section.texts("exclude_languages"),
        templates=section.texts("templates"),
        prompt_languages=section.texts("prompt_languages") or prompt_languages,
        weight=section.number("weight") or 1.0,
        sample=Sampling.read(section),
        max_repetition=section.number("max_repetition"),
    )


def _held_out(held: Section, side: str) -> HeldOut:
    section = Section(held.raw(side), f"{held.where}.{side}", _HELD_KEYS)
    for pair in section.texts("pairs"):
        if not all(pair.rpartition(":")):
            raise MixtureError("A pair must be `task:language`.", found=f"`{pair}`", where=section.where)
    return HeldOut(**{key: section.texts(key) for key in _HELD_KEYS})


def _rates(top: Section, path: Path) -> Rates:
    section = Section(top.raw("rates"), f"{path}: rates", _RATE_KEYS)
    try:
        return Rates(
            kind=section.text("kind", "proportional"),  # type: ignore[arg-type]  # checked by Rates
            unit=section.text("unit", "rows"),  # type: ignore[arg-type]  # likewise
            cap=section.whole("cap"),
            cap_per_template=section.whole("cap_per_template"),
            cap_per_dataset=section.whole("cap_per_dataset"),
            temperature_language=section.number("temperature_language") or 1.0,
            temperature_task=section.number("temperature_task") or 1.0,
            temperature_cluster=section.number("temperature_cluster") or 1.0,
            max_repetition=section.number("max_repetition"),
            unimax_by=section.text("unimax_by", "language"),  # type: ignore[arg-type]  # likewise
            anneal=_annealing(section),
            over=section.whole("over"),
        )
    except MixtureError as error:
        if error.where is not None:
            raise
        raise MixtureError(error.rule, found=error.found, where=section.where, remedy=error.remedy) from error


def _annealing(rates: Section) -> Annealing | None:
    section = Section(rates.raw("anneal"), f"{rates.where}.anneal", _ANNEAL_KEYS)
    return Annealing.read(section) if "anneal" in rates else None


def _exemplars(count: int, where: str) -> int:
    if not 0 <= count <= MAX_EXEMPLARS:
        rule = f"`exemplars` must be 0 to {MAX_EXEMPLARS}."
        raise MixtureError(rule, found=count, where=where)
    return count


def _leakage(top: Section) -> str | None:
    mode = top.text("leakage") if "leakage" in top else None
    if mode is not None and mode not in MODES:
        rule = f"`leakage` must be one of {', '.join(MODES)}."
        raise MixtureError(rule, found=f"`{mode}`", where=top.where, remedy=nearest(mode, MODES))
    return mode


def _sources(top: Section, path: Path) -> dict[str, str]:
    """Each names a key of the file, or one of `rates`, `limits` or `held_out`."""
    known = [key for key in _KEYS if key != "sources"]
    known += [f"rates.{key}" for key in _RATE_KEYS] + [
        f"held_out.{side}" for side in ("validation", "report")
    ]
    section = Section(top.raw("sources"), f"{path}: sources", known)
    return {key: section.text(key) for key in known if key in section}


def _check_over(spec: MixtureSpec) -> None:
    """`over` says how long bounds on repetition hold: there is one."""
    bounds = [spec.rates.max_repetition, *(entry.max_repetition for entry in spec.entries)]
    if spec.rates.over is not None and not any(bounds):
        raise MixtureError(
            "`over` says for how many positions `max_repetition` holds.",
            found=f"over: {spec.rates.over}, and no `max_repetition`",
            where=f"{spec.path}: rates",
        )


def _check_sides(spec: MixtureSpec) -> None:
    """Selection never looks at what is reported: no name stands on both held-out sides."""
    for key in _HELD_KEYS:
        both: Collection[str] = set(getattr(spec.validation, key)) & set(getattr(spec.report, key))
        if both:
            raise MixtureError(
                "What is held out for the report must not be held out for validation too.",
                found=f"{key}: {', '.join(sorted(both))}",
                where=f"{spec.path}: held_out",
            )
