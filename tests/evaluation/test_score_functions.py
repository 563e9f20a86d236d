from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mtft.errors import RunError, SuiteError
from mtft.evaluation import EvaluationResults, ModelInfo, Sample, cells_of, evaluate
from mtft.evaluation.judgement import Unscorable
from mtft.evaluation.naive import naive_loglikelihoods
from mtft.evaluation.protocols import PROTOCOLS, ProtocolEncoder
from mtft.evaluation.requests import RankIds
from mtft.evaluation.score_function_rows import ranked_fingerprint, rescored, score_function_rows
from mtft.evaluation.score_functions import FREE, PMI, SCORE_FUNCTIONS, score_values
from tests.evaluation.conftest import Tiny
from tests.evaluation.one_task import ranked
from tests.evaluation.small_world import make as make_world

ALL = tuple(SCORE_FUNCTIONS)
CHOICES = ("नाव", "no no", "perhaps yes")
LIKELIHOODS, TOKENS, PRIORS = (-6.0, -5.0, -11.0), (2, 2, 4), (-5.5, -3.0, -10.8)
PAIRS = [
    ("the river is wide", ("yes", "no maybe", "नाव")),
    ("the boat is old", ("yes", "no maybe", "नाव")),
    ("mto ni mpana", ("both", "neither")),
]


def test_every_function_by_hand() -> None:
    found = {f: score_values(f, CHOICES, LIKELIHOODS, TOKENS, PRIORS) for f in ALL}
    assert found["sum"] == LIKELIHOODS
    assert found["token"] == (-3.0, -2.5, -2.75)
    assert found["character"] == (-2.0, -1.0, -1.0)
    assert found["byte"] == pytest.approx((-6 / 9, -1.0, -1.0))
    assert found["pmi"] == pytest.approx((-0.5, -2.0, -0.2))
    assert [int(np.argmax(found[f])) for f in ("sum", "byte", "pmi")] == [1, 0, 2]


@pytest.mark.parametrize(("function", "lack"), [("token", "tokens"), ("pmi", "unconditional")])
def test_what_is_not_known_is_said(function: str, lack: str) -> None:
    with pytest.raises(Unscorable, match=lack):
        score_values(function, CHOICES, LIKELIHOODS)


def test_the_harness_normalises_by_characters_and_by_bytes_under_these_names() -> None:
    """`acc_norm` is documented as bytes; its code counts characters, and `acc_bytes` bytes."""
    task = pytest.importorskip("lm_eval.api.task", reason="needs the extra `test`")
    names = {"acc": "sum", "acc_norm": "character", "acc_bytes": "byte", "acc_mutual_info": "pmi"}
    draw = np.random.default_rng(0)
    for _ in range(60):
        likelihoods = tuple(-draw.integers(20, 60, 3).astype(float))
        priors = tuple(-draw.integers(1, 60, 3).astype(float))
        for gold in range(3):
            standin = SimpleNamespace(
                config=SimpleNamespace(process_results=None),
                OUTPUT_TYPE="multiple_choice",
                _metric_fn_list=dict.fromkeys(names),
                multiple_input=False,
                multiple_target=False,
                doc_to_choice=lambda doc: list(CHOICES),
                doc_to_target=lambda doc: doc["gold"],
            )
            pairs = [(value, False) for value in (*likelihoods, *priors)]
            theirs = task.ConfigurableTask.process_results(standin, {"gold": gold}, pairs)
            for metric, function in names.items():
                values = score_values(function, CHOICES, likelihoods, TOKENS, priors)
                if len(set(values)) == 3:  # the harness breaks ties by place
                    assert theirs[metric] == float(np.argmax(values) == gold), (metric, values)


