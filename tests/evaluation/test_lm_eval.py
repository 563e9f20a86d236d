"""The real lm-evaluation-harness beside ours: the same log-likelihoods, and exported suites with the same scores.

Everything that imports the harness, which takes seconds, stands in this file.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import mtft
from mtft.encoding import train_tokenizer
from mtft.evaluation import (
    EngineSettings,
    EvalCell,
    EvalExample,
    EvaluationResults,
    LmEvalExport,
    ModelInfo,
    Sample,
    evaluate,
    export_lm_eval,
)
from mtft.evaluation.lm_eval_tasks import ACCURACIES
from mtft.evaluation.score_functions import score_values
from mtft.modeling import save_model
from mtft.tasks.records import Example
from tests.evaluation import small_world
from tests.evaluation.conftest import TEXTS, Tiny, make

pytest.importorskip("lm_eval", reason="needs the extra `test`")

WORDS = " ".join(TEXTS[:4]).split()
# Prompts and choices whose encoding is special: white space at the end, or only at the end of lines; special
# tokens as text; scripts without spaces; choices that begin alike, or have a space of their own.
PROMPTS = [
    "the river is wide",
    "the river is wide ",
    "the river is wide \n\n",
    "Q: नदी चौड़ी है?\nA:",
    "नदी\u00a0",
    "</s> the boat is old",
    "<s> the boat is old",
    "the boat </s> is old",
    "x",
    "河很宽。",
]
CHOICES = ("yes", "no", "yes maybe", " true", "नाव पुरानी", "宽", "no.")


def example(inputs: str, choices: Sequence[str], number: int = 0, **more: Any) -> Example:
    values = {
        "inputs": inputs, "targets": (choices[0],), "answer_choices": tuple(choices), "dataset": "toy",
        "config": "en", "split": "test", "row_id": str(number), "item_group": f"toy:{number}",
        "template_id": "t", "language": "en", "prompt_language": "en", "task": "toy", "source_revision": "",
    }  # fmt: skip
    return Example(**{**values, **more})


def examples(pairs: Sequence[tuple[str, Sequence[str]]], **cell: Any) -> list[EvalExample]:
    place = EvalCell("toy", "en", "sentiment", "en", **cell)
    return [EvalExample(example(a, b, n), "template", place) for n, (a, b) in enumerate(pairs)]


def random_pairs(n: int, most: int = 30) -> list[tuple[str, tuple[str, ...]]]:
    draw = random.Random(5)

    def words(most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(1, most)))

    made = [(words(most), tuple({words(4): None for _ in range(draw.randint(2, 4))})) for _ in range(n)]
    return [(prompt, choices) for prompt, choices in made if len(choices) > 1]  # equal ones are unscored


def harness(tiny: Tiny, **more: Any) -> Any:
    """The real `HFLM` around a model that is at hand."""
    from lm_eval.models.huggingface import HFLM

    backend = "seq2seq" if tiny.family == "mt5" else "causal"
    return HFLM(
        pretrained=tiny.model, tokenizer=tiny.tokenizer, backend=backend, device="cpu", batch_size=3, **more
    )


def of_harness(lm: Any, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[list[float]]:
    """The harness's log-likelihood of each choice, with the delimiter that its tasks put before it."""
    from lm_eval.api.instance import Instance

    requests = [
        Instance(request_type="loglikelihood", doc={}, arguments=(prompt, f" {choice}"), idx=0)
        for prompt, choices in pairs
        for choice in choices
    ]
    flat = iter(lm.loglikelihood(requests, disable_tqdm=True))
    return [[next(flat)[0] for _ in choices] for _, choices in pairs]


def ours(
    tiny: Tiny, pairs: Sequence[tuple[str, Sequence[str]]], settings: EngineSettings | None = None
) -> list[Sample]:
    return evaluate(*tiny, examples(pairs), "lm_eval", settings)


def assert_equal(
    samples: Sequence[Sample], wanted: Sequence[Sequence[float]], pairs: Sequence[tuple[str, Sequence[str]]]
) -> None:
    for sample, values, (prompt, choices) in zip(samples, wanted, pairs, strict=True):
        assert sample.loglikelihoods == pytest.approx(values, abs=1e-4), (prompt, choices)


