"""A mixture's file: read strictly, and divided into three sides."""

from __future__ import annotations

import pytest

from mtft.errors import ConfigError, MixtureError, MtftError
from mtft.mixing import MixtureSpec, Rates, Sampling
from tests.mixing.conftest import SPEC, World

FULL = """
name: full
title: everything given
seed: 9
tasks:
  - {task: mood, languages: [en, de], templates: [ask, tell], prompt_languages: [en], weight: 2, sample: {count: 10}}
  - {task: thing, exclude_languages: [de], max_repetition: 2.5}
held_out:
  validation: {pairs: ["mood:de"]}
  report: {clusters: [topic_classification]}
rates: {kind: proportional, cap: 100, temperature_language: 2, temperature_cluster: 1.5, max_repetition: 4}
limits: {max_input_tokens: 64, max_target_tokens: 8}
"""


def test_all_keys_are_read(world: World) -> None:
    spec = world.spec(FULL)
    assert (spec.name, spec.title, spec.seed) == ("full", "everything given", 9)
    assert spec.rates == Rates("proportional", 100, 2.0, 1.5, 4.0)
    assert (spec.limits.max_input_tokens, spec.limits.max_target_tokens) == (64, 8)
    mood, thing = spec.entries
    assert (mood.languages, mood.templates) == (("en", "de"), ("ask", "tell"))
    assert (mood.weight, mood.sample) == (2.0, Sampling(count=10))
    assert (thing.exclude_languages, thing.max_repetition) == (("de",), 2.5)


def test_rates_on_examples_and_their_sources_are_read(world: World) -> None:
    rates = "\nrates: {unit: examples, cap_per_template: 5, cap_per_dataset: 9}\n"
    spec = world.spec(SPEC + rates + "sources: {rates.cap_per_template: a paper, tasks: a list}\n")
    assert (spec.rates.unit, spec.rates.cap_per_template, spec.rates.cap_per_dataset) == ("examples", 5, 9)
    assert spec.sources == {"tasks": "a list", "rates.cap_per_template": "a paper"}
    assert spec.fingerprint == world.spec(SPEC + rates).fingerprint


def test_over_goes_with_a_bound_of_the_mixture_or_of_a_task(world: World) -> None:
    of_all = world.spec(SPEC + "rates: {max_repetition: 2, over: 90}\n")
    of_one = world.spec(
        SPEC.replace("thing]", "{task: thing, max_repetition: 2}]", 1) + "rates: {over: 90}\n"
    )
    assert of_all.rates.over == of_one.rates.over == 90
    assert of_all.fingerprint != world.spec(SPEC + "rates: {max_repetition: 2}\n").fingerprint
    assert "over" not in world.spec(SPEC).as_dict()["rates"]  # as before there was such a key


def test_prompt_languages_of_the_mixture_hold_where_a_task_gives_none(world: World) -> None:
    text = "name: x\nprompt_languages: [own, en]\ntasks: [mood, {task: thing, prompt_languages: [en]}]"
    assert [entry.prompt_languages for entry in world.spec(text).entries] == [("own", "en"), ("en",)]


def test_cells_stand_on_one_side_each(world: World) -> None:
    cells = world.cells(world.spec(FULL))
    assert [cell.task.key for cell in cells] == ["mood:en"]
    assert [task.key for task in cells.validation] == ["mood:de"]
    assert [task.key for task in cells.report] == ["thing:en"]
    assert [template.name for template in cells[0].task.templates] == ["ask", "tell"]
    assert {task.key for task in cells.evaluated} == {"mood:en", "mood:de", "thing:en"}


def test_the_report_has_the_first_claim(world: World) -> None:
    text = (
        "name: x\ntasks: [mood, thing]\nheld_out: {validation: {languages: [de]}, report: {tasks: [thing]}}"
    )
    cells = world.cells(world.spec(text))
    assert [task.key for task in cells.report] == ["thing:en", "thing:de"]
    assert [task.key for task in cells.validation] == ["mood:de"]


