"""An order of rows and columns that no permutation of them changes, for cells that headers do not tell apart.

Lines are coloured by what stands in them, and again by the colours of the lines that cross them, until nothing
changes. Lines of one colour are then told apart by choosing one of them first; all choices are tried and the
caller keeps the text that sorts first. Source: McKay and Piperno 2014, "Practical graph isomorphism, II",
Journal of Symbolic Computation 60, sections 2.2 and 2.3 (refinement, individualisation, search tree).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

# Cells looked at in one table. Beyond, one choice is followed instead of all: the order then may depend on the
# source's, which happens only in tables made for it (equal values in a regular pattern, no headers).
MAX_LOOKS = 100_000

_Colors = tuple[list[int], list[int]]
_Side = list[list[tuple[int, int, Sequence[int]]]]  # of each line: (cell, label, the other side's lines)


class Incidence:
    """Which cells lie in which lines of two directions.

    Args:
        labels: What each cell says.
        spans: For each cell its lines of the first direction.
        others: For each cell its lines of the second.

    Attributes:
        lines: The lines of both directions, as given.
        sides: For both directions and each line the cells in it.
    """

    def __init__(
        self, labels: Sequence[str], spans: Sequence[Sequence[int]], others: Sequence[Sequence[int]]
    ) -> None:
        rank = {label: n for n, label in enumerate(sorted(set(labels)))}
        names = [rank[label] for label in labels]
        self.lines = tuple(sorted({line for span in both for line in span}) for both in (spans, others))
        first, second = ({line: n for n, line in enumerate(lines)} for lines in self.lines)
        compact = [[first[x] for x in span] for span in spans], [[second[x] for x in span] for span in others]
        self.sides = (_side(names, *compact), _side(names, *reversed(compact)))
        self.size = len(labels)


def _side(names: Sequence[int], own: Sequence[Sequence[int]], other: Sequence[Sequence[int]]) -> _Side:
    cells: dict[int, list[tuple[int, int, Sequence[int]]]] = defaultdict(list)
    for index, (name, span, crossing) in enumerate(zip(names, own, other, strict=True)):
        for line in span:
            cells[line].append((index, name, crossing))
    return [cells[line] for line in range(len(cells))]


def ordered_lines(incidence: Incidence, first: bool, second: bool) -> Iterator[tuple[list[int], list[int]]]:
    """Orders of both directions' lines, among which the caller takes the one with the least text.

    Args:
        incidence: The cells.
        first: Whether the first direction's lines keep their own order.
        second: Whether the second's do.
    """
    start = tuple(
        list(range(len(side))) if ordered else [0] * len(side)
        for side, ordered in zip(incidence.sides, (first, second), strict=True)
    )
    open_colors, looks = [start], 0
    while open_colors:
        colors, spent = _refined(incidence, open_colors.pop())  # type: ignore[arg-type]
        looks += spent
        colors = _twins_apart(incidence, colors)
        choices = _choices(colors)
        if choices:
            open_colors += choices if looks < MAX_LOOKS else choices[-1:]
            continue
        yield tuple(  # type: ignore[misc]
            [line for _, line in sorted(zip(shades, lines, strict=True))]
            for shades, lines in zip(colors, incidence.lines, strict=True)
        )
        if looks >= MAX_LOOKS:
            return


def _refined(incidence: Incidence, colors: _Colors) -> tuple[_Colors, int]:
    """The coarsest colours that tell apart what `colors` do and what crosses differently; cells looked at."""
    spent, before = 0, -1
    while (now := sum(len(set(shades)) for shades in colors)) != before:
        before = now
        colors = (_recolored(incidence.sides[0], *colors), colors[1])
        colors = (colors[0], _recolored(incidence.sides[1], *reversed(colors)))
        spent += 2 * incidence.size
    return colors, spent


def _recolored(side: _Side, own: Sequence[int], other: Sequence[int]) -> list[int]:
    signatures = [
        (color, sorted((label, sorted(other[line] for line in crossing)) for _, label, crossing in cells))
        for color, cells in zip(own, side, strict=True)
    ]
    return _ranks(signatures)


def _ranks(signatures: Sequence[tuple[int, list[tuple[int, list[int]]]]]) -> list[int]:
    order = sorted(range(len(signatures)), key=lambda n: signatures[n])
    ranks, rank = [0] * len(signatures), 0
    for at, n in enumerate(order):
        if at and signatures[n] != signatures[order[at - 1]]:
            rank = at
        ranks[n] = rank
    return ranks


def _twins_apart(incidence: Incidence, colors: _Colors) -> _Colors:
    """Lines with the same cells in the same crossing lines, told apart: any order of them gives one text."""
    return tuple(  # type: ignore[return-value]
        _shifted(side, shades) for side, shades in zip(incidence.sides, colors, strict=True)
    )


def _shifted(side: _Side, shades: Sequence[int]) -> list[int]:
    classes: dict[int, list[int]] = defaultdict(list)
    for line, color in enumerate(shades):
        classes[color].append(line)
    shifted = list(shades)
    for color, lines in classes.items():
        if len(lines) > 1 and len({_exact(side[line]) for line in lines}) == 1:
            for n, line in enumerate(lines):
                shifted[line] = color + n
    return shifted


def _exact(cells: Sequence[tuple[int, int, Sequence[int]]]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple(sorted((label, tuple(crossing)) for _, label, crossing in cells))


def _choices(colors: _Colors) -> list[_Colors]:
    """The colours with one line of the first class of several put before the others, for each such line."""
    for at, shades in enumerate(colors):
        counts = Counter(shades)
        shared = [color for color, count in counts.items() if count > 1]
        if not shared:
            continue
        color = min(shared)
        # a class of n lines leaves n - 1 colours free above its own
        changed = (
            [shade + (shade == color and n != line) for n, shade in enumerate(shades)]
            for line, own in enumerate(shades)
            if own == color
        )
        return [(shades_, colors[1]) if at == 0 else (colors[0], shades_) for shades_ in changed]
    return []
