"""Prompts that are too long: cut in the column that the card names and nowhere else, counted, or unscored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.evaluation import (
    EngineSettings,
    EvalExample,
    EvaluationResults,
    ModelInfo,
    Sample,
    cells_of,
    evaluate,
)
from mtft.evaluation.protocols import find_protocol, note_precision
from mtft.evaluation.sample_table import read_samples, write_samples
from tests.evaluation import small_world
from tests.evaluation.conftest import Tiny, make
from tests.evaluation.one_task import generated, ranked
from tests.evaluation.small_world import SmallWorld, template

ASK, TELL, TOLD = (f"00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 4))
LIMIT = 80


def text_of(number: int) -> str:
    return " ".join(f"w{number}x{place}" for place in range(60 if number % 2 else 2))


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    """`ask` may be shortened in `text`, `tell` not, and of a third template the text is the target too."""
    made = small_world.make(tmp_path)
    choices = "good ||| bad"
    ask = template(1, "ask", "Read this: {{text}} Good or bad? ||| {{answer_choices[label]}}", choices)
    tell = template(2, "tell", r"{{text}}\nMood:\n||| {{answer_choices[label]}}", choices)
    both = template(4, "both", "Say {{text}} ||| {{text}}", "'{{text}} ||| bad'")
    extras = f"templates:\n  {ASK}: {{truncatable: text}}\n  {TOLD}: {{truncatable: text}}\n"
    made.card("mood", small_world.MOOD + extras, ask + tell + both)
    for language in ("en", "de"):
        rows = small_world.mood_rows(language, range(200, 208))
        made.write(f"mood/{language}/test", [{**row, "text": text_of(row["id"])} for row in rows])
    return made


def tokens(tiny: Tiny, text: str) -> int:
    ids = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
    return len(ids) + (tiny.family == "mt5")


def scored(world: SmallWorld, tiny: Tiny, **more: object) -> list[tuple[EvalExample, Sample]]:
    suite = "tasks: [mood]"
    examples = world.examples(world.suite(suite + "".join(f"\n{k}: {v}" for k, v in more.items())))
    samples = evaluate(*tiny, examples, "trained", EngineSettings(max_input_tokens=LIMIT))
    return list(zip(examples, samples, strict=True))


def test_the_beginning_of_the_named_column_goes_and_nothing_else(world: SmallWorld, tiny: Tiny) -> None:
    pairs = scored(world, tiny)
    long = [(e, s) for e, s in pairs if tokens(tiny, e.example.inputs) > LIMIT]
    assert len(long) == 2 * 3 * 4
    for e, s in pairs:
        if (e, s) not in long:
            assert (s.inputs, s.truncated_tokens, s.unscored_reason) == (e.example.inputs, 0, "")
    for e, s in long:
        assert s.choices == e.example.answer_choices
        if e.template != "ask":
            assert s.unscored_reason == f"the prompt is longer than {LIMIT} tokens"
            assert (s.inputs, s.truncated_tokens) == (e.example.inputs, 0)
            continue
        assert not s.unscored_reason
        head, tail = "Read this: ", " Good or bad?"
        kept = s.inputs.removeprefix(head).removesuffix(tail)
        assert s.inputs == head + kept + tail
        assert e.example.inputs.endswith(f" {kept}{tail}")  # whole words, the last ones
        assert tokens(tiny, s.inputs) <= LIMIT
        assert s.truncated_tokens == tokens(tiny, e.example.inputs) - tokens(tiny, s.inputs)
        more = e.example.inputs[: -len(kept + tail) - 1].rsplit(" ", 1)[-1]
        assert tokens(tiny, f"{head}{more} {kept}{tail}") > LIMIT  # one word more would not fit


def test_shots_go_before_the_text_does(world: SmallWorld, tiny: Tiny) -> None:
    pairs = [(e, s) for e, s in scored(world, tiny, shots=2) if e.template == "ask"]
    cut = [s for _, s in pairs if s.truncated_tokens]
    assert cut
    assert {(s.shots, s.dropped_shots) for s in cut} == {(0, 2)}
    assert any(s.shots for _, s in pairs)


def test_cut_prompts_are_counted_in_every_cell(world: SmallWorld, tiny: Tiny, tmp_path: Path) -> None:
    pairs = scored(world, tiny)
    examples, samples = [e for e, _ in pairs], [s for _, s in pairs]
    content = EvaluationResults(tuple(samples), (ModelInfo("model"),), cells_of(examples)).as_dict()
    counts = {(r["config"], r["template_id"]): (r["n_truncated"], r["n_unscored"]) for r in content["cells"]}
    assert counts["en", ASK] == counts["de", ASK] == (4, 0)
    assert counts["en", TELL] == counts["en", TOLD] == (0, 4)
    assert {r["n_truncated"] for r in content["summary"]} == {4}
    write_samples(samples, tmp_path / "samples.parquet")
    assert read_samples(tmp_path / "samples.parquet") == samples


def test_outputs_of_one_limit_are_never_those_of_another(
    world: SmallWorld, tiny: Tiny, tmp_path: Path
) -> None:
    examples = [e for e in world.examples(world.suite()) if e.template == "ask"]
    for limit in (LIMIT, 120, LIMIT):
        kept = EngineSettings(max_input_tokens=limit, cache_folder=tmp_path / "outputs")
        fresh = EngineSettings(max_input_tokens=limit)
        for a, b in zip(*(evaluate(*tiny, examples, "trained", each) for each in (kept, fresh)), strict=True):
            assert a.inputs == b.inputs
            assert a.loglikelihoods == pytest.approx(b.loglikelihoods, abs=1e-4)


def test_a_task_has_the_protocol_that_the_suite_names_for_it(world: SmallWorld, tiny: Tiny) -> None:
    text = "protocol: bloomz\ntasks: [{task: mood, languages: [en], protocol: mt0}, say]"
    suite = world.suite(text)
    examples = world.examples(suite)
    assert {(e.cell.task, e.cell.protocol) for e in examples} == {("mood", "mt0"), ("say", "")}
    mixed = evaluate(*tiny, examples[::3], "bloomz")
    apart = [evaluate(*tiny, examples[::3], name) for name in ("mt0", "bloomz")]
    plain = evaluate(*tiny, world.examples(world.suite("tasks: [mood]")), "mt0")
    for place, (sample, e) in enumerate(zip(mixed, examples[::3], strict=True)):
        assert (sample.task, sample.id) == (e.cell.task, f"test/{e.example.row_id}")
        assert sample.prediction == apart[e.cell.task == "say"][place].prediction
        same = [
            s for s in plain if (s.config, s.id, s.template) == (sample.config, sample.id, sample.template)
        ]
        if sample.loglikelihoods:
            assert sample.loglikelihoods == pytest.approx(same[0].loglikelihoods, abs=1e-4)
    assert {e.cell.protocol for e in world.examples(suite.with_protocol("trained"))} == {""}
    row = EvaluationResults((), (), cells_of(examples)).as_dict()["eval_cells"]
    assert [cell.get("protocol") for cell in row] == ["mt0", None]
    json.dumps(row)


def test_a_cell_under_two_protocols_and_an_unknown_one_are_refused(world: SmallWorld) -> None:
    from mtft.errors import SuiteError

    with pytest.raises(SuiteError, match=r"(?s)one protocol.*mood:en under mt0 and bloomz"):
        world.examples(world.suite("tasks: [{task: mood, protocol: mt0}, {task: mood, protocol: bloomz}]"))
    with pytest.raises(SuiteError, match="lm_eval"):
        world.suite("tasks: [{task: mood, protocol: lm_evl}]")
    with pytest.raises(SuiteError, match="bloomz"):
        world.suite().with_protocol("bloms")


def test_a_suite_without_protocols_of_its_tasks_has_its_old_fingerprint(world: SmallWorld) -> None:
    plain = world.suite("tasks: [mood]").fingerprint
    assert world.suite("tasks: [{task: mood, protocol: mt0}]").fingerprint != plain
    assert world.suite("tasks: [{task: mood}]").fingerprint == plain


def test_another_precision_than_the_published_one_is_told(caplog: pytest.LogCaptureFixture) -> None:
    note_precision(find_protocol("mt0", ""), "float32")
    note_precision(find_protocol("lm_eval", ""), "float16")
    assert not caplog.records
    note_precision(find_protocol("bloomz", ""), "float32")
    assert "bfloat16" in caplog.text
    assert "float32" in caplog.text


class _FromTheLeft:
    """Words that may go, the first ones first."""

    def __init__(self, text: str) -> None:
        self.words = text.split()

    def fitted(self, limit: int, count: Callable[[str], int]) -> str | None:
        left = (" ".join(self.words[at:]) for at in range(len(self.words)))
        return next((text for text in left if count(text) <= limit), None)


@pytest.mark.parametrize("protocol", ["trained", "bloomz", "lm_eval"])
def test_prompt_and_answer_share_a_models_positions(protocol: str) -> None:
    """What is cut leaves room for the longest choice, or for all that may be generated."""
    tokenizer = make("bloom").tokenizer
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 48}
    config = GPT2Config(vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes)
    model = GPT2LMHeadModel(config).eval()
    long = "the river is wide and the boat is old " * 12
    asked = [*ranked([(long, ("yes no maybe", "no"))]), *generated([long])]
    asked = [replace(e, shortening=cast(Any, _FromTheLeft(long))) for e in asked]
    for sample in evaluate(model, tokenizer, "causal", asked, protocol):
        assert sample.unscored_reason == ""
        assert sample.truncated_tokens > 0
    (short,) = ranked([("the river is wide", ("yes no maybe", "no"))])
    shots = replace(short, shots=("the boat is old yes",) * 12)
    (sample,) = evaluate(model, tokenizer, "causal", [shots], protocol)
    assert sample.unscored_reason == ""
