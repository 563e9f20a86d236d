"""A WordNet of three words in its own file format, and a BERT of a dozen, for tests."""

from __future__ import annotations

from pathlib import Path

# Two nouns of one meaning, and one verb. Source of the format: wndb(5WN), Princeton University.
_NOTICE = "  1 Words of our own making, in the format of a dictionary.  \n"


def write_wordnet(folder: Path) -> Path:
    """A folder in which `boat` and `vessel` are synonyms."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lexnames").write_text("".join(f"{n:02}\tfile.{n}\t1\n" for n in range(45)), "utf-8")
    offset = len(_NOTICE)
    noun = f"{offset:08} 06 n 02 boat 0 vessel 0 000 | floats on water  \n"
    (folder / "data.noun").write_text(_NOTICE + noun, "utf-8")
    entries = "".join(f"{word} n 1 0 1 0 {offset:08}  \n" for word in ("boat", "vessel"))
    (folder / "index.noun").write_text(_NOTICE + entries, "utf-8")
    verb = f"{offset:08} 30 v 01 sink 0 000 01 + 02 00 | go under  \n"
    (folder / "data.verb").write_text(_NOTICE + verb, "utf-8")
    (folder / "index.verb").write_text(_NOTICE + f"sink v 1 0 1 0 {offset:08}  \n", "utf-8")
    for part in ("adj", "adv"):
        (folder / f"data.{part}").write_text(_NOTICE, "utf-8")
        (folder / f"index.{part}").write_text(_NOTICE, "utf-8")
    for part in ("noun", "verb", "adj", "adv"):
        (folder / f"{part}.exc").write_text("sank sink\n" if part == "verb" else "", "utf-8")
    return folder


VOCABULARY = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "boat",
    "is",
    "old",
    "new",
    "a",
    "vessel",
    "sank",
)


def write_bert(folder: Path) -> Path:
    """A folder with a two-layer encoder over `VOCABULARY`."""
    from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

    set_seed(0)
    BertTokenizerFast(vocab={word: at for at, word in enumerate(VOCABULARY)}).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(folder)
    return folder
