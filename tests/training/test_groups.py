"""What balancing treats as one."""

from __future__ import annotations

import pytest

from mtft.errors import ConfigError
from mtft.training.groups import groups_of


class Cells:
    """A source that knows its cells."""

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        cells = {("qa", "en"): "reading", ("qa", "sw"): "reading", ("nli", "en"): "inference"}
        part = {"task": 0, "language": 1}
        return {cell: cells[cell] if by == "cluster" else cell[part[by]] for cell in cells}


@pytest.mark.parametrize(
    ("by", "names", "numbers"),
    [
        ("task", ("nli", "qa"), [1, 0, -1, 1]),
        ("language", ("en", "sw"), [0, 0, -1, 1]),
        ("cluster", ("inference", "reading"), [1, 0, -1, 1]),
    ],
)
def test_examples_have_the_number_of_their_group(by: str, names: tuple[str, ...], numbers: list[int]) -> None:
    found = groups_of(Cells(), by)
    assert found.names == names
    assert found.numbers(["qa", "nli", "", "qa"], ["en", "en", "", "sw"]) == numbers


def test_a_source_that_does_not_know_its_groups_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a source that knows its tasks"):
        groups_of([1, 2], "task")
    with pytest.raises(ConfigError, match="must be one of task, language, cluster"):
        groups_of(Cells(), "tasks")
