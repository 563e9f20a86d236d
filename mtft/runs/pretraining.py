"""Which languages a model's base saw in pretraining, where that is known without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from mtft.modeling.published import published_config
from mtft.runs.folder import SETTINGS
from mtft.runs.models import is_built_in

# A published vocabulary is that of a published pretraining; finetuned and merged models keep it.
_CORPORA = {("bloom", 250_880): "bloom", ("mt5", 250_112): "mc4", ("mt5", 250_100): "mc4"}


def pretrained_languages(model: str | Path) -> tuple[str, ...] | None:
    """Names for `mtft.languages.pretrained_codes`; None where nothing is known.

    A built-in size has none of its own: it is pretrained on the text of its mixture, which a suite may say.

    Args:
        model: A folder, that of a run among them, a Hub id or a built-in size; nothing is fetched.
    """
    if is_built_in(str(model)):
        return ()
    folder = Path(model)
    if (folder / SETTINGS).is_file():
        base = _read(folder / SETTINGS).get("model")
        if isinstance(base, str) and base != str(model):
            return pretrained_languages(base)
    if folder.is_dir():
        config = _read(folder / "config.json")
    else:
        known = published_config(str(model))
        config = known.to_dict() if known is not None else {}
    corpus = _CORPORA.get((str(config.get("model_type")), config.get("vocab_size", 0)))
    return None if corpus is None else (corpus,)


def _read(path: Path) -> dict[str, Any]:
    """The mapping in a file; an empty one where it holds none, which loading the model then tells."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}