def test_loglikelihoods_equal_the_harness(tiny: Tiny) -> None:
    pairs = [(prompt, CHOICES) for prompt in PROMPTS] + random_pairs(25)
    wanted = of_harness(harness(tiny), pairs)
    samples = ours(tiny, pairs)
    assert not any(s.unscored_reason or s.truncated_tokens for s in samples)
    assert_equal(samples, wanted, pairs)
    others = [evaluate(*tiny, examples(pairs), name) for name in ("bloomz", "mt0", "trained")]
    for other in others:  # or the equality would say nothing
        assert max(
            abs(a - b)
            for s, o in zip(samples, other, strict=True)
            for a, b in zip(s.loglikelihoods, o.loglikelihoods, strict=True)
        ) > 1e-2 or (tiny.family == "bloom" and other is not others[2])


def test_an_empty_prompt_is_the_token_that_begins_a_text(tiny: Tiny) -> None:
    pairs = [("", ("yes", "no maybe", "<s>", "</s> no"))]
    assert_equal(ours(tiny, pairs), of_harness(harness(tiny), pairs), pairs)


@pytest.mark.parametrize("limit", [6, 17])
def test_what_is_too_long_is_cut_as_the_harness_cuts_it(tiny: Tiny, limit: int) -> None:
    """Each choice stands after a prompt cut for its own length."""
    pairs = random_pairs(20)
    lengths = {len(tiny.tokenizer(choice)["input_ids"]) for _, choices in pairs for choice in choices}
    assert len(lengths) > 3
    pairs = [
        pair for pair in pairs if max(len(tiny.tokenizer(f" {c}")["input_ids"]) for c in pair[1]) < limit
    ]
    wanted = of_harness(harness(tiny, max_length=limit), pairs)
    samples = ours(tiny, pairs, EngineSettings(max_input_tokens=limit))
    assert_equal(samples, wanted, pairs)
    cut = [s for s in samples if s.truncated_tokens]
    assert 0 < len(cut) < len(samples) or limit == 6
    for sample in samples:
        ids = len(tiny.tokenizer(sample.inputs)["input_ids"])
        most = max(len(tiny.tokenizer(f" {c}")["input_ids"]) for c in sample.choices)
        room = limit if tiny.family == "mt5" else limit + 1 - most
        assert abs(sample.truncated_tokens - max(0, ids - room)) <= 1  # a token may join at the seam


def with_positions(number: int) -> Tiny:
    """A causal model that has no more positions than that."""
    torch.manual_seed(0)
    ids = {"bos_token_id": 1, "eos_token_id": 2}
    config = GPT2Config(vocab_size=500, n_embd=16, n_layer=1, n_head=2, n_positions=number, **ids)
    return Tiny(GPT2LMHeadModel(config).eval(), train_tokenizer(TEXTS, 420, "bloom"), "causal")


def test_the_models_own_length_is_the_limit() -> None:
    pairs, tiny = random_pairs(12, 40), with_positions(24)
    samples = ours(tiny, pairs)
    assert any(s.truncated_tokens for s in samples)
    assert_equal(samples, of_harness(harness(tiny), pairs), pairs)


def test_beyond_the_models_positions_a_prompt_is_unscored_and_the_rest_still_runs() -> None:
    pairs, tiny = random_pairs(30, 24), with_positions(20)
    samples = evaluate(*tiny, examples(pairs), "trained")
    assert {s.unscored_reason for s in samples} == {
        "",
        "the prompt is longer than 20 tokens",
        "prompt and answer are longer than the model's 20 positions",
    }


def test_a_choice_beyond_the_limit_is_unscored_where_the_harness_would_stop(tiny: Tiny) -> None:
    pairs = [("the river", ("no", "yes " * 30)), ("the river", ("no", "yes"))]
    samples = ours(tiny, pairs, EngineSettings(max_input_tokens=8))
    assert [s.unscored_reason for s in samples] == ["an answer choice is longer than 8 tokens", ""]


def test_cut_requests_are_found_again_and_never_those_of_another_limit(tiny: Tiny, tmp_path: Path) -> None:
    pairs = random_pairs(6)
    for limit in (9, 12, 9, 2000):
        kept = EngineSettings(max_input_tokens=limit, cache_folder=tmp_path / "outputs")
        fresh = ours(tiny, pairs, EngineSettings(max_input_tokens=limit))
        for a, b in zip(ours(tiny, pairs, kept), fresh, strict=True):
            assert a.loglikelihoods == pytest.approx(b.loglikelihoods, abs=1e-3)
            assert a.truncated_tokens == b.truncated_tokens


