"""The style `unified`: one form for tables, triples and meaning representations; docs/structured.md specifies it.

Titles, then each cell to tell with its headers, rows' and columns' alike. Where headers do not say which cells
share a row or column, groups and numbered lines do. What has no order is put into a canonical one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from mtft.structured.linearizers.lines import Incidence, ordered_lines
from mtft.structured.linearizers.markup import NO_VALUE, TITLE_ROLES, escaped, tag
from mtft.structured.linearizers.plan import Group, Item, Linearizer, Piece, Plan
from mtft.structured.linearizers.view import View, header_item, texts, title_item
from mtft.structured.table import Cell, Table, Title

_CELL, _HEADER, _GROUP, _LINE, _ROLE = map(tag, ("cell", "header", "group", "line", "role"))
_TITLES = {role: tag(role) for role in TITLE_ROLES}


class _Told:
    """A cell to tell.

    Attributes:
        cell: The cell.
        left: Its row headers' texts.
        above: Its column headers' texts.
        headers: All of them, sorted.
        value: The value with its tag.
    """

    __slots__ = ("above", "cell", "headers", "left", "value")

    def __init__(self, cell: Cell, left: Iterable[Cell], above: Iterable[Cell]) -> None:
        self.cell = cell
        self.left = texts(left)
        self.above = texts(above)
        self.headers = sorted([*self.left, *self.above])
        value = NO_VALUE if cell.value is None else escaped(cell.value)
        self.value = f"{_CELL} {value}" if value else _CELL

    def text(self) -> str:
        """The cell as it is told where it stands in no group."""
        return self.value + _headers(self.headers)

    def below(self, common: frozenset[str], rows: bool) -> str:
        """The cell as it is told in a group of rows, or of columns, that tells their `common` headers."""
        own, other = (self.left, self.above) if rows else (self.above, self.left)
        return self.value + _headers(sorted([*other, *(name for name in own if name not in common)]))


def _headers(names: Iterable[str]) -> str:
    return "".join([f" {_HEADER} {escaped(name)}" for name in names])


def _content(told: _Told) -> tuple[list[str], str]:
    return told.headers, told.value


class _Direction:
    """Rows, or columns, of the told cells.

    Attributes:
        rows: Whether they are rows.
        ordered: Whether their order means something.
        spans: For each told cell the lines it lies in.
        members: For each line the told cells in it.
        count: How many lines there are.
    """

    def __init__(self, told: Sequence[_Told], ordered: bool, rows: bool) -> None:
        self.rows = rows
        self.ordered = ordered
        self.spans = [_rows(each.cell) if rows else _columns(each.cell) for each in told]
        self._names = [_names(each, rows) for each in told]
        self.members: dict[int, set[int]] = defaultdict(set)
        for index, span in enumerate(self.spans):
            for line in span:
                self.members[line].add(index)
        self.count = len(self.members)

    def common(self, line: int) -> frozenset[str]:
        """The names that all cells of a line bear."""
        return frozenset.intersection(*[self._names[index] for index in self.members[line]])

    @cached_property
    def names(self) -> set[str]:
        """All names of its lines."""
        return set().union(*self._names)

    @cached_property
    def nameless(self) -> int:
        """How many of its lines no name is told of."""
        return sum(not any(self._names[index] for index in members) for members in self.members.values())

    @cached_property
    def unclear(self) -> frozenset[int]:
        """Its lines but those with names that all their cells bear, and no other cell bears them all."""
        if self.count < 2:
            return frozenset()
        holders: dict[str, set[int]] = defaultdict(set)
        for index, names in enumerate(self._names):
            for name in names:
                holders[name].add(index)
        bearers: dict[frozenset[str], set[int]] = {frozenset(): set()}
        unclear = []
        for line, members in self.members.items():
            common = self.common(line)
            if common not in bearers:
                bearers[common] = set.intersection(*sorted((holders[name] for name in common), key=len))
            if bearers[common] != members:
                unclear.append(line)
        return frozenset(unclear)


def _names(told: _Told, rows: bool) -> frozenset[str]:
    """The headers of a cell in one direction, and its own text where it is one."""
    heads, own = (told.left, told.cell.row_header) if rows else (told.above, told.cell.column_header)
    return frozenset([*heads, told.cell.text] if own else heads)


def _rows(cell: Cell) -> range:
    return range(cell.row, cell.row + cell.row_span)


def _columns(cell: Cell) -> range:
    return range(cell.column, cell.column + cell.column_span)


def plan(table: Table) -> Plan:
    """The table in the style `unified`."""
    view = View(table)
    told = sorted((_Told(cell, view.left(cell), view.above(cell)) for cell in view.told), key=_content)
    items: list[Item] = [title_item(title) for title in table.titles]
    parts: list[Piece | Group] = [
        Piece(told_title(title), (index,)) for index, title in enumerate(table.titles)
    ]
    for text in sorted(cell.text for cell in view.lone):
        parts.append(Piece(f"{_HEADER} {escaped(text)}", (len(items),)))
        items.append(header_item())
    groups, order = _arranged(table, told) if told else ([], [])
    place = {index: len(items) + at for at, index in enumerate(order)}
    items += [view.cell_item(told[index].cell) for index in order]
    for before, group in groups:
        pieces = [Piece(text, (place[index],)) for index, text in group]
        parts += [Group(pieces, before)] if before else pieces
    return Plan(items, Group(parts), view.omitted)


def told_title(title: Title) -> str:
    """A title with its tag; one of a role without a tag of its own names it."""
    own = _TITLES.get(title.role)
    text = f" {escaped(title.text)}" if title.text else ""
    return f"{own}{text}" if own else f"{_TITLES['title']}{text} {_ROLE} {escaped(title.role)}"


# The tag and headers of each group, and of its cells the index and the text; one without tag where all is told.
_Groups = list[tuple[str, list[tuple[int, str]]]]


def _arranged(table: Table, told: Sequence[_Told]) -> tuple[_Groups, list[int]]:
    """The told cells in groups, and their indices in the order in which they are first told."""
    if table.kind != "table" and not table.ordered_rows and not table.ordered_columns:
        return [("", [(index, each.text()) for index, each in enumerate(told)])], list(range(len(told)))
    rows = _Direction(told, table.ordered_rows, rows=True)
    columns = _Direction(told, table.ordered_columns, rows=False)
    choices = _groupings(table, rows, columns)
    if not choices:
        order = sorted(range(len(told)), key=_position(rows, columns))
        return [("", [(index, told[index].text()) for index in order])], order
    groups = min((_grouped(told, *choice) for choice in choices), key=_texts)
    return groups, list(dict.fromkeys(index for _, group in groups for index, _ in group))


def _texts(groups: _Groups) -> list[list[str]]:
    return [[before, *[text for _, text in group]] for before, group in groups]


def _position(rows: _Direction, columns: _Direction) -> Callable[[int], tuple[int, ...]]:
    """A cell's place in the directions that have an order; the rest is sorted already."""
    spans = [direction.spans for direction in (rows, columns) if direction.ordered]
    return lambda index: (*(span[index].start for span in spans), index)


