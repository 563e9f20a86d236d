"""Vectors of prompts, rows divided by item, and probes on them, model beside model."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mtft.cli.main import app
from mtft.errors import ConfigError, SuiteError
from mtft.evaluation import EvalExample, ProtocolEncoder, find_protocol
from mtft.evaluation.backbones import is_encoder_decoder
from mtft.evaluation.probe_rows import divided, probe_rows
from mtft.evaluation.probing import PROBES, ProbeSettings, compared, probe, probe_table
from mtft.evaluation.representations import Representations
from mtft.modeling import save_model
from mtft.runs.probe import ProbeArguments
from tests.evaluation import small_world
from tests.evaluation.conftest import Tiny, make
from tests.evaluation.small_world import SmallWorld

TEXTS = ["the river is wide and the boat is old", "yes", "no maybe", "the boat"]
COUNT = 60


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallWorld:
    """Parallel rows of two languages whose words tell the label."""
    monkeypatch.chdir(tmp_path)
    made = small_world.make(tmp_path)
    for side, start in (("test", 200), ("valid", 900)):
        for language in ("en", "de"):
            made.write(
                f"mood/{language}/{side}",
                [
                    {
                        "id": n,
                        "text": "the old boat false" if n % 3 == 0 else "yes the river true",
                        "kind": "a",
                    }
                    | {"label": int(n % 3 == 0)}
                    for n in range(start, start + COUNT)
                ],
            )
    return made


def vectors_of(tiny: Tiny, **more: Any) -> Representations:
    protocol = find_protocol("trained", tiny.family)
    encoder = ProtocolEncoder(protocol, tiny.tokenizer, encoder_decoder=is_encoder_decoder(tiny.model))
    return Representations(tiny.model, encoder, **more)


def examples(world: SmallWorld) -> list[EvalExample]:
    return world.examples(world.suite("tasks: [mood, say]"))


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_vectors_are_those_of_the_library(tiny: Tiny, pooling: str) -> None:
    """Each prompt alone through the library's forward; batches of any size, and a text twice."""
    representations = vectors_of(tiny, pooling=pooling, batch_tokens=24)
    found, read = representations.of([*TEXTS, TEXTS[0]])
    assert read.all()
    for text, vector in zip([*TEXTS, TEXTS[0]], found, strict=True):
        (ids,) = representations.encoder.inputs([text])
        with torch.no_grad():
            body = tiny.model.get_encoder() if tiny.family == "mt5" else tiny.model.transformer
            states = body(input_ids=torch.tensor([ids])).last_hidden_state[0]
        expected = states.mean(dim=0) if pooling == "mean" else states[-1]
        np.testing.assert_allclose(vector, expected.numpy(), rtol=1e-3, atol=1e-4)
    assert vectors_of(tiny).pooling == ("mean" if tiny.family == "mt5" else "last")


def test_prompts_that_cannot_be_read_have_no_vector(tiny: Tiny) -> None:
    found, read = vectors_of(tiny, max_input_tokens=7).of([*TEXTS[:3], ""])
    assert read.tolist()[:3] == [False, True, True]
    assert not found[~read].any()
    with pytest.raises(ConfigError, match="pooling"):
        vectors_of(tiny, pooling="first")


def test_no_item_stands_on_two_sides(world: SmallWorld) -> None:
    rows, left_out = probe_rows(examples(world))
    assert dict(left_out) == {("say", "no answer choices"): 8}
    made, unfitted = divided(rows, ["de"], 0.5)
    assert not unfitted
    assert {part.test[0].template for part in made} == {"ask", "tell"}
    for part in made:
        fit, test = ({row.item_group for row in side} for side in (part.fit, part.test))
        assert fit
        assert not fit & test
        assert {row.language for row in part.fit} == {"de"}
        assert {row.language for row in part.test} == {"en", "de"}
        assert len(fit | test) == COUNT
    assert divided(rows, ["fr"], 0.5)[0][0].fitted_on == ("de",)  # as many rows as `en`
    other, _ = probe_rows(world.examples(world.suite("tasks: [mood]\nside: validation")))
    whole, _ = divided(rows, ["en"], 0.5, other)
    assert len(whole[0].test) == 2 * COUNT
    assert len(whole[0].fit) == COUNT
    with pytest.raises(SuiteError, match="at least two classes"):
        divided([row for row in rows if row.label == 0], ["en"], 0.5)


