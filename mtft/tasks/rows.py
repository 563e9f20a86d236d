"""A card's rows: records through its transforms, with ids, item groups and sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mtft.errors import TaskError
from mtft.synthetic import world
from mtft.tasks import expression
from mtft.tasks.card import CardFile
from mtft.tasks.context import Context, Fields, RowError
from mtft.tasks.division import SIDES
from mtft.tasks.expression import text_hash
from mtft.tasks.filtering import LEFT_OUT
from mtft.tasks.problems import Problems, Reporter
from mtft.tasks.raw import Record
from mtft.tasks.reach import Batch, Sources, read_split
from mtft.tasks.records import Row
from mtft.tasks.transforms import apply


def card_rows(card: CardFile, config: str, side: str, sources: Sources, reporter: Reporter) -> Iterator[Row]:
    """The rows of a configuration that the card's division puts on a side."""
    if card.source.kind == "synthetic":
        yield from _synthetic_rows(card, config, side, reporter)
        return
    for split in card.division.splits_of(side, card.splits):
        for row, pinned in _split_rows(card, config, split, sources, reporter):
            if card.division.place(row.item_group, side, pinned) == side:
                yield row


def published_rows(
    card: CardFile, config: str, splits: Sequence[str], sources: Sources, reporter: Reporter
) -> Iterator[Row]:
    """All rows of published splits of a configuration; the card's division does not matter."""
    for split in splits:
        for row, _ in _split_rows(card, config, split, sources, reporter):
            yield row


def lower_sides(card: CardFile, side: str, sources: Sources) -> frozenset[str]:
    """The item groups that an exclusive division keeps for the sides after this one, over all
    configurations.
    """
    if card.division.kind != "published" or not card.division.exclusive:
        return frozenset()
    return _groups_after(card, side, sources)


@lru_cache(maxsize=64)
def _groups_after(card: CardFile, side: str, sources: Sources) -> frozenset[str]:
    quiet = Reporter(Problems(), card.name)  # what is wrong is reported when these rows are asked for
    later = SIDES[SIDES.index(side) + 1 :]
    return frozenset(
        row.item_group
        for s in later
        for config in card.variants
        for row in card_rows(card, config, s, sources, quiet)
    )


def _synthetic_rows(card: CardFile, config: str, side: str, reporter: Reporter) -> Iterator[Row]:
    """The micro-world's rows; it divides them itself."""
    made = world(**card.source.world)
    language = card.language_of(config)
    context = Context(card.variants[config], card.labels, lambda _config, _column: {}, lambda _reason: None)
    revision = card.fingerprint
    for raw in made.rows(str(card.source.task), language, side):
        where = f"{card.name}/{language}/{side}#{raw['row_id']}"
        for fields in _transformed(card, raw["fields"], where, context, reporter):
            yield Row(fields, raw["row_id"], raw["item_group"], language, where, side, revision)


def _split_rows(
    card: CardFile, config: str, split: str, sources: Sources, reporter: Reporter
) -> Iterator[tuple[Row, str | None]]:
    """The rows of a published split, each with the side it is pinned to; an empty split is reported."""
    seen, missing, ids = 0, reporter.problems.count("missing_file"), set[str]()
    for batch in read_split(card, config, split, sources, reporter):
        for record in _chosen(card, batch, reporter):
            seen += 1
            for row, pinned in _rows_of(card, config, split, batch, record, sources, reporter):
                if row.row_id in ids:
                    reporter.drop(
                        "duplicate_row_id", row.where, f"`{row.row_id}` stands in this split already"
                    )
                else:
                    ids.add(row.row_id)
                    yield row, pinned
    if not seen and reporter.problems.count("missing_file") == missing:
        where = f"{card.name}/{config}/{split}"
        if card.may_lack(config, split):
            reporter.note("empty_split", where)
        else:
            reporter.drop("empty_split", where, "the split has no rows")


def _chosen(card: CardFile, batch: Batch, reporter: Reporter) -> Iterator[Record]:
    """The batch's records, or the best of them."""
    if card.best is None:
        return batch.records
    return card.best.of(batch.records, lambda record: reporter.note(LEFT_OUT, record.where))