def _groupings(table: Table, rows: _Direction, columns: _Direction) -> list[tuple[_Direction, _Direction]]:
    """The directions that may be grouped by, each with the other one; none where headers tell everything.

    Of two, the text that sorts first is taken, which no transposition changes.
    """
    if table.kind != "table":  # triples and slots are told by their headers alone
        return []
    if not rows.unclear and not columns.unclear:
        crossed = min(rows.count, columns.count) > 1 and rows.names & columns.names
        if not crossed:
            return []
    both = [(rows, columns), (columns, rows)]
    for rank in (_is_unclear, _nameless, _is_ordered):
        first, second = rank(rows), rank(columns)
        if first != second:
            return both[:1] if first > second else both[1:]
    return both[:1] if rows.ordered else both


def _is_unclear(direction: _Direction) -> bool:
    return bool(direction.unclear)


def _nameless(direction: _Direction) -> int:
    return direction.nameless


def _is_ordered(direction: _Direction) -> bool:
    return direction.ordered


def _grouped(told: Sequence[_Told], by: _Direction, other: _Direction) -> _Groups:
    """The cells grouped by one direction; lines of the other one that names leave unclear are numbered."""
    if not other.unclear:
        return _by_lines(told, by, other)
    if by.ordered and other.ordered:
        return _numbered(told, by, other, sorted(by.members), sorted(other.members))
    incidence = Incidence([t.text() for t in told], by.spans, other.spans)
    orders = ordered_lines(incidence, by.ordered, other.ordered)
    return min((_numbered(told, by, other, *lines) for lines in orders), key=_texts)


def _by_lines(told: Sequence[_Told], by: _Direction, other: _Direction) -> _Groups:
    """The groups; what has no order is sorted by its text."""
    groups = []
    for line in sorted(by.members):
        common = by.common(line)
        cells = [(told[index].below(common, by.rows), index) for index in by.members[line]]
        cells.sort(key=(lambda c: (other.spans[c[1]].start, c[0])) if other.ordered else None)
        groups.append((_GROUP + _headers(sorted(common)), [(index, text) for text, index in cells]))
    return groups if by.ordered else sorted(groups, key=lambda group: _texts([group]))


def _numbered(
    told: Sequence[_Told], by: _Direction, other: _Direction, lines: Sequence[int], others: Sequence[int]
) -> _Groups:
    """Groups in the order of `lines`; of `others`, the unclear ones are numbered from 1 in their order."""
    rank = {line: n for n, line in enumerate(others)}
    number = {line: n for n, line in enumerate((o for o in others if o in other.unclear), 1)}
    places = [sorted(rank[line] for line in span) for span in other.spans]
    tails = [
        "".join([f" {_LINE} {n}" for n in sorted(number[line] for line in span if line in number)])
        for span in other.spans
    ]

    def group(line: int) -> tuple[str, list[tuple[int, str]]]:
        common = by.common(line)
        members = sorted(by.members[line], key=lambda index: (places[index], index))
        cells = [(index, told[index].below(common, by.rows) + tails[index]) for index in members]
        return _GROUP + _headers(sorted(common)), cells

    return [group(line) for line in lines]


UNIFIED = Linearizer(
    "unified",
    1,
    plan,
    (*map(tag, (*TITLE_ROLES, "role", "header", "cell", "group", "line")), NO_VALUE),
)