def test_probes_find_what_the_words_tell(tiny: Tiny, world: SmallWorld) -> None:
    rows, _ = probe_rows(examples(world))
    parts, _ = divided(rows, ["en"], 0.5)
    answers = probe(vectors_of(tiny), parts, ProbeSettings(neighbours=3))
    table = probe_table({"one": answers}, parts)
    assert [(row["task"], row["language"]) for row in table[:3]] == [("mood", "de"), ("mood", "en"), ("", "")]
    best = {row["probe"]: row["accuracy"] for row in table if not row["task"]}
    assert best["linear"] == best["nearest"] == 1.0
    assert 0.5 < best["majority"] < 0.9
    assert all(row["low"] <= row["accuracy"] <= row["high"] for row in table)
    (both, *_) = compared({"one": answers, "two": answers}, parts, "one")
    assert both["difference"] == 0
    assert both["low"] < 0 < both["high"]
    worse = {key: right and key[1][2] == "en" for key, right in answers.items()}
    found = {(r["probe"], r["language"]): r for r in compared({"one": answers, "two": worse}, parts, "one")}
    assert found["linear", "de"]["difference"] == -1
    assert found["linear", "de"]["p_adjusted"] < 0.01
    assert found["linear", "en"]["difference"] == 0
    fewer = {key: right for key, right in answers.items() if key[1][2] == "en"}
    assert {r["language"] for r in compared({"one": answers, "two": fewer}, parts, "one")} == {"en", ""}


def test_the_command_probes_models_side_by_side(world: SmallWorld) -> None:
    for name, seed in (("plain", 3), ("dgr", 4)):
        tiny = make("bloom", seed)
        save_model(tiny.model, tiny.tokenizer, world.root / name)
    command = ["probe", str(world.root / "plain"), str(world.root / "dgr"), "--tasks", "mood"]
    shared = ["--data_root", str(world.root), "--prompts", str(world.root / "prompts")]
    done = CliRunner().invoke(app, [*command, *shared, "--fit_languages", "de", "--output_dir", "out"])
    assert done.exit_code == 0, done.output
    assert "Difference to plain" in done.stdout
    made = json.loads(Path("out/probe.json").read_text(encoding="utf-8"))
    assert len(made["cells"]) == 2 * len(PROBES) * 3
    first = made["comparison"][0]
    assert f"{first['low']:+.3f} to {first['high']:+.3f}" in done.stdout
    assert {row["fitted_on"] for row in made["cells"]} == {"de"}
    assert {row["baseline"] for row in made["comparison"]} == {"plain"}
    for name, kind in (("probe", "cells"), ("probe_comparison", "comparison")):
        with Path(f"out/{name}.csv").open(encoding="utf-8") as file:
            assert len(list(csv.DictReader(file))) == len(made[kind])
    again = CliRunner().invoke(app, [*command, *shared, "--fit_side", "validation", "--json"])
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["cells"][0]["n"] == 2 * COUNT


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"tasks": ()}, "something to probe on"),
        ({"fit_share": 1.0}, "fit_share"),
        ({"pooling": "max"}, "pooling"),
        ({"models": ("a/x", "b/x")}, "name of its own"),
        ({"names": ("a", "b")}, "name of its own"),
        ({"batch_tokens": 0}, "batch_tokens"),
    ],
)
def test_bad_flags_are_refused(changes: dict[str, Any], rule: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"models": ("m",), "output_dir": tmp_path, "tasks": ("mood",)}
    with pytest.raises(ConfigError, match=rule):
        ProbeArguments(**{**given, **changes})
    for settings in ({"penalty": 0.0}, {"neighbours": 0}):
        with pytest.raises(ConfigError):
            ProbeSettings(**settings)
