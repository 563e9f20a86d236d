"""The files of an export to lm-evaluation-harness."""

from __future__ import annotations

import io
import json
import re
import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pa_json
import pyarrow.parquet as pq
import yaml

from mtft.errors import RunError
from mtft.evaluation.lm_eval_tasks import Row

MANIFEST, BASE = "export.json", "_data"


def slug(text: str) -> str:
    """The text as part of a name that file systems and the harness's patterns take: `a-z`, `0-9`, `_`.

    Example: `slug("C1 or C2? premise")` is `"c1_or_c2_premise"`.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def write_rows(stem: Path, rows: Sequence[Row]) -> Path:
    """Where a task's rows stand now: JSON Lines, or Parquet where a reader of JSON would change their texts."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    lines = [_line(row) for row in rows]
    if texts_stay_texts(lines[0]):
        path = stem.with_name(f"{stem.name}.jsonl")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        path = stem.with_name(f"{stem.name}.parquet")
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def _line(row: Row) -> str:
    """A row as JSON; half a character, which no file can hold, is written as its code."""
    text = json.dumps(row, ensure_ascii=False)
    return text if text.encode("utf-8", "ignore").decode() == text else json.dumps(row)


def texts_stay_texts(line: str) -> bool:
    """Whether Arrow's reader of JSON, which `datasets` uses, leaves a row's texts as they are.

    Where all texts of a column look like dates it makes them times: a column is safe if its first row is.
    """
    schema = pa_json.read_json(io.BytesIO(line.encode())).schema
    inner = [field.type.value_type if pa.types.is_list(field.type) else field.type for field in schema]
    return not any(map(pa.types.is_temporal, inner))


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Writes a file of the harness's configuration."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, encoding="utf-8")


def clear(folder: Path) -> None:
    """Makes the folder, or empties it of an earlier export.

    Raises:
        RunError: It holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / MANIFEST
    if not known.is_file() and any(folder.iterdir()):
        raise RunError(
            "An export's folder must be empty, or hold an earlier export.",
            found=", ".join(sorted(path.name for path in folder.iterdir())[:5]),
            where=folder,
        )
    if known.is_file():
        for path in ("tasks", "data"):
            shutil.rmtree(folder / path, ignore_errors=True)
        for file in (known, folder / BASE, *folder.glob("mtft_*.yaml")):
            file.unlink(missing_ok=True)
