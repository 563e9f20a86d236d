"""The benchmark of the likelihood engine runs against the real harness, on rows of the test's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("lm_eval", reason="compares with lm-evaluation-harness")

from benchmarks import evaluation
from benchmarks.evaluation_data import DATASETS, spread

TEXT = "the river is wide and old boats lie by its bank while children watch birds over quiet water"


def written(root: Path) -> Path:
    """Ten rows of each dataset in its format."""
    texts = [" ".join(TEXT.split()[n : n + 4 + n % 5]) for n in range(10)]
    nli = [
        "id\tlanguage\tpremise\thypothesis\tlabel",
        *(f"{n}\tgn\t{t}\t{t[:9]}\tneutral" for n, t in enumerate(texts)),
    ]
    topics = ["index_id\tcategory\ttext", *(f"{n}\ttravel\t{text}" for n, text in enumerate(texts))]
    causes = [
        json.dumps({"premise": f"{t}.", "choice1": t[4:], "choice2": t[:9], "question": "cause", "idx": n})
        for n, t in enumerate(texts)
    ]
    for place, lines in (
        ("americasnli/gn/test.tsv", nli),
        ("sib200/eng_Latn/test.tsv", topics),
        ("xcopa/et/test.jsonl", causes),
    ):
        (root / place).parent.mkdir(parents=True)
        (root / place).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def claims(root: Path, names: Sequence[str], *flags: str) -> list[dict[str, object]]:
    file = root / "claims.json"
    evaluation.main(
        ["--data_root", str(root), "--json", str(file), "--smoke", "--rounds", "1", "--vocab_size", "500",
         "--claims", *names, *flags]
    )  # fmt: skip
    found: list[dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def test_questions_are_the_rows(tmp_path: Path) -> None:
    root = written(tmp_path)
    choices = {name: [len(question.choices) for question in read(root)] for name, read in DATASETS.items()}
    assert choices == {"americasnli": [3] * 10, "sib200": [7] * 10, "xcopa": [2] * 10}
    assert all(
        choice.startswith(" ") for read in DATASETS.values() for q in read(root) for choice in q.choices
    )
    assert [q.prompt for q in spread(DATASETS["xcopa"](root), 2)] == [
        q.prompt for q in DATASETS["xcopa"](root)[::5]
    ]


def test_both_sides_give_the_same_log_likelihoods(tmp_path: Path) -> None:
    names = ["bloom_16k_vs_lm_eval", "mt5_250k_7choices_vs_lm_eval", "mt5_250k_2choices_vs_lm_eval"]
    found = claims(written(tmp_path), names)
    assert [claim["claim"] for claim in found] == names
    assert all(claim["equal"] is True and claim["unit"] == "x" for claim in found)


@pytest.mark.slow
def test_memory_is_measured_in_processes(tmp_path: Path) -> None:
    (claim,) = claims(written(tmp_path), ["bloom_250k_memory"])
    assert claim["equal"] is True
    assert claim["unit"] == "of the peer's"
