"""The rows of a translation sheet, one per segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from mtft.prompting.template import Template
from mtft.prompting.translation.segments import Segment, segments_of

_WORDS = {
    "input": "line {} of the prompt",
    "target": "line {} of the answer",
    "choice": "choice {} of {}",
    "string": "a string within code",
}


@dataclass(frozen=True)
class SheetRow:
    """One segment on a sheet.

    Attributes:
        dataset: `dataset` or `dataset/subset`.
        template: The source template's id.
        name: Its name.
        segment: The segment's id.
        key: Equal for the choices of one set, which are translated together; else empty.
        source_language: Code of the language translated from.
        language: Code of the language translated into.
        source: Words with tags.
        target: The translation; empty until it is made.
        context: Where the segment stands.
        note: What its tags stand for.
        version: Of the source template; a sheet of another version is refused.
        origin: Who translated it; empty for what the import says.
        row: Of the sheet, for messages.
    """

    dataset: str
    template: str
    name: str
    segment: str
    key: str
    source_language: str
    language: str
    source: str
    target: str = ""
    context: str = ""
    note: str = ""
    version: str = ""
    origin: str = ""
    row: int = 0


def sheet_rows(dataset: str, template: Template, language: str) -> list[SheetRow]:
    """The rows of one template: its lines, then its choices one after another, then strings in code.

    Raises:
        TemplateError: The template's code is not closed.
    """
    segments = segments_of(template)
    choices = [segment.source for segment in segments if segment.part == "choice"]
    return [
        SheetRow(
            dataset,
            template.id,
            template.name,
            segment.id,
            f"choices-{_hash(template.answer_choices or '')[:8]}" if segment.part == "choice" else "",
            template.language,
            language,
            segment.source,
            context=_context(segment, choices),
            note=_note(segment),
            version=version_of(template),
        )
        for segment in segments
    ]


def version_of(template: Template) -> str:
    """A hash of what is translated."""
    return _hash(repr((template.jinja, template.answer_choices)))


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _context(segment: Segment, choices: Sequence[str]) -> str:
    where = _WORDS[segment.part].format(segment.number, len(choices))
    if segment.part == "choice":
        return f"{where}; all: {' | '.join(choices)}; keep them different and of one style"
    return where


def _note(segment: Segment) -> str:
    return "; ".join(f"{tag} is {' '.join(tag.source.split())}" for tag in segment.tags)
