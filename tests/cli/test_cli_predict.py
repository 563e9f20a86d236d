"""`mtft predict` answers texts and JSON Lines, freely or among choices, with models of both families."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.encoding import train_tokenizer
from mtft.evaluation.protocols import ProtocolEncoder, find_protocol
from mtft.modeling import build_model, load_model, save_model
from tests.evaluation.conftest import make as make_tiny

run = CliRunner()
TEXTS = ["the cat sat on the mat", "is it so? yes or no", "ߒ ߓߘߊ߫ ߛߓߍ ߘߏ߫", "แมวนั่งบนเสื่อ"] * 20


@pytest.fixture(scope="module", params=["mt5", "bloom"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family = request.param
    folder = tmp_path_factory.mktemp(family)
    tokenizer = train_tokenizer(TEXTS, 400, family)
    save_model(build_model(family, "tiny", tokenizer, 0), tokenizer, folder)
    return folder


def predict(model: Path, *arguments: str, stdin: str | None = None) -> list[dict[str, Any]]:
    result = run.invoke(app, ["predict", "--model", str(model), *arguments], input=stdin)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_choices_are_scored_as_the_plain_model_scores_them(model: Path) -> None:
    rows = predict(model, "is it so?", "แมว", "--choices", "yes", "--choices", "no way", "--json")
    loaded = load_model(model)
    protocol = find_protocol(None, loaded.family)
    encoder = ProtocolEncoder(protocol, loaded.tokenizer, encoder_decoder=loaded.family == "mt5")
    for row in rows:
        assert row["choices"] == ["yes", "no way"]
        for choice, score in zip(row["choices"], row["loglikelihoods"], strict=True):
            prompt = encoder.inputs([row["inputs"]])[0]
            target = encoder.choices([row["inputs"]], [choice])[0]
            assert score == pytest.approx(_naive(loaded, prompt, target), abs=1e-3)
        best = max(zip(row["loglikelihoods"], row["choices"], strict=True))
        assert row["prediction"] == best[1]


@torch.inference_mode()
def _naive(loaded: Any, prompt: tuple[int, ...], target: tuple[int, ...]) -> float:
    if loaded.family == "mt5":
        out = loaded.model(input_ids=torch.tensor([prompt]), labels=torch.tensor([target]))
        logits = out.logits[0]
    else:
        logits = loaded.model(input_ids=torch.tensor([prompt + target])).logits[0, len(prompt) - 1 : -1]
    scores = torch.log_softmax(logits.float(), dim=-1)
    return float(scores[torch.arange(len(target)), torch.tensor(target)].sum())


def test_json_lines_keep_their_order_and_own_choices(model: Path, tmp_path: Path) -> None:
    rows = [
        {"inputs": "first", "choices": ["a", "b"]},
        {"inputs": "second"},
        {"inputs": "first", "answer_choices": ["yes", "no", "maybe"]},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("\ufeff" + "\n\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    assert predict(model, "--input", str(path), "--output", str(out), "--max_new_tokens", "5") == []
    made = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["inputs"] for row in made] == ["first", "second", "first"]
    assert made[0]["prediction"] in ("a", "b")
    assert "choices" not in made[1]
    assert len(made[2]["loglikelihoods"]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_texts_from_standard_input_and_as_arguments_agree(model: Path) -> None:
    piped = predict(model, "--input", "-", "--max-new-tokens", "6", stdin="the cat\n\nแมว\n")
    given = predict(model, "the cat", "แมว", "--max-new-tokens", "6", "--json")
    assert piped == given
    assert [row["inputs"] for row in piped] == ["the cat", "แมว"]


def test_a_prompt_too_long_is_said_and_not_cut(model: Path) -> None:
    (row,) = predict(model, "cat " * 3000, "--choices", "a", "--choices", "b", "--json")
    assert row["prediction"] is None
    assert row["unscored_reason"] == "input_too_long"


def test_no_answer_is_made_of_logits_that_are_no_numbers(tmp_path: Path) -> None:
    tiny = make_tiny("bloom")
    with torch.no_grad():
        tiny.model.transformer.ln_f.weight.fill_(math.nan)
    save_model(tiny.model, tiny.tokenizer, tmp_path / "broken")
    ranked = predict(tmp_path / "broken", "a boat", "--choices", "yes", "--choices", "no", "--json")
    free = predict(tmp_path / "broken", "a boat", "--json")
    assert [row["unscored_reason"] for row in (*ranked, *free)] == ["logits_not_finite"] * 2
    assert ranked[0]["prediction"] is ranked[0]["loglikelihoods"] is free[0]["prediction"] is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"inputs": 3}', "inputs"),
        ('{"inputs": "a", "choices": "b"}', "choices"),
        ('{"inputs": "a"}\nplain', "JSON"),
    ],
)
def test_bad_lines_name_file_and_line(model: Path, tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(line)
    out = tmp_path / "out.jsonl"
    result = run.invoke(app, ["predict", "--model", str(model), "--input", str(path), "--output", str(out)])
    assert result.exit_code == 2
    assert f"{path}:" in result.stderr
    assert message in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    result = run.invoke(app, ["predict", "--model", str(tmp_path), "text"])
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