def test_a_fingerprint_follows_the_settings_and_not_the_place(world: World) -> None:
    one, again = world.spec(SPEC, "one.yaml"), world.spec(SPEC + "# a remark\n", "two.yaml")
    assert one.fingerprint == again.fingerprint
    assert one.fingerprint != world.spec(SPEC.replace("seed: 3", "seed: 4")).fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: [mood]\nrate: {}", r"Every key must be known\. Found: `rate`\. Did you mean: rates"),
        ("tasks: [mood]\nrates: {capp: 3}", r"rates: .*`capp`.*cap"),
        ("tasks: [{task: mood, langauges: [en]}]", r"tasks\[0\].*`langauges`.*languages"),
        ("tasks: [mood, mood]", "listed once"),
        ("tasks: [mood]\nrates: {unit: tokens}", "rates: .*rows, examples"),
        ("tasks: [mood]\nrates: {cap_per_template: 3}", "rates: .*unit: examples"),
        ("tasks: [mood]\nrates: {over: 9}", "rates: .*for how many positions `max_repetition` holds"),
        ("tasks: [mood]\nsources: {rate.cap: x}", "sources: .*rates.cap"),
        ("tasks: []", "at least one task"),
        ("tasks: [{task: mood, languages: [no]}]", "quote codes"),
        ("tasks: [{task: mood, languages: [en], exclude_languages: [de]}]", "not both"),
        ("tasks: [{task: mood, weight: .inf}]", "`weight` must be a positive number"),
        ("tasks: [{task: mood, sample: {count: 0}}]", "`count` must be a whole number"),
        ("tasks: [mood]\nseed: true", "`seed` must be a whole number"),
        ("tasks: [mood]\nrates: {kind: evenly}", "rates: .*proportional, weights"),
        ("tasks: [mood]\nheld_out: {report: {pairs: [mood]}}", "`task:language`"),
        (
            "tasks: [mood]\nheld_out: {validation: {languages: [sw]}, report: {languages: [sw]}}",
            "must not be held out for validation too.*languages: sw",
        ),
    ],
)
def test_mistakes_in_the_file(world: World, text: str, message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        world.spec(f"name: x\n{text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: [mood]", "`name` must be a text"),
        ("- just\n- a list", "mapping is expected"),
        ("name: [x\n", "readable YAML"),
        ("name: !!python/object/apply:os.getcwd []\ntasks: [mood]", "readable YAML"),
    ],
)
def test_files_that_are_no_mixture(world: World, text: str, message: str) -> None:
    with pytest.raises(MixtureError, match=message):
        world.spec(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tasks: [mod]", "mood"),
        ("tasks: [{task: mood, languages: [se]}]", "se"),
        ("tasks: [{task: mood, exclude_languages: [dee]}]", "exclude_languages.*Did you mean: de"),
        ("tasks: [{task: mood, templates: [tel]}]", "tell"),
        ("tasks: [mood]\nheld_out: {report: {languages: [dd]}}", r"report\.languages.*`dd`.*de"),
        ("tasks: [mood]\nheld_out: {report: {clusters: [tagging]}}", r"report\.clusters"),
        ("tasks: [mood]\nheld_out: {validation: {tasks: [thing]}}", r"validation\.tasks"),
        ("tasks: [mood]\nheld_out: {validation: {pairs: ['mood:fr']}}", r"validation\.pairs"),
        ("tasks: [mood]\nheld_out: {report: {tasks: [mood]}}", "at least one cell to train on"),
    ],
)
def test_names_that_do_not_exist(world: World, text: str, message: str) -> None:
    with pytest.raises(MtftError, match=message):
        world.cells(world.spec(f"name: x\n{text}"))


def test_an_unknown_mixture_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="open_multilingual"):
        MixtureSpec.load("open_multilingul")
