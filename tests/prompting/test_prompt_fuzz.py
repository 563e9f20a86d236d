"""Whatever stands in a file, a template or a row: an error of ours or a correct result, soon, and no side effect."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mtft.errors import MtftError, TemplateError
from mtft.prompting import Rendered, RenderError, Template, TemplateCollection, Truncation, read_templates

UUID = "6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11"
EXAMPLES = int(os.environ.get("MTFT_FUZZ_EXAMPLES", "80"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=20_000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

FILE = f"""dataset: demo
subset: null
templates:
  {UUID}: !Template
    answer_choices: yes ||| no
    id: {UUID}
    jinja: '{{{{ q }}}} ||| {{{{ answer_choices[label] }}}}'
    metadata: !TemplateMetadata
      choices_in_prompt: false
      languages: [en]
      metrics:
      - Accuracy
      original_task: true
    name: first
    reference: ''
    task_template: true
"""
HOSTILE = [
    "|||",
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "\x00",
    "\x1b[2J",
    "\u202e",
    "\u2067",
    "שלום",
    "\ufdd0",
    "\ud800",
    "\r\n",
]
TEXT = st.one_of(
    st.text(max_size=20),
    st.lists(st.sampled_from([*HOSTILE, "word", " ", "ا", "e\u0301"]), max_size=8).map("".join),
    st.sampled_from(["x" * 100_000, "a b " * 50_000, "|||" * 5_000, "{{" * 5_000]),
)
SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([5000, 70]).map(lambda n: 10**n),
    st.floats(),
    TEXT,
    st.binary(max_size=9),
)
KEYS = st.one_of(
    st.text(max_size=5), st.sampled_from(["a", "k", "items", "__class__", "answer_choices", "%budget"])
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.tuples(inner, inner)
    ),
    max_leaves=12,
)
ROW = st.dictionaries(
    st.one_of(st.sampled_from(["q", "a", "b", "label", "items", "x-y"]), KEYS), VALUE, max_size=6
)


def quietly_read(path: Path) -> None:
    message = str(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read_templates(path, cached=False)
        except TemplateError as error:
            message = str(error)
    assert str(path) in message
    assert len(message) < 5_000


@FUZZ
@given(
    content=st.one_of(st.binary(max_size=200), TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
)
@example(content=b"\xff\xfe\x00")
@example(content=b"? " * 5_000)
def test_any_bytes_as_a_template_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "templates.yaml"
    path.write_bytes(content)
    quietly_read(path)
    assert len(TemplateCollection.from_folder(tmp_path).keys()) == 1


YAML_PIECES = [
    "!!python/name:os.system ",
    "!Template ",
    "&a ",
    "*a",
    "- ",
    "? ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|",
    ">",
    "#",
    "'",
]


@FUZZ
@given(data=st.data())
def test_a_damaged_template_file(tmp_path: Path, data: st.DataObject) -> None:
    text = FILE
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.sampled_from([0, 1, 5, 40])))
        text = (
            text[:start]
            + data.draw(st.one_of(st.sampled_from(YAML_PIECES), st.text(max_size=4)))
            + text[end:]
        )
    path = tmp_path / "templates.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    before = sorted(tmp_path.iterdir())
    quietly_read(path)
    assert sorted(tmp_path.iterdir()) == before


NAMES = st.sampled_from(
    [
        "q",
        "a",
        "items",
        "label",
        "answer_choices",
        "loop",
        "range",
        "zip",
        "dict",
        "namespace",
        "ns",
        "missing",
    ]
)
FILTERS = st.sampled_from(
    [
        *(
            "abs",
            "capitalize",
            "choice",
            "default",
            "dictsort",
            "first",
            "float",
            "highlight",
            "int",
            "items",
            "join",
        ),
        *(
            "last",
            "length",
            "list",
            "lower",
            "map('upper')",
            "map(attribute='k')",
            "max",
            "min",
            "most_frequent",
        ),
        *(
            "random",
            "reject",
            "replace('a', q)",
            "reverse",
            "round(99)",
            "round(9999, 'ceil')",
            "select('eq', q)",
        ),
        *(
            "selectattr('k')",
            "sort",
            "string",
            "sum",
            "title",
            "trim",
            "truncate(3)",
            "unique",
            "upper",
            "wordcount",
        ),
        *("attr('__class__')", "tojson", "format(q, a)", "int(base=16)", "join(q)", "nothing"),
    ]
)
TAILS = st.sampled_from(
    [
        *(
            "[0]",
            "[-1]",
            "[label]",
            "[::-1]",
            "[:3]",
            ".k",
            ".__class__",
            "['__init__']",
            ".split()",
            ".append(1)",
        ),
        *(
            ".items()",
            ".index(q)",
            ".format(q)",
            ".pop()",
            "()",
            "(items)",
            "(3)",
            ".join(items)",
            " * 9",
            " ~ q",
        ),
        *(
            " + 1",
            " ** 99",
            " // 0",
            " % q",
            " == q",
            " in q",
            " is defined",
            " is eq(q)",
            " if label else q",
        ),
    ]
)
EXPRESSION = st.builds(
    lambda name, filters, tails: name + "".join(tails) + "".join(f" | {each}" for each in filters),
    st.one_of(NAMES, st.sampled_from(["'x'", "3", "[q, a]", "{'k': q}", "1.5", "none", "-label", "(q, a)"])),
    st.lists(FILTERS, max_size=3),
    st.lists(TAILS, max_size=3),
)
PIECE = st.one_of(
    EXPRESSION.map(lambda e: "{{ " + e + " }}"),
    EXPRESSION.map(lambda e: "{% if " + e + " %}yes{% else %}no{% endif %}"),
    EXPRESSION.map(lambda e: "{% for i in " + e + " %}{{ i }}{% endfor %}"),
    EXPRESSION.map(lambda e: "{% set q = " + e + " %}"),
    EXPRESSION.map(lambda e: "{% set ns = namespace(v=" + e + ") %}{% set ns.v = ns.v ~ ns.v %}{{ ns.v }}"),
    st.sampled_from(
        [
            "{% raw %}",
            "{% endraw %}",
            "{% block b %}",
            "{% include 'x' %}",
            "{% macro m() %}",
            "|||",
            "{{",
            "%}",
        ]
    ),
    TEXT,
)
SAMPLE = {"q": "a b c", "a": 2, "label": 1, "items": ["x", {"k": "v"}, None, [1, 2]]}


def rendered_or_refused(template: Template, row: Any, **chosen: Any) -> Rendered | None:
    rendered, message = None, ""
    try:
        rendered = template.render(row, **chosen)
    except MtftError as error:
        message = str(error)
    assert len(message) < 20_000
    assert rendered is None or isinstance(rendered, Rendered)
    return rendered


@FUZZ
@given(
    pieces=st.lists(PIECE, max_size=5),
    choices=st.one_of(st.none(), PIECE),
    compat=st.booleans(),
    cut=st.booleans(),
)
def test_any_text_as_a_template(pieces: list[str], choices: str | None, compat: bool, cut: bool) -> None:
    template = Template(UUID, "probe", " ||| ".join(pieces), choices)
    before = repr(SAMPLE)
    rendered_or_refused(template, SAMPLE, compat=compat, truncate=compat and cut)
    assert repr(SAMPLE) == before


PROBES = [
    ("{{ q }} ||| {{ answer_choices[label] }}", "{{ items | join('|||') }}"),
    (
        "{% for item in items %}{{ loop.index }} {{ item.k }}, {{ item['k'] }} {% endfor %} ||| {{ a.k[0] }}",
        None,
    ),
    ("{{ items | map(attribute='k') | unique | sort | join(q) }} ||| {{ a | int + label }}", "a ||| {{ b }}"),
    ("{{ q | replace(a, b) | truncate(9) | title }}{{ x_y }} ||| {{ items | most_frequent | first }}", None),
    ("{% if a == b or a in items %}{{ q * label }}{% endif %} ||| {{ q.split(a)[label] | trim }}", None),
    (
        "{% set _ = items.append(a) %}{{ items | length }} {{ '%s %s' % (a, b) }} ||| {{ items[label] | string }}",
        "1 ||| {{ a }}",
    ),
]


@FUZZ
@given(row=ROW, probe=st.sampled_from(PROBES), compat=st.booleans())
def test_any_row(row: dict[str, Any], probe: tuple[str, str | None], compat: bool) -> None:
    template = Template(UUID, "probe", *probe)
    before = repr(row) if not _huge(row) else None
    rendered_or_refused(template, row, compat=compat)
    assert before is None or repr(row) == before


def _huge(value: Any) -> bool:
    """Whether some integer is too long for Python to print."""
    if isinstance(value, dict):
        return any(map(_huge, value.values()))
    return (
        any(map(_huge, value))
        if isinstance(value, (list, tuple))
        else isinstance(value, int) and value >= 10**4000
    )


@FUZZ
@given(a=TEXT, b=TEXT, nested=st.booleans())
def test_a_rows_text_arrives_unchanged(a: str, b: str, nested: bool) -> None:
    a_place, b_place = ("v[0].k", "v[1]") if nested else ("a", "b")
    template = Template(UUID, "probe", f"In: {{{{ {a_place} }}}}. ||| {{{{ {b_place} }}}}")
    row = {"v": [{"k": a}, b]} if nested else {"a": a, "b": b}
    try:
        rendered = template.render(row)
    except RenderError as error:
        refused = error.fault
    else:
        assert rendered == (f"In: {a}.", (b.strip(),), None)
        return
    assert refused == ("reserved_text" if {"\ufdd0", "\ufdd1"} & {*a, *b} else "empty_target")


@FUZZ
@given(text=TEXT, most=st.integers(-2, 40))
def test_any_text_is_shortened_or_refused(text: str, most: int) -> None:
    template = Template(UUID, "probe", "In: {{ q }} ||| x")
    try:
        rendered, cut = template.fit({"q": text}, Truncation("q", most, lambda made: len(made) // 3))
    except RenderError as error:
        refused = error.fault
    else:
        assert rendered is not None
        assert len(rendered.inputs) // 3 <= most
        assert f"In: {text}".startswith(rendered.inputs)
        assert (cut > 0) <= (len(rendered.inputs) < len(f"In: {text}"))
        return
    assert refused in ("too_long", "reserved_text")


@pytest.mark.parametrize(
    "row", [None, [], "text", 3, {1: 2}, {"q": object()}, {"q": type}, {"q": open}, {None: None}]
)
@pytest.mark.parametrize("compat", [False, True])
def test_rows_that_are_none(row: Any, compat: bool) -> None:
    rendered_or_refused(
        Template(UUID, "probe", "{{ q }} {{ q.k }} {{ q() }} ||| {{ q[0] }}"), row, compat=compat
    )


def test_a_row_deeper_than_pythons_stack() -> None:
    deep: Any = "leaf"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RenderError):
        Template(UUID, "probe", "{{ q }} ||| {{ missing }}").render({"q": deep})
    with pytest.raises(RenderError):
        Template(UUID, "probe", "{% set _ = q.append(1) %}{{ q }} ||| x").render({"q": deep})
    del deep


def test_a_row_that_holds_itself() -> None:
    loop: dict[str, Any] = {"k": "v"}
    loop["self"] = loop
    for jinja in ("{{ q }} ||| x", "{{ q == q }} ||| {{ q.self.self.k }}", "{{ q | string }} ||| x"):
        for compat in (False, True):
            rendered_or_refused(Template(UUID, "probe", jinja), {"q": loop}, compat=compat)