def _rows_of(
    card: CardFile,
    config: str,
    split: str,
    batch: Batch,
    record: Record,
    sources: Sources,
    reporter: Reporter,
) -> Iterator[tuple[Row, str | None]]:
    """The rows that a record becomes; those that break a rule are reported."""
    context = Context(
        card.variants[config],
        card.labels,
        lambda other, column: _table(card, other, split, column, sources),
        lambda reason: reporter.note(reason, record.where),
    )
    place = {"dataset": card.dataset, "config": config, "split": split, "record": record.number}
    place |= {"language": card.language_of(config), "stem": batch.stem}
    prefix = f"{batch.stem}/" if batch.stem else ""
    for part, fields in enumerate(_transformed(card, record.values, record.where, context, reporter)):
        values = {**fields, **place}  # a column of such a name does not hide the place
        own_id = f"{prefix}{record.number}" + (f".{part}" if part else "")
        try:
            row_id = expression.evaluate(card.row_id, values) if card.row_id else own_id
            group = _group(card, values, fields)
            pinned = card.division.pinned_side(values)
        except KeyError as error:
            reporter.drop("missing_column", record.where, f"no column `{error.args[0]}` for an id or a side")
            continue
        kept = {name: fields[name] for name in card.columns} if card.columns else fields
        row = Row(kept, row_id, group, card.language_of(config), record.where, split, batch.revision)
        yield row, pinned


def _transformed(
    card: CardFile, values: Fields, where: str, context: Context, reporter: Reporter
) -> Iterator[Fields]:
    """The record after the card's transforms, checked; a record that breaks a rule is reported."""
    try:
        for fields in apply(card.steps, values, context):
            _check(card, fields)
            yield fields
    except RowError as error:
        reporter.drop(error.reason, where, str(error))


def _check(card: CardFile, fields: Mapping[str, Any]) -> None:
    wanted = ("inputs", "targets") if card.source.kind == "prompted" else card.columns
    if missing := [name for name in wanted if name not in fields]:
        raise RowError("missing_column", f"no column `{missing[0]}`; there are {', '.join(map(str, fields))}")
    if not _is_unicode(fields):
        raise RowError("not_unicode", "a value is not text in UTF-8")
    if card.source.kind == "prompted":
        _check_prompted(fields["inputs"], fields["targets"])


def _check_prompted(inputs: Any, targets: Any) -> None:
    if not isinstance(inputs, str) or not inputs.strip():
        raise RowError("empty_input", "`inputs` is empty or no text")
    several = targets if isinstance(targets, list) else [targets]
    if not several or not all(isinstance(target, str) and target.strip() for target in several):
        raise RowError("empty_target", "`targets` is empty or no text")


def _is_unicode(value: Any) -> bool:
    """Whether all text within a value can be written as UTF-8: no lone surrogate from broken bytes or
    escapes.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
        return True
    if isinstance(value, Mapping):
        return all(_is_unicode(item) for item in value.values())
    return all(_is_unicode(item) for item in value) if isinstance(value, list) else True


def _group(card: CardFile, values: Mapping[str, Any], fields: Fields) -> str:
    if card.item_group:
        return expression.evaluate(card.item_group, values)
    text = fields["inputs"] if card.source.kind == "prompted" else repr(sorted(fields.items()))
    return f"{card.name}/{text_hash(text)}"


@lru_cache(maxsize=64)
def _table(card: CardFile, config: str, split: str, column: str, sources: Sources) -> dict[str, Fields]:
    """The records of a split of another configuration, or of the one of that folder, by a column's value."""
    if config not in card.variants:
        return _table(card, _config_of_folder(card, config), split, column, sources)
    quiet = Reporter(Problems(), card.name)
    batches = read_split(card, config, split, sources, quiet)
    return {str(r.values[column]): r.values for batch in batches for r in batch.records if column in r.values}


def _config_of_folder(card: CardFile, folder: str) -> str:
    found = next((name for name, variant in card.variants.items() if variant.folder == folder), None)
    if found is None:
        raise TaskError("Another configuration must be the card's.", found=f"`{folder}`", where=card.path)
    return found


class _Itself(dict[str, Fields]):
    """The table of a sample's other configurations: its own record under every key."""

    def get(self, key: str, default: Any = None) -> Any:
        return self[""]


def sample_fields(card: CardFile, config: str | None = None) -> list[Fields]:
    """What templates see of the card's own sample record; empty where it has none.

    Args:
        card: The card.
        config: The configuration whose transforms apply; by default the first.

    Raises:
        TaskError: The sample breaks a rule that rows must hold.
    """
    if not card.sample:
        return []
    chosen = config if config is not None else next(iter(card.variants))
    itself = _Itself({"": dict(card.sample)})
    context = Context(card.variants[chosen], card.labels, lambda _name, _column: itself, lambda _reason: None)
    try:
        made = list(apply(card.steps, dict(card.sample), context))
        for fields in made:
            _check(card, fields)
    except RowError as error:
        raise TaskError(
            "A card's sample must be a record of its source.", found=str(error), where=f"{card.path} `sample`"
        ) from error
    return [{name: row[name] for name in card.columns} if card.columns else row for row in made]
