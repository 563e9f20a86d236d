"""Parsed template files, kept between processes: JSON under the file's content hash.

An entry's first line is the hash of the rest; an entry that does not match it, or does not have the expected
form, is as good as none. Nothing in an entry is ever executed.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mtft.prompting.parsed import TemplateFile
from mtft.prompting.template import Template, TemplateMetadata
from mtft.resources import cache_folder

# Raise it when the same file is parsed into something else, or refused.
FORMAT = 1
MAX_BYTES = 2**26


def load(content: bytes, path: Path) -> TemplateFile | None:
    """The parsed file of this content, as if it stood at `path`; None where it is not cached."""
    try:
        digest, _, body = _entry(content).read_bytes()[:MAX_BYTES].partition(b"\n")
        if digest.decode() != _hash(body):
            return None
        dataset, subset, templates, legacy = json.loads(body)
        return TemplateFile(
            dataset,
            subset,
            tuple(_template(values, path) for values in templates),
            tuple((name, line) for name, line in legacy),
        )
    except (OSError, ValueError, TypeError, RuntimeError, RecursionError):
        return None


def store(content: bytes, file: TemplateFile) -> None:
    """Keep the parsed file of this content; where that fails, the next reader parses again."""
    templates = [_values(template) for template in file.templates]
    # Surrogates, which YAML can write as escapes, are no UTF-8; ASCII JSON escapes them.
    body = json.dumps([file.dataset, file.subset, templates, file.legacy]).encode()
    with suppress(OSError, RuntimeError):
        entry = _entry(content)
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary = entry.with_name(f".{entry.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            temporary.write_bytes(_hash(body).encode() + b"\n" + body)
            temporary.replace(entry)
        finally:
            temporary.unlink(missing_ok=True)


def _entry(content: bytes) -> Path:
    return cache_folder() / "templates" / f"{_hash(content, FORMAT)}.json"


def _hash(content: bytes, version: int = 0) -> str:
    return blake2b(content, digest_size=16, salt=version.to_bytes(8, "big")).hexdigest()


def _values(template: Template) -> list[Any]:
    data = template.metadata
    said = (data.choices_in_prompt, data.languages, data.metrics, data.original_task)
    line = int(template.where.rpartition(":")[2])
    return [
        *(template.id, template.name, template.jinja, template.answer_choices, template.reference),
        *(said, line),
    ]


def _template(values: list[Any], path: Path) -> Template:
    uuid, name, jinja, choices, reference, (shown, languages, metrics, original), line = values
    metadata = TemplateMetadata(shown, tuple(languages), tuple(metrics), original)
    return Template(uuid, name, jinja, choices, reference, metadata, f"{path}:{line}")