@pytest.mark.parametrize("limit", [12, 2000])
def test_generations_equal_the_harness(tiny: Tiny, limit: int) -> None:
    from lm_eval.api.instance import Instance

    prompts = [prompt for prompt, _ in random_pairs(6)] + ["the river \n"]
    made = [replace(example(p, ("x",), n), answer_choices=None) for n, p in enumerate(prompts)]
    cell = EvalCell("toy", "en", "qa", "en", metrics=("chrf",), max_new_tokens=5)
    settings = EngineSettings(max_input_tokens=limit)
    samples = evaluate(*tiny, [EvalExample(e, "t", cell) for e in made], "lm_eval", settings)
    # The harness counts an encoder-decoder's new tokens from its prompt's length, unless `max_length` says more.
    own = {"max_length": 6} if tiny.family == "mt5" else {}
    asked = {"until": [], "max_gen_toks": 5, "do_sample": False, **own}
    requests = [
        Instance(request_type="generate_until", doc={}, arguments=(p, dict(asked)), idx=0) for p in prompts
    ]
    wanted = harness(tiny, max_length=limit).generate_until(requests, disable_tqdm=True)
    assert [s.prediction for s in samples] == [text.strip() for text in wanted]
    assert bool(sum(s.truncated_tokens for s in samples)) == (limit == 12)


FEW = """
name: few
max_items_per_cell: 5
max_input_tokens: 200
tasks:
  - {task: xcopa, languages: [sw, zh, th], prompt_languages: [en]}
  - {task: xwinograd, languages: [en, zh]}
"""
DATES = [("When was it?", ("2019-01-02", "2020-02-03"), ("2019-01-02",))] * 3
SEVERAL = [
    ("the river is wide and", ("old", "wide", "the boat"), ("old", "wide")),
    ("no yes maybe", ("true", "false"), ("false",)),
    ("mto ni ", ("mpana", "mashua", "kuukuu", "ni"), ("ni",)),
    ("नदी चौड़ी है\n", ("हाँ", "नहीं"), ("हाँ",)),
]


def special(rows: Sequence[tuple[str, Sequence[str], Sequence[str]]], config: str) -> list[EvalExample]:
    cell = EvalCell("toy", config, "sentiment", "en", score_functions=tuple(ACCURACIES))
    made = [example(a, b, n, targets=tuple(c), config=config) for n, (a, b, c) in enumerate(rows)]
    return [EvalExample(e, "A «template»: 河?", cell) for e in made]


@pytest.fixture
def suite(tmp_path: Path) -> list[EvalExample]:
    """The small world with texts of its own, and cells that are easily exported wrong."""
    world = small_world.make(tmp_path / "world")
    draw = random.Random(7)
    for language in ("en", "de"):
        rows = small_world.mood_rows(language, range(200, 208))
        world.write(
            f"mood/{language}/test", [{**r, "text": " ".join(draw.choices(WORDS, k=9))} for r in rows]
        )
    tasks = "tasks: [{task: mood, shots: 1}, {task: say, min_new_tokens: 3}]"
    found = world.examples(world.suite(f"{tasks}\nscore_functions: [sum, character, byte, pmi]"))
    return [*found, *special(DATES, "dates"), *special(SEVERAL, "several")]


