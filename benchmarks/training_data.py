"""What the training benchmarks train on: a mixture, the lengths of its examples, and a tokenizer of its own."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from mtft.encoding import CausalEncoder, Encoder, Seq2SeqEncoder, train_tokenizer
from mtft.mixing import BuiltMixture, Mixture, MixtureSpec, build_mixture
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder, cache_folder
from mtft.tasks import CardIndex, Sources

ENCODERS: dict[str, type[Encoder]] = {"mt5": Seq2SeqEncoder, "bloom": CausalEncoder}


def built_mixture(name: str, data_root: Path) -> BuiltMixture:
    """The mixture's rows, kept in the user's cache."""
    spec, prompts = MixtureSpec.load(name), builtin_folder("prompts")
    cells = spec.resolve(CardIndex.load([prompts]), TemplateCollection.from_folder(prompts))
    return build_mixture(spec, cells, Sources(data_root=data_root), cache_folder() / "mixtures")


def tokenizer_folder(built: BuiltMixture, family: str, vocab_size: int) -> Path:
    """Where a tokenizer of the mixture's own text lies, trained once and kept in the user's cache."""
    shards = hashlib.sha256("".join(shard.key for shard in built.shards).encode()).hexdigest()[:16]
    folder = cache_folder() / "benchmarks" / f"{family}-{vocab_size}-{shards}"
    if not (folder / "tokenizer.json").is_file():
        train_tokenizer(built.texts(), vocab_size, family, folder)
    return folder


def own_tokenizer(built: BuiltMixture, family: str, vocab_size: int) -> PreTrainedTokenizerBase:
    """A tokenizer of the mixture's own text."""
    return AutoTokenizer.from_pretrained(tokenizer_folder(built, family, vocab_size))


def mixture_for(built: BuiltMixture, family: str, vocab_size: int) -> Mixture:
    """The mixture with the lengths that this family's encoder gives."""
    encoder = ENCODERS[family](own_tokenizer(built, family, vocab_size))
    return Mixture(built, built.index(encoder.measure))


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """The flags that all training benchmarks share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data_root", default=os.environ.get("MTFT_DATA_ROOT"), help="holds the mixture's data"
    )
    parser.add_argument("--json", metavar="FILE", help="write the claims there")
    parser.add_argument("--mixture", default="open_multilingual")
    parser.add_argument("--vocab_size", type=int, default=16_000, help="of the mixture's own tokenizer")
    return parser


def parsed(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The chosen settings; ends the program where there is no data."""
    chosen = parser.parse_args(arguments)
    if chosen.data_root is None:
        parser.error("--data_root, or MTFT_DATA_ROOT, must name the folder that holds the data")
    return chosen
