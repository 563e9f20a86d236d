"""Templates are untrusted: they reach nothing but their values, and cost a bounded amount."""

from __future__ import annotations

import time

import pytest

from mtft.errors import TemplateError
from mtft.prompting import RenderError, Template
from mtft.prompting.budget import MAX_CHARACTERS

ROW = {"s": "abc", "l": ["a", "b"], "d": {"k": "v"}, "n": 3}


def render(jinja: str) -> object:
    return Template("6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11", "probe", jinja + " ||| x").render(ROW)


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ s.__class__ }}",
        "{{ s['__class__'] }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ d.__init__.__globals__ }}",
        "{{ l | map(attribute='__class__') | list }}",
        "{{ l | map(attribute='__class__.__base__') | join }}",
        "{{ s.join.__self__ }}",
        "{{ s.encode() }}",
        "{{ '{0.__class__}'.format(s) }}",
        "{{ '{a.__class__}'.format_map({'a': s}) }}",
        "{{ range.__globals__ }}",
        "{{ zip.__self__ }}",
        "{{ dict.fromkeys(l) }}",
        "{{ dict.mro() }}",
        "{{ dict['__base__'] }}",
        "{{ namespace.__init__ }}",
        "{{ namespace(a=1).__class__ }}",
        "{{ namespace(a=1)._Namespace__attrs }}",
        "{% for i in l %}{{ loop.__init__.__globals__ }}{% endfor %}",
        "{% for i in l %}{{ loop._iterable }}{% endfor %}",
        "{{ (s is defined).__class__ }}",
        "{{ n.__class__ }}",
        "{{ typo.__class__ }}",
        "{{ self }}",
        "{{ cycler }}",
        "{{ lipsum(1) }}",
        "{{ s | attr('__class__') }}",
        "{{ l | map('attr', '__class__') | list }}",
        "{{ s | tojson }}",
        "{% include 'x' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import path %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% call s() %}{% endcall %}",
        "{% for i in l recursive %}{{ loop(l) }}{% endfor %}",
        "{{ l() }}",
        "{{ 'a'() }}",
    ],
)
def test_nothing_outside_the_row_is_reached(jinja: str) -> None:
    with pytest.raises(TemplateError):
        render(jinja)


def test_the_compatible_mode_is_sandboxed_too() -> None:
    probe = Template("6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11", "probe", "{{ s.__class__.__mro__ }} ||| x")
    with pytest.raises(RenderError):
        probe.render(ROW, compat=True)


DOUBLING = "{% set ns = namespace(v=START) %}{% for i in range(60) %}{% set ns.v = NEXT %}{% endfor %}"


