"""The model a run begins with: loaded, or made from a configuration and pretrained briefly on raw text."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from transformers import set_seed
from transformers.integrations import deepspeed as library_deepspeed

from mtft.encoding import train_tokenizer
from mtft.modeling import SIZES, LoadedModel, add_tags, build_model, load_model, merge_adapter, save_model
from mtft.runs.arguments import RunArguments
from mtft.runs.folder import RunFolder, once, write_atomically
from mtft.structured.tag_sets import tags_of
from mtft.training import PretrainArguments, pretrain

logger = logging.getLogger(__name__)


def is_built_in(model: str) -> bool:
    """Whether the name is a size of ours, to be made from a configuration; a folder of that name goes first."""
    return model in SIZES and not Path(model).is_dir()


@contextmanager
def whole_weights() -> Iterator[None]:
    """Inside, models are loaded whole.

    Under ZeRO-3 the library partitions what it loads; a model that is built, pretrained or scored here is
    wanted whole in every process.
    """
    reference = library_deepspeed._hf_deepspeed_config_weak_ref
    library_deepspeed._hf_deepspeed_config_weak_ref = None
    try:
        yield
    finally:
        library_deepspeed._hf_deepspeed_config_weak_ref = reference


def load_whole(name_or_path: str | Path, revision: str | None = None, **options: str | None) -> LoadedModel:
    """A model with all its weights in this process, whatever launched it; options are those of `load_model`."""
    with whole_weights():
        return load_model(name_or_path, revision, **options)  # type: ignore[arg-type]


def prepare_base(
    run: RunArguments, folder: RunFolder, texts: Iterable[str], documents: Iterable[str], seed: int
) -> Path | str:
    """Where the model to finetune can be loaded from; a built-in size is made first, by the main process.

    Args:
        run: Which model, and how it is pretrained.
        folder: The run's.
        texts: What a built-in size's tokenizer is trained on.
        documents: What it is pretrained on.
        seed: Of weights and pretraining.

    Raises:
        StructureError: Tags of an unknown style are to be added.
    """
    added = tags_of(*run.add_tags) if run.add_tags else ()
    if not is_built_in(run.model):
        if not added:
            return run.model
        mark = folder.base / "tags.json"
        once(mark.exists, lambda: _tag_base(run, folder.base, mark, added))
        return folder.base
    mark = folder.base / "pretraining.json"
    once(mark.exists, lambda: _make_base(run, folder.base, mark, texts, documents, seed))
    return folder.base


def _tag_base(run: RunArguments, place: Path, mark: Path, added: Sequence[str]) -> None:
    """A copy of the given model whose tokenizer knows the tags."""
    loaded = load_whole(run.model, run.revision)
    model = merge_adapter(loaded.model)
    ids = add_tags(model, loaded.tokenizer, added)
    logger.info("Tokenizer: %d tags added.", len(ids))
    save_model(model, loaded.tokenizer, place)
    write_atomically(
        mark, json.dumps({"model": run.model, "revision": run.revision, "tags": added}, indent=2)
    )


def _make_base(
    run: RunArguments, place: Path, mark: Path, texts: Iterable[str], documents: Iterable[str], seed: int
) -> None:
    tokenizer = train_tokenizer(texts, run.vocab_size, run.family)  # type: ignore[arg-type]  # checked there
    logger.info("Tokenizer: %d entries, trained on the mixture's own text.", len(tokenizer))
    set_seed(seed)
    summary: dict[str, object] = {"steps": 0}
    with whole_weights():
        model = build_model(run.family, run.model, tokenizer, seed)
        if run.pretrain_steps:
            arguments = PretrainArguments(
                max_steps=run.pretrain_steps,
                batch_size=run.pretrain_batch_size,
                row_length=run.pretrain_row_length,
                learning_rate=run.pretrain_learning_rate,
                seed=seed,
            )
            summary = asdict(pretrain(model, tokenizer, documents, arguments))
        if run.add_tags:
            add_tags(model, tokenizer, tags_of(*run.add_tags))
        save_model(model, tokenizer, place)
    write_atomically(mark, json.dumps(summary, indent=2))