def test_pmi_subtracts_the_choices_after_an_empty_prompt(tiny: Tiny) -> None:
    samples = evaluate(*tiny, ranked(PAIRS, score_functions=ALL, score_function=PMI), "trained")
    encoder = ProtocolEncoder(PROTOCOLS["trained"], tiny.tokenizer, encoder_decoder=tiny.family == "mt5")
    begin = tiny.tokenizer.bos_token_id if tiny.family == "bloom" else tiny.tokenizer.eos_token_id
    for sample in samples:
        choices = tuple(encoder.choices([sample.inputs] * len(sample.choices), sample.choices))
        with torch.inference_mode():
            (expected,) = naive_loglikelihoods(tiny.model, [RankIds("k", (int(begin),), choices)], 0)
        assert sample.prior_loglikelihoods == pytest.approx(expected, abs=1e-4)
        assert sample.choice_tokens == tuple(map(len, choices))
        margin = np.array(sample.loglikelihoods) - np.array(sample.prior_loglikelihoods)
        assert sample.prediction == sample.choices[int(margin.argmax())]
        assert sample.signature == "score:pmi"


def test_equal_choices_have_one_prior_and_none_is_asked_without_pmi(tiny: Tiny) -> None:
    asked: list[int] = []

    def note(done: int, total: int) -> None:
        asked.append(total)

    evaluate(*tiny, ranked(PAIRS, score_functions=ALL), "trained", progress=note)
    assert asked[-1] == 5  # three prompts, two sets of choices
    plain = evaluate(*tiny, ranked(PAIRS), "trained", progress=note)
    assert asked[-1] == 3
    assert all(s.prior_loglikelihoods == () and s.choice_tokens and not s.signature for s in plain)


def test_priors_equal_the_harness(tiny: Tiny) -> None:
    """Its mutual information asks for `("", continuation)`."""
    hf = pytest.importorskip("lm_eval.models.huggingface", reason="needs the extra `test`")
    from lm_eval.api.instance import Instance

    backend = "seq2seq" if tiny.family == "mt5" else "causal"
    lm = hf.HFLM(pretrained=tiny.model, tokenizer=tiny.tokenizer, backend=backend, batch_size=1)
    for sample in evaluate(*tiny, ranked(PAIRS, score_functions=ALL), "lm_eval"):
        requests = [Instance("loglikelihood", {}, ("", f" {choice}"), 0) for choice in sample.choices]
        theirs = [value for value, _ in lm.loglikelihood(requests, disable_tqdm=True)]
        assert sample.prior_loglikelihoods == pytest.approx(theirs, abs=1e-4)


def results(tiny: Tiny, function: str = "sum") -> EvaluationResults:
    examples = ranked(PAIRS * 4, score_functions=ALL, score_function=function)
    samples = evaluate(*tiny, examples, "trained", model_name="m")
    suite = {"name": "toy", "fingerprint": ranked_fingerprint("f", [function])}
    return EvaluationResults(tuple(samples), (ModelInfo("m"),), cells_of(examples), suite)


@pytest.mark.parametrize("function", ALL)
def test_ranking_anew_equals_scoring_anew_through_the_files(
    tiny: Tiny, function: str, tmp_path: Path
) -> None:
    results(tiny).save(tmp_path)
    again, scored = rescored(EvaluationResults.load(tmp_path), function), results(tiny, function)
    assert (
        again.suite["fingerprint"]
        == scored.suite["fingerprint"]
        == ("f" if function == "sum" else f"f+{function}")
    )
    assert [(s.prediction, s.scores, s.signature) for s in again.samples] == [
        (s.prediction, s.scores, s.signature) for s in scored.samples
    ]
    if function != "sum":
        with pytest.raises(RunError, match="same suite"):
            again.merge(results(tiny))
    assert rescored(again, "sum").samples == tuple(EvaluationResults.load(tmp_path).samples)


def test_rows_hold_the_accuracy_of_every_function(tiny: Tiny) -> None:
    found = results(tiny)
    rows = {row["function"]: row for row in found.as_dict()["score_functions"]}
    assert list(rows) == list(ALL)
    for function, row in rows.items():
        expected = np.mean([s.scores["accuracy"] for s in rescored(found, function).samples])
        assert row["value"] == pytest.approx(expected)
        assert (row["model"], row["task"], row["language"], row["n"]) == ("m", "toy", "en", 12)


