"""Which template is a translation of which.

A template is the translation of

1. the template that its card names: `templates: {<id>: {translation_of: <id of the source>}}`,
2. else the one that its reference names: `translation of <id of the source>`,
3. else the one of the same dataset whose name its own continues by its language, `how_certain_sw` (or
   `how_certain_swmt`, `_swht`: machine and human translations of the public collections), or, in another
   file of the dataset, of the same name in another language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mtft import languages
from mtft.errors import TaskError
from mtft.prompting.template import Template

_REFERENCE = re.compile(r"\btranslation of `?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)
_SUFFIX = re.compile(r"^(?P<stem>.+)_(?P<code>[A-Za-z]{2,3}(?:_[A-Za-z]{4})?)(?P<how>mt|ht)?$")


class Named(NamedTuple):
    """What a name such as `how_certain_sw` says.

    Attributes:
        stem: The source's name.
        language: Code of the language.
        public: Whether it ends as the translations of the public collections do, `_swmt`.
    """

    stem: str
    language: str
    public: bool


def named_language(name: str) -> Named | None:
    """The stem and the language of a name that ends in one; None for other names."""
    found = _SUFFIX.match(name)
    if found is None:
        return None
    base, _, script = found["code"].partition("_")
    try:
        code = languages.canonical(f"{base}_{script.title()}" if script else base)
    except TaskError:
        return None
    return Named(found["stem"], code, found["how"] is not None)


def language_of(template: Template) -> str | None:
    """The language a template is in: by its metadata, else by its name; None where neither says."""
    if template.metadata.languages:
        return template.metadata.languages[0]
    named = named_language(template.name)
    return named.language if named else None


def paired(
    templates: Iterable[Template], others: Iterable[Template], translation_of: Mapping[str, str]
) -> dict[str, Template]:
    """Id of a translated template → its source.

    Args:
        templates: Those to find sources for.
        others: Further templates of the dataset, which may be sources.
        translation_of: What the card says, id → id.
    """
    listed = list(templates)
    pool = [*listed, *others]
    by_id = {template.id: template for template in reversed(pool)}
    by_name: dict[str, list[Template]] = {}
    for template in pool:
        by_name.setdefault(template.name, []).append(template)
    found = {template.id: _source(template, by_id, by_name, translation_of) for template in listed}
    return {uuid: source for uuid, source in found.items() if source is not None}


def _source(
    template: Template,
    by_id: Mapping[str, Template],
    by_name: Mapping[str, list[Template]],
    translation_of: Mapping[str, str],
) -> Template | None:
    said = translation_of.get(template.id)
    if said is None and (reference := _REFERENCE.search(template.reference)):
        said = reference.group(1)
    if said is not None:
        return by_id.get(said)
    named, language = named_language(template.name), language_of(template)
    if named is not None and named.stem in by_name and (named.public or named.language == language):
        return next((other for other in by_name[named.stem] if language_of(other) != named.language), None)
    return _namesake(by_name[template.name], language)


def _namesake(templates: Iterable[Template], language: str | None) -> Template | None:
    """The English template of that name, for one in another language."""
    if language in (None, "en"):
        return None
    return next((t for t in templates if language_of(t) == "en"), None)