def run_harness(tiny: Tiny, exported: LmEvalExport, **more: Any) -> dict[str, Any]:
    """The harness's own results, from nothing but the exported folder."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(exported.folder), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model=harness(tiny, **more), tasks=[exported.group], task_manager=manager, bootstrap_iters=0
    )
    assert found is not None
    return found


def values(samples: Sequence[Sample]) -> dict[tuple[str, str, str, str], float | None]:
    """Our score of every cell, template and metric."""
    cells = {(s.task, s.config): EvalCell(s.task, s.config, s.cluster, s.language) for s in samples}
    results = EvaluationResults(tuple(samples), (ModelInfo("model"),), tuple(cells.values()))
    rows = results.as_dict()["cells"]
    return {(r["task"], r["config"], r["template_id"], r["metric"]): r["value"] for r in rows}


def accuracies(samples: Sequence[Sample]) -> dict[tuple[str, str, str, str], float]:
    """Our accuracy of every cell and template by every score function that the harness has too."""
    right: dict[tuple[str, str, str, str], list[bool]] = defaultdict(list)
    for s in samples:
        if s.metric != "accuracy":
            continue
        for function, name in ACCURACIES.items():
            values = score_values(
                function, s.choices, s.loglikelihoods, s.choice_tokens, s.prior_loglikelihoods
            )
            best = s.choices[values.index(max(values))]
            right[s.task, s.config, s.template_id, name].append(best in s.targets)
    return {place: sum(each) / len(each) for place, each in right.items()}


@pytest.mark.parametrize("limit", [2000, 40])
def test_the_harness_runs_an_exported_suite_and_finds_the_same_scores(
    tiny: Tiny, suite: list[EvalExample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    exported = export_lm_eval(suite, tmp_path / "out", "My suite", encoder_decoder=tiny.family == "mt5")
    assert not exported.left_out
    found = run_harness(tiny, exported, max_length=limit)
    samples = evaluate(*tiny, suite, "lm_eval", EngineSettings(max_input_tokens=limit))
    assert any(s.truncated_tokens for s in samples) == (limit == 40)
    mine, compared = values(samples) | accuracies(samples), 0
    for task, row in found["results"].items():
        if task not in exported.tasks:
            continue
        facts = found["configs"][task]["metadata"]
        place = (facts["mtft_task"], facts["mtft_config"], facts["template_id"])
        named = {
            "accuracy": "acc",
            "chrf": "chrf",
            "chrf_pp": "chrf++",
            **{n: n for n in ACCURACIES.values()},
        }
        for name, theirs in named.items():
            if f"{theirs},none" in row:
                assert row[f"{theirs},none"] == pytest.approx(mine[(*place, name)], abs=1e-9), (task, theirs)
                compared += 1
    # ours and those of three functions in six cells, PMI's in the five with one right choice; two of texts
    assert compared == 4 * 6 + 5 + 2
    assert len(exported.tasks) == 4 + 1 + 2
    assert found["groups"]["mtft_my_suite_mood_all"]["acc,none"] == pytest.approx(
        sum(v or 0 for k, v in mine.items() if k[0] == "mood" and k[-1] == "accuracy") / 4
    )


def test_the_harness_finds_the_exported_tasks_and_groups_and_nothing_else(tmp_path: Path) -> None:
    from lm_eval.tasks import TaskManager

    exported = export_lm_eval(special(SEVERAL, "several"), tmp_path / "out", "few")
    manager = TaskManager(include_path=str(exported.folder), include_defaults=False)
    assert set(manager.all_tasks) == {*exported.tasks, "mtft_few", "mtft_few_toy_all"}


def test_of_tied_choices_the_harness_takes_the_first_and_ours_share_the_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one known difference of accuracies, stated in docs/protocols.md."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    flat = make("bloom")
    with torch.no_grad():
        for parameter in flat.model.parameters():
            parameter.zero_()
    rows = [("the river", ("no", "yes"), ("yes",)), ("the boat", ("no", "yes"), ("no",))] * 2
    tied = special([*rows, rows[0]], "tied")
    assert {s.scores["accuracy"] for s in evaluate(*flat, tied, "lm_eval")} == {0.5}
    exported = export_lm_eval(tied, tmp_path / "out", "ties")
    found = run_harness(flat, exported)
    assert found["results"][exported.tasks[0]]["acc,none"] == pytest.approx(2 / 5)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_the_harnesss_own_command_on_real_rows(family: str, tmp_path: Path, data_root: Path) -> None:
    """As docs/protocols.md says it: export, `lm_eval run`, `mtft eval run`."""
    tiny = make(family)
    save_model(tiny.model, tiny.tokenizer, tmp_path / "model")
    (tmp_path / "few.yaml").write_text(FEW, encoding="utf-8")
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(Path(mtft.__file__).parents[1]),
    }

    def command(*words: object) -> None:
        subprocess.run([sys.executable, "-m", *map(str, words)], check=True, cwd=tmp_path, env=environment)

    data = ("--data_root", data_root)
    command("mtft.cli", "eval", "export-lm-eval", "few.yaml", *data)
    asked = ("--model", "model", "--suite", "few.yaml", "--protocol", "lm_eval", "--output_dir", "ours")
    command("mtft.cli", "eval", "run", *asked, *data)
    model = ("--model", "hf", "--model_args", "pretrained=model,max_length=200", "--device", "cpu")
    tasks = ("--include_path", "lm_eval_few", "--tasks", "mtft_few", "--output_path", "theirs")
    command("lm_eval", "run", *model, *tasks)
    [path] = (tmp_path / "theirs").rglob("results*.json")
    theirs = json.loads(path.read_text(encoding="utf-8"))
    rows = json.loads((tmp_path / "ours" / "results.json").read_text(encoding="utf-8"))["cells"]
    assert sum(row["n_truncated"] for row in rows) > 0
    mine = {(r["task"], r["config"], r["template_id"]): r["value"] for r in rows}
    for task, settings in theirs["configs"].items():
        facts = settings["metadata"]
        place = (facts["mtft_task"], facts["mtft_config"], facts["template_id"])
        assert theirs["results"][task]["acc,none"] == pytest.approx(mine.pop(place)), task
    assert not mine