def test_rows_are_the_median_template_and_leave_out_what_is_not_known() -> None:
    cells = cells_of(ranked([("p", ("a", "bb"))], score_functions=ALL))
    values = {"one": (-1.0, -2.0), "two": (-3.0, -2.0), "three": (-1.0, -1.0)}
    samples = [bare(template, likelihoods) for template, likelihoods in values.items()]
    rows = {row["function"]: row["value"] for row in score_function_rows(samples, cells)}
    # sums: right, wrong, a tie; by character -1 ties with -1, then -3 and -1, then -1 and -0.5
    assert rows == {"sum": 0.5, "character": 0.0, "byte": 0.0}
    with pytest.raises(RunError, match=r"tokens is not known.*Evaluate again"):
        rescored(EvaluationResults(tuple(samples), (ModelInfo("m"),), cells), "token")


def bare(template: str, likelihoods: tuple[float, float]) -> Sample:
    (evaluated,) = ranked([("p", ("a", "bb"))])
    e = evaluated.example
    return Sample(
        model="m", task="toy", dataset="toy", config="en", cluster="sentiment", language="en",
        prompt_language="en", metric="accuracy", template=template, template_id=template, id="test/0",
        item_group=e.item_group, inputs="p", choices=("a", "bb"), loglikelihoods=likelihoods, prediction="a",
        target="a", targets=("a",), scores={"accuracy": 1.0},
    )  # fmt: skip


def test_a_suite_names_the_function_for_all_tasks_or_one(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    tasks = "tasks: [{task: mood, templates: [ask], score_function: byte}, say]"
    suite = world.suite(f"score_function: token\nscore_functions: [sum, pmi]\n{tasks}")
    cells = {c.task: c for c in cells_of(world.examples(suite))}
    assert (cells["mood"].score_function, cells["say"].score_function) == ("byte", "token")
    assert cells["mood"].score_functions == ("sum", "pmi")
    plain = world.suite("tasks: [{task: mood, templates: [ask]}, say]")
    assert plain.fingerprint == suite.fingerprint  # what ranks the choices is said by the results
    assert all(c.score_functions == FREE for c in cells_of(world.examples(plain)))
    chosen = suite.with_score_function("sum")
    assert {c.score_function for c in cells_of(world.examples(chosen))} == {"sum"}
    with pytest.raises(SuiteError, match="character"):
        world.suite("score_functions: [charcter]\ntasks: [mood]")
    with pytest.raises(SuiteError, match="byte"):
        world.suite("tasks: [{task: mood, score_function: bytes}]")


def test_cells_survive_the_files(tiny: Tiny, tmp_path: Path) -> None:
    found = results(tiny, "byte")
    found.save(tmp_path)
    again = EvaluationResults.load(tmp_path)
    assert again.cells == found.cells
    assert tuple(again.samples) == found.samples
    assert (
        json.loads((tmp_path / "results.json").read_text())["cells"][0]["signature"] == "nrefs:1|score:byte"
    )


def test_the_command_ranks_anew(tiny: Tiny, tmp_path: Path) -> None:
    from mtft.cli.main import app

    results(tiny).save(tmp_path)
    done = CliRunner().invoke(app, ["eval", "rescore", str(tmp_path), "--score_function", "byte"])
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "rescored-byte" / "results.json").read_text())
    assert content["suite"]["score_function"] == "byte"
    assert (tmp_path / "rescored-byte" / "report.html").is_file()
    wrong = CliRunner().invoke(app, ["eval", "rescore", str(tmp_path), "--score_function", "bytes"])
    assert wrong.exit_code == 2
    assert "byte" in wrong.output


def test_unscored_samples_stay_unscored(tiny: Tiny) -> None:
    found = results(tiny)
    broken = replace(found.samples[0], scores={}, unscored_reason="the prompt is empty")
    again = rescored(replace(found, samples=(broken, *found.samples[1:])), "byte")
    assert again.samples[0] == broken
