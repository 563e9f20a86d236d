"""What a run's folder says of the model in it, read for its card; the folder is untrusted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mtft import languages
from mtft.errors import RunError, TaskError
from mtft.modeling.adapter_files import ADAPTER_CONFIG
from mtft.prompting.tree import shallow
from mtft.reporting import Results, read_results
from mtft.runs.folder import SETTINGS, RunFolder

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
NO_LANGUAGE = "zxx"


@dataclass(frozen=True)
class RunFacts:
    """A run as its own files tell it; what a file does not say is empty.

    Attributes:
        settings: Of `recipe.yaml`.
        mixture: Of `mixture/manifest.json`.
        units: The mixture's cells, from the manifest.
        training: Of `training.json`.
        history: Training's log lines that have a loss.
        pretraining: Of a base that was made from a configuration.
        results: Of `eval/results.json`, or None.
        adapter: Kind of the adapter in the folder, such as `LORA`; empty for a whole model.
        base: What the run calls its base.
        kind: The model's type, as its configuration or the run's settings say.
    """

    settings: Mapping[str, Any]
    mixture: Mapping[str, Any]
    units: list[Mapping[str, Any]]
    training: Mapping[str, Any]
    history: list[Mapping[str, Any]]
    pretraining: Mapping[str, Any]
    results: Results | None
    adapter: str
    base: str
    kind: str

    @property
    def is_built_in(self) -> bool:
        """Whether the run made its base from a configuration."""
        return bool(self.pretraining)

    @property
    def base_id(self) -> str | None:
        """The base's id on the Hub, whose commit the run recorded; None where it came from elsewhere."""
        from_hub = bool(self.training.get("base_commit"))
        return self.base if from_hub and _HUB_ID.fullmatch(self.base) else None

    @property
    def base_name(self) -> str:
        """What to call the base: its id, else its size or its folder's name."""
        return self.base_id or Path(self.base).name or "a model"

    @property
    def family(self) -> str:
        """`mt5`, `bloom`, `seq2seq` or `causal`: as it was scored, else as the run was set or the model says."""
        scored = self.results.models if self.results is not None else ()
        return next((model.family for model in scored if model.family), self.kind)

    @property
    def language_codes(self) -> list[str]:
        """ISO 639 codes of the natural languages trained on, sorted."""
        found = {str(unit.get("language")) for unit in self.units if not is_generated(unit)}
        return sorted({code for name in found if (code := _iso_639(name)) not in (None, NO_LANGUAGE)})

    @property
    def dataset_ids(self) -> list[str]:
        """The Hub's datasets among the sources, sorted."""
        sources = [unit.get("source") for unit in self.units]
        ids = {str(source.get("id") or "") for source in sources if isinstance(source, Mapping)}
        return sorted(name for name in ids if _HUB_ID.fullmatch(name))


def is_generated(unit: Mapping[str, Any]) -> bool:
    """Whether a cell's text is the micro-world's."""
    source = unit.get("source")
    return isinstance(source, Mapping) and source.get("kind") == "synthetic"


def read_facts(path: Path) -> RunFacts:
    """The facts of a run's folder; nothing is loaded.

    Raises:
        RunError: It holds no finished training, or a malformed file.
    """
    folder = RunFolder(path)
    if not folder.training.is_file():
        raise RunError("A model card is written from a run's records.", found="no training.json", where=path)
    manifest, training = _json(folder.manifest), _json(folder.training)
    settings, adapter = _yaml(path / SETTINGS), _json(path / ADAPTER_CONFIG)
    has_results = (folder.eval / "results.json").is_file()
    return RunFacts(
        settings=settings,
        mixture=manifest,
        units=_rows(manifest.get("units")),
        training={name: value for name, value in training.items() if name != "history"},
        history=_rows(training.get("history")),
        pretraining=_json(folder.base / "pretraining.json"),
        results=Results.parse(read_results(folder.eval)) if has_results else None,
        adapter=str(adapter.get("peft_type") or ""),
        base=str(settings.get("model") or ""),
        kind=_kind(path, settings, adapter),
    )


def _iso_639(name: str) -> str | None:
    """The code without its script; None for an unknown language."""
    try:
        return languages.get(name).code.partition("_")[0]
    except TaskError:
        return None


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        return _mapping(json.loads(path.read_text(encoding="utf-8")), path)
    except (ValueError, RecursionError) as error:
        raise RunError("A run's record must be JSON.", found=error, where=path) from error


def _yaml(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        return _mapping(yaml.safe_load(shallow(path.read_text(encoding="utf-8"))) or {}, path)
    except (ValueError, yaml.YAMLError) as error:
        raise RunError("A run's settings must be YAML.", found=error, where=path) from error


def _mapping(content: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise RunError("A run's record must be a mapping.", found=type(content).__name__, where=path)
    return content


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _kind(path: Path, settings: Mapping[str, Any], adapter: Mapping[str, Any]) -> str:
    if adapter.get("task_type"):
        return "seq2seq" if adapter["task_type"] == "SEQ_2_SEQ_LM" else "causal"
    config = _json(path / "config.json")
    return str(config.get("model_type") or settings.get("family") or "")
