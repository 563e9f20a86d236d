"""The model card says what the run's records say, nothing else, and parses as the Hub's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from mtft.errors import ConfigError, RunError
from mtft.runs.model_card import write_card
from tests.reporting.synthetic_results import build_results

HOSTILE = '<script>alert(1)</script> | ![x](http://e/x) `id` "quoted"\n---\nlicense: mit'


def unit(task: str, language: str, **more: Any) -> dict[str, Any]:
    return {
        "task": task,
        "language": language,
        "cluster": "topic",
        "rows": 10,
        "examples": 40,
        "share": 0.25,
        "licence": "CC BY 4.0",
        "source": {"kind": "hub", "id": "owner/news", "homepage": "https://news.example"},
        "sources": ["0123456789abcdef0123456789abcdef01234567"],
        **more,
    }


UNITS = [
    unit("news", "zh_Hant"),
    unit("news", "sw"),
    unit("code", "zxx", source={"kind": "local", "id": None, "homepage": "https://code.example"}),
    unit("mini/topic", "qab", source={"kind": "synthetic", "id": None, "homepage": ""}, licence="Apache-2.0"),
]


def make_run(folder: Path, *, units: Any = UNITS, results: bool = True, **training: Any) -> Path:
    """A run's records as a finished run leaves them, without its model."""
    settings = {"model": "owner/base-1b", "mixture": "/home/me/world.yaml", "learning_rate": 2e-5}
    settings |= {"output_dir": "/home/me/run", "bf16": True, "max_steps": 100, "num_train_epochs": 3.0}
    history = [{"step": n, "loss": 9.0 - n / 10, "task_loss/news": 2.5} for n in range(1, 31)]
    manifest = {"name": "world", "fingerprint": "abc", "rows": 40, "units": units, "dropped": {"too_long": 7}}
    manifest["held_out"] = {"report": [{"task": "news", "language": "et"}]}
    record = {"step": 100, "train_loss": 3.5, "history": history, "base_commit": "c" * 40, **training}
    for name, content in (("mixture/manifest.json", manifest), ("training.json", record)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "recipe.yaml").write_text(yaml.safe_dump(settings))
    (folder / "config.json").write_text('{"model_type": "mt5"}')
    if results:
        (folder / "eval").mkdir()
        (folder / "eval" / "results.json").write_text(json.dumps(build_results()))
    return folder


def card_of(run: Path, **more: Any) -> tuple[str, dict[str, Any]]:
    """The card's text and its front matter as the Hub's library reads it."""
    text = write_card(run, **more).read_text(encoding="utf-8")
    return text, ModelCard(text).data.to_dict()


def test_front_matter_is_what_the_hub_reads(tmp_path: Path) -> None:
    _, data = card_of(make_run(tmp_path), licence="apache-2.0")
    assert data == {
        "library_name": "transformers",
        "language": ["sw", "zh"],
        "license": "apache-2.0",
        "base_model": "owner/base-1b",
        "base_model_relation": "finetune",
        "datasets": ["owner/news"],
        "tags": ["mtft", "multitask", "prompt-finetuning"],
    }


def test_the_card_tells_data_training_and_scores(tmp_path: Path) -> None:
    text, _ = card_of(make_run(tmp_path))
    assert text.count("\n# ") == 1
    assert "# owner/base-1b finetuned on world" in text
    assert (
        "| news | topic | sw, zh\\_Hant | 20 | 80 | 50.00% | CC BY 4.0 | owner/news | 0123456789ab |" in text
    )
    assert "https://code.example" in text
    assert "Held out of training: news in et." in text
    assert "| left out | too long 7 |" in text
    assert "| learning rate | 2e-05 |" in text
    assert "| base commit | cccc" in text
    assert "num train epochs" not in text  # the steps decide
    assert "| 1 | 8.9 | 2.5 |" in text
    assert "| 30 | 6 | 2.5 |" in text
    assert "| xcopa |" in text
    assert "1 of 4 training cells are text of a generated micro-world" in text
    assert "state no licence of the model" in text
    assert "CC BY 4.0" in text
    assert "/home/me" not in text


def test_a_run_without_evaluation_says_so(tmp_path: Path) -> None:
    text, data = card_of(make_run(tmp_path, results=False))
    assert "hold no evaluation" in text
    assert "## Evaluation" not in text
    assert "license" not in data


def test_an_own_base_is_no_hub_id(tmp_path: Path) -> None:
    run = make_run(tmp_path, base_commit=None)
    (run / "base").mkdir()
    (run / "base" / "pretraining.json").write_text('{"tokens": 12345}')
    text, data = card_of(run)
    assert "base_model" not in data
    assert "random weights and was pretrained on 12,345 tokens" in text


def test_hostile_values_stay_text(tmp_path: Path) -> None:
    bad = unit(HOSTILE, HOSTILE, licence=HOSTILE, cluster=HOSTILE, source={"id": HOSTILE}, sources=[HOSTILE])
    run = make_run(tmp_path, units=[bad, "no mapping", {}, unit("news", "en", rows="many", sources=3)])
    settings = yaml.safe_load((run / "recipe.yaml").read_text())
    (run / "recipe.yaml").write_text(yaml.safe_dump({**settings, "model": HOSTILE, "peft": HOSTILE}))
    text, data = card_of(run)
    body = text.split("\n---\n", 1)[1]
    assert "<script>" not in body.replace("\\<script", "")
    assert "![x]" not in body
    assert "\n---\n" not in body
    assert "license" not in data
    assert data["language"] == ["en"]
    assert data["datasets"] == ["owner/news"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("recipe.yaml", "!!python/object/apply:os.system [true]"),
        ("recipe.yaml", "[" * 5000),
        ("training.json", "{"),
        ("mixture/manifest.json", "[1]"),
    ],
)
def test_malformed_records_are_one_error(tmp_path: Path, name: str, content: str) -> None:
    run = make_run(tmp_path)
    (run / name).write_text(content)
    with pytest.raises(RunError, match=Path(name).name):
        write_card(run)


def test_what_cannot_be_described_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="records"):
        write_card(tmp_path)
    with pytest.raises(ConfigError, match="lower case"):
        write_card(make_run(tmp_path), licence="MIT\ndatasets: [x]")
