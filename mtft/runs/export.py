"""A trained model out of its run: merged into one, or as it is, with its tokenizer and its card."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mtft.errors import ConfigError, RunError
from mtft.modeling import LoadedModel, load_model, merge_adapter, save_model
from mtft.modeling.adapter_files import ADAPTER_CONFIG, adapter_record, base_place
from mtft.runs.card_wording import Form
from mtft.runs.folder import RunFolder
from mtft.runs.model_card import CARD, check_licence, write_card

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MIXTURE = "mixture.json"
_WEIGHTS = "adapter_model.safetensors"


def merge_run(run: Path, output: Path, *, dtype: str | None = None, licence: str = "") -> Path:
    """The folder of a plain model: the run's adapter merged into its base, with tokenizer and card.

    Sums are taken in float32, whatever the weights are kept in. An adapter that was trained on quantised weights is
    merged into the whole ones, so that what the model answers differs by the quantisation's error.

    Args:
        run: The run's folder, or any folder with an adapter.
        output: Does not exist yet, or is empty.
        dtype: Of the weights written, one of `DTYPES`; by default the base's.
        licence: See `write_card`.

    Raises:
        RunError: There is no adapter, or something stands in the output folder.
        ModelError: The adapter does not fit, or changes no weights.
        ConfigError: The dtype or the licence cannot be.
    """
    _check(run, output, dtype, licence)
    if not _has_adapter(run):
        raise RunError(
            "A run must hold an adapter to be merged.",
            found="none",
            where=run,
            remedy="A whole model needs no merging: `mtft model export`.",
        )
    loaded = load_model(run)
    kept = loaded.model.get_base_model().dtype
    merged = merge_adapter(loaded.model.float()).to(_dtype(dtype, loaded) or kept)
    with _whole(output) as scratch:
        save_model(merged, loaded.tokenizer, scratch)
        _describe(run, scratch, "merged", licence)
    return output


def export_run(run: Path, output: Path, *, dtype: str | None = None, licence: str = "") -> Path:
    """The folder of the run's model as it was trained, with tokenizer and card and nothing else of the run.

    An adapter stays one; a base that is not on the Hub goes with it, into `base/`.

    Args:
        run: The run's folder, or any model's.
        output: Does not exist yet, or is empty.
        dtype: Of the weights written, one of `DTYPES`; by default unchanged. An adapter's do not change.
        licence: See `write_card`.

    Raises:
        RunError: Something stands in the output folder, or there is no model.
        ModelError: The model cannot be loaded.
        ConfigError: The dtype or the licence cannot be.
    """
    _check(run, output, dtype, licence)
    adapter = _has_adapter(run)
    if adapter and dtype is not None:
        raise ConfigError(
            "An adapter keeps its own dtype.", found=f"`{dtype}`", remedy="Leave it out, or merge."
        )
    loaded = load_model(run)
    with _whole(output) as scratch:
        if adapter:
            _copy_adapter(run, scratch, loaded)
        else:
            chosen = _dtype(dtype, loaded)
            save_model(loaded.model if chosen is None else loaded.model.to(chosen), loaded.tokenizer, scratch)
        _describe(run, scratch, "adapter" if adapter else "model", licence)
    return output


def _has_adapter(run: Path) -> bool:
    return (run / ADAPTER_CONFIG).is_file()


def _copy_adapter(run: Path, scratch: Path, loaded: LoadedModel) -> None:
    """The adapter's own files, its base named as it can be found from there."""
    record = adapter_record(run)
    base = base_place(run, record)
    if isinstance(base, Path):
        own = load_model(base)
        save_model(own.model, own.tokenizer, scratch / "base")
        record["base_model_name_or_path"] = "base"
    shutil.copyfile(run / _WEIGHTS, scratch / _WEIGHTS)
    (scratch / ADAPTER_CONFIG).write_text(json.dumps(record, indent=2), encoding="utf-8")
    loaded.tokenizer.save_pretrained(scratch)


def _describe(run: Path, folder: Path, form: Form, licence: str) -> None:
    """The card, and the mixture's manifest, of a run; of another folder the card that it has, if it still holds."""
    records = RunFolder(run)
    if records.training.is_file():
        write_card(run, folder, form, licence)
    elif (run / CARD).is_file() and form != "merged":
        shutil.copyfile(run / CARD, folder / CARD)
    if records.manifest.is_file():
        shutil.copyfile(records.manifest, folder / MIXTURE)


def _check(run: Path, output: Path, dtype: str | None, licence: str) -> None:
    """Everything that can be wrong before a model is loaded."""
    check_licence(licence)
    if dtype is not None and dtype not in DTYPES:
        raise ConfigError(f"A dtype must be one of {', '.join(DTYPES)}.", found=f"`{dtype}`")
    if not (_has_adapter(run) or (run / "config.json").is_file()):
        raise RunError("There must be a trained model in the folder.", found="none", where=run)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        rule = "The output folder must not exist yet, or be empty."
        raise RunError(rule, found="other files", where=output, remedy="Choose another.")


def _dtype(name: str | None, loaded: LoadedModel) -> torch.dtype | None:
    if name == "float16" and loaded.family == "mt5":
        rule = "mT5 must not be in float16: its activations overflow."
        raise ConfigError(rule, found=f"`{name}`", remedy="Use bfloat16 or float32.")
    return None if name is None else DTYPES[name]


@contextmanager
def _whole(output: Path) -> Iterator[Path]:
    """A folder that becomes `output` when everything is in it, and vanishes when something fails."""
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        scratch.replace(output)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
