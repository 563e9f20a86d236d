"""CoNLL-U files, and the cards that read tagged files where a user has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Example, Problems, Sources

INDEX = CardIndex.load([builtin_folder("prompts")])


def line(number: str, form: str, upos: str) -> str:
    return "\t".join([number, form, form.lower(), upos, "_", "_", "0", "root", "_", "_"])


GOOD = [
    "# sent_id = a-1",
    "# text = Du vin rouge !",
    line("1-2", "Du", "_"),
    line("1", "de", "ADP"),
    line("2", "le", "DET"),
]
GOOD += [line("3", "vin  rouge", "NOUN"), line("3.1", "bu", "VERB"), line("4", "!", "PUNCT"), ""]


def examples(folder: Path, name: str, config: str, side: str) -> tuple[list[Example], Problems]:
    task = next(task for task in INDEX.get(name).tasks() if task.config == config)
    problems = Problems()
    return list(task.examples(side, Sources(data_root=folder), problems)), problems  # type: ignore[arg-type]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_words_of_the_tree_have_tags_and_other_lines_none(tmp_path: Path, end: str) -> None:
    (tmp_path / "ud").mkdir()
    for split in ("train", "dev", "test"):
        text = end.join([*GOOD, *([line("1", "Oui", "INTJ"), ""] if split == "test" else [])])
        (tmp_path / "ud" / f"fr_gsd-ud-{split}.conllu").write_bytes(f"\ufeff{text}".encode())
    found, problems = examples(tmp_path, "ud_pos", "fr_gsd", "test")
    assert problems.as_dict()["total"] == 0
    targets = {example.target for example in found}
    assert "<extra_id_0>ADP <extra_id_1>DET <extra_id_2>NOUN <extra_id_3>PUNCT" in targets
    assert (
        r"<ADP> de </ADP> <DET> le </DET> <NOUN> vin\u{20}\u{20}rouge </NOUN> <PUNCT> ! </PUNCT>" in targets
    )
    assert "[0] INTJ" in targets  # a sentence of one word, without an empty line behind it
    # What stands in train and test alike stays in test.
    assert examples(tmp_path, "ud_pos", "fr_gsd", "train")[0] == []


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("1\tOui\tINTJ", "3 columns"),
        (line("2", "Oui", "INTJ"), "word 2"),
        (line("x", "Oui", "INTJ"), "no number"),
        (line("1", "", "INTJ"), "word 1"),
    ],
)
def test_a_malformed_sentence_is_dropped_and_counted(tmp_path: Path, bad: str, told: str) -> None:
    (tmp_path / "ud").mkdir()
    for split in ("train", "dev", "test"):
        (tmp_path / "ud" / f"fr_gsd-ud-{split}.conllu").write_text(
            "\n".join([bad, "", *GOOD]), encoding="utf-8"
        )
    found, problems = examples(tmp_path, "ud_pos", "fr_gsd", "test")
    assert len({example.row_id for example in found}) == 1
    assert told in str(problems.as_dict())


def test_shared_task_files_are_read_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "conll2000").mkdir()
    chunks = "The DT B-NP\nheron NN I-NP\nwaits VBZ B-VP\n. . O\n\n"
    for name in ("train", "test"):
        (tmp_path / "conll2000" / f"{name}.txt").write_text(chunks + f"{name} NN B-NP\n\n", encoding="utf-8")
    found, problems = examples(tmp_path, "conll2000", "en", "test")
    assert problems.as_dict()["total"] == 0
    assert "<NP> The heron </NP> <VP> waits </VP> ." in {example.target for example in found}

    (tmp_path / "conll2003").mkdir()
    names = "-DOCSTART- -X- O O\n\nMira NNP I-NP I-PER\nToma NNP I-NP B-PER\nin IN I-PP O\nKani NNP I-NP I-LOC\n\n"
    for file in ("eng.train", "eng.testa", "eng.testb"):
        (tmp_path / "conll2003" / file).write_text(names + f"{file} NN I-NP O\n\n", encoding="utf-8")
    found, problems = examples(tmp_path, "conll2003", "en", "test")
    assert problems.as_dict()["total"] == 0
    inline = {example.target for example in found}
    assert "<PER> Mira </PER> <PER> Toma </PER> in <LOC> Kani </LOC>" in inline
    assert "[0] I-PER [1] B-PER [2] O [3] I-LOC" in inline  # as the file has them
