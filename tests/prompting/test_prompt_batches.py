"""Rows by the batch, through `datasets.map` and its processes."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest

from mtft.errors import TemplateError
from mtft.prompting import BatchRenderer, RenderError, Template

PROBE = Template(
    "6b1f8a52-6f2b-4a53-9d3e-6a4c1f1f0b11",
    "probe",
    "{% if q %}{{ ['So', 'Now', 'Well'] | choice }}: {{ q }} ||| {{ answer_choices[label] }}{% endif %}",
    "no ||| yes",
)
COLUMNS = {"q": ["first?", "", "third?", "fourth?"], "label": [0, 1, 7, 1]}


def test_a_batch_is_its_rows_in_order_with_errors_in_place() -> None:
    names = ["a", "b", "c", "d"]
    first, blank, error, last = PROBE.render_batch(COLUMNS, example_ids=names, seed=3)
    assert first == PROBE.render({"q": "first?", "label": 0}, example_id="a", seed=3)
    assert blank is None
    assert isinstance(error, RenderError)
    assert "example c" in str(error)
    assert last == PROBE.render({"q": "fourth?", "label": 1}, example_id="d", seed=3)


def test_columns_must_be_equally_long() -> None:
    with pytest.raises(TemplateError, match="label 1"):
        PROBE.render_batch({"q": ["a", "b"], "label": [0]})
    assert PROBE.render_batch({"q": [], "label": []}) == []


def test_a_renderer_gives_one_row_for_one_row_with_the_reason_of_what_is_missing() -> None:
    made = BatchRenderer(PROBE)(COLUMNS, [0, 1, 2, 3])
    assert made["skipped"] == [None, "blank", "index_range", None]
    assert made["targets"] == [["no"], None, None, ["yes"]]
    assert made["answer_choices"][0] == ["no", "yes"]
    with pytest.raises(RenderError, match="example 2"):
        BatchRenderer(PROBE, strict=True)(COLUMNS, [0, 1, 2, 3])


def test_ids_come_from_a_column_or_the_indices() -> None:
    columns = {**COLUMNS, "id": ["r1", "r2", "r3", "r4"]}
    made = BatchRenderer(PROBE, seed=1, id_column="id")(columns)
    expected = PROBE.render({"q": "first?", "label": 0}, example_id="r1", seed=1)
    assert expected is not None
    assert made["inputs"][0] == expected.inputs


def test_datasets_map_gives_the_same_in_two_processes() -> None:
    datasets = pytest.importorskip("datasets")
    rows: dict[str, list[Any]] = {
        "q": [f"q{n}" if n % 7 else "" for n in range(60)],
        "label": [n % 3 for n in range(60)],
    }
    data = datasets.Dataset.from_dict(rows)
    PROBE.render({"q": "compiled before it is sent", "label": 0})
    made = [
        data.map(
            BatchRenderer(PROBE, seed=4),
            batched=True,
            batch_size=size,
            with_indices=True,
            num_proc=processes,
            remove_columns=data.column_names,
            load_from_cache_file=False,
        )
        for size, processes in ((7, None), (16, 2))
    ]
    assert made[0][:] == made[1][:]
    assert Counter(made[0]["skipped"]) == {None: 34, "index_range": 17, "blank": 9}
    assert made[0]["inputs"][1] == PROBE.render({"q": "q1", "label": 1}, example_id="1", seed=4).inputs  # type: ignore[union-attr]


def test_a_renderer_pickles() -> None:
    copy = pickle.loads(pickle.dumps(BatchRenderer(PROBE, seed=2)))
    assert copy(COLUMNS, [0, 1, 2, 3]) == BatchRenderer(PROBE, seed=2)(COLUMNS, [0, 1, 2, 3])