def doubled(start: str, following: str, then: str) -> str:
    return DOUBLING.replace("START", start).replace("NEXT", following) + then


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ 'a' * 10 ** 9 }}",
        "{{ 1000000000 * 'a' }}",
        "{{ [1] * 10 ** 9 }}",
        "{{ 9 ** 99999 }}",
        "{{ 2 ** 100000 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ '%0999999999d' | format(1) }}",
        "{{ '%*d' | format(999999999, 1) }}",
        "{{ '%(a)0999999999d' | format(a=1) }}",
        "{{ '%.999999999f' % 1.0 }}",
        "{{ ('%s' * 100000) % (('a' * 1000000,) * 100000) }}",
        "{{ ('%(a)s' * 100000) % {'a': 'a' * 1000000} }}",
        "{{ ('%(a)s' * 100000) | format(a='a' * 1000000) }}",
        "{% for i in range(10 ** 9) %}a{% endfor %}",
        "{{ range(10 ** 9) | list }}",
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        "{% for i in range(9999) %}{% for j in 'abcdefghijklmnopqrstuvwxyz' * 9 %}{% endfor %}{% endfor %}",
        "{% set s %}{% for i in range(200000) %}" + "a" * 60 + "{% endfor %}{% endset %}{{ s | length }}",
        "{% for i in range(200000) %}{{ '" + "a" * 60 + "' }}{% endfor %}",
        "{{ 'a'.replace('', 'b' * 4000000).replace('', 'c' * 4000000) }}",
        "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}",
        "{{ range(200000) | join('a' * 1000000) }}",
        "{{ ('a' * 1000000).join(range(200000)) }}",
        "{{ ([[1] * 100000] * 100000) | sum(start=[]) }}",
        "{% set x = [1] %}{% for i in range(40) %}{% set _ = x.extend(x) %}{% endfor %}",
        "{% set x = [1] %}{% set _ = x.append(x) %}{{ x }}",
        doubled("'ab'", "ns.v + ns.v", "{{ ns.v }}"),
        doubled("'ab'", "ns.v ~ ns.v", "{{ ns.v }}"),
        doubled("['ab']", "[ns.v, ns.v]", "{{ ns.v }}"),
        doubled("['ab']", "[ns.v, ns.v]", "{{ ns }}"),
        doubled("['ab']", "[ns.v, ns.v]", "{{ '%s' % [ns.v] }}"),
        doubled("['ab']", "[ns.v, ns.v]", "{{ ns.v | upper }}"),
        doubled("['ab']", "[ns.v, ns.v]", "{{ dict(a=ns.v).items() }}"),
        doubled("['ab']", "[ns.v, ns.v]", "{{ ns.v == [ns.v, 1] }}"),
        doubled("['ab']", "[ns.v, ns.v]", "{{ [ns.v] | sort }}"),
    ],
)
def test_no_template_takes_the_machine(jinja: str) -> None:
    start = time.process_time()
    with pytest.raises(RenderError) as caught:
        render(jinja)
    assert caught.value.fault in ("limit", "failed")
    assert time.process_time() - start < 10


BIG = {"text": "ab " * 300_000, "words": [str(n) for n in range(1000)], "records": [{"k": "v"}] * 1000}


@pytest.mark.parametrize(
    "step",
    [
        "dict(zip(words, words))",
        "zip(words, words) | list",
        "records | map(attribute='k') | list",
        "records | string | length",
        "range(1000) | sum",
        "words | most_frequent",
        "text ~ text",
        "text + text",
        "text[1:]",
        "'x' | replace('x', text)",
        "'%s' % text",
        "text is eq(text)",
        "text is in(text)",
        "text is lower",
        "'a' * 1000000",
        "dict(a=1).update(dict(zip(words, words)))",
    ],
)
def test_what_is_read_or_made_again_and_again_is_counted(step: str) -> None:
    jinja = "{% for i in range(200000) %}{% set x = STEP %}{% endfor %} ||| x".replace("STEP", step)
    start = time.process_time()
    with pytest.raises(RenderError, match="steps"):
        Template("6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11", "probe", jinja).render(BIG)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ 1 | round(999999999, 'ceil') }}",
        "{{ ('1' * 4000000) | int(0, 2) // 7 }}",
        "{{ 2 ** 4000 // 3 ** 4000 }}",
    ],
)
def test_numbers_stay_small(jinja: str) -> None:
    with pytest.raises(RenderError) as caught:
        render(jinja)
    assert caught.value.fault == "limit"


def test_a_loop_that_appends_to_its_own_list_ends() -> None:
    rendered = render(
        "{% set x = [1] %}{% for i in x %}{% set _ = x.append(1) %}{% endfor %}{{ x | length }}"
    )
    assert rendered == ("2", ("x",), None)


def test_ordinary_long_rows_fit() -> None:
    jinja = "{% for w in words %}{{ w }} {% endfor %} ||| {{ words | join(' ') | length }}"
    probe = Template("6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11", "probe", jinja)
    rendered = probe.render({"words": ["word"] * 100_000})
    assert rendered is not None
    assert len(rendered.inputs) == 499_999 < MAX_CHARACTERS
