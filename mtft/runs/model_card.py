"""A run's model card: what its own records say, in the form that the Hugging Face Hub reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from mtft.errors import ConfigError
from mtft.reporting import Results, headline, score_tables, tables
from mtft.reporting.markdown import escaped, table_text
from mtft.reporting.plain import tables_of
from mtft.reporting.tables import Table
from mtft.reporting.wording import Scales
from mtft.runs.card_facts import RunFacts, read_facts
from mtft.runs.card_tables import data_tables, training_tables
from mtft.runs.card_wording import Form, held_out, licence_text, limits, summary, usage
from mtft.runs.folder import write_atomically

CARD = "README.md"
MAX_SCORES = 200
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_LEFT_TO_THE_REPORT = (
    "gain over base",
    "worst–best template",
    "majority",
    "templates",
    "prompts agree",
    "groups",
    "unscored",
)


def write_card(run: Path, folder: Path | None = None, form: Form | None = None, licence: str = "") -> Path:
    """The path of the card, written from the run's records, over one that is there.

    Args:
        run: The run's folder.
        folder: Where the card goes; by default into the run's folder.
        form: What lies beside the card; by default what the run's folder holds.
        licence: The Hub's name of a licence, such as `apache-2.0`; without it the card states none.

    Raises:
        RunError: There is no finished training, or a record is malformed.
        ConfigError: The licence is no name.
    """
    facts = read_facts(run)
    text = model_card(facts, form or ("adapter" if facts.adapter else "model"), licence)
    path = (folder or run) / CARD
    write_atomically(path, text)
    return path


def model_card(facts: RunFacts, form: Form, licence: str = "") -> str:
    """The card: YAML front matter, then Markdown; every value from the records is escaped.

    Raises:
        ConfigError: The licence is no name.
    """
    check_licence(licence)
    front = yaml.safe_dump(_front_matter(facts, form, licence), sort_keys=False, allow_unicode=True)
    versions = facts.results.reproduce.get("versions") if facts.results is not None else None
    blocks = [
        f"# {escaped(_title(facts))}",
        escaped(summary(facts, form)),
        "## Use",
        usage(facts, form),
        *_section("Training data", data_tables(facts), held_out(facts)),
        *_section("Training", training_tables(facts)),
        *_evaluation(facts.results),
        "## Limits",
        "\n".join(f"- {escaped(line)}" for line in limits(facts)),
        "## Licences",
        escaped(licence_text(facts, licence)),
        *_section("Made with", tables_of("versions", "", versions)),
    ]
    return f"---\n{front}---\n\n" + "\n\n".join(block for block in blocks if block) + "\n"


def check_licence(licence: str) -> None:
    """Refuse what is no name of a licence; none is allowed.

    Raises:
        ConfigError: It is not.
    """
    if licence and not _LICENCE.fullmatch(licence):
        rule = "A licence must be a name that the Hub knows, in lower case."
        raise ConfigError(rule, found=f"`{licence}`", remedy="Such as apache-2.0.")


def _front_matter(facts: RunFacts, form: Form, licence: str) -> dict[str, Any]:
    relation = "adapter" if form == "adapter" else "finetune"
    found: dict[str, Any] = {
        "library_name": "peft" if form == "adapter" else "transformers",
        "language": facts.language_codes,
        "license": licence,
        "base_model": facts.base_id,
        "base_model_relation": relation if facts.base_id else None,
        "datasets": facts.dataset_ids,
        "tags": ["mtft", "multitask", "prompt-finetuning"],
    }
    return {name: value for name, value in found.items() if value}


def _title(facts: RunFacts) -> str:
    mixture = facts.mixture.get("name") or facts.settings.get("mixture")
    return f"{facts.base_name} finetuned on {Path(str(mixture)).stem}" if mixture else facts.base_name


def _section(title: str, found: list[Table], note: str = "") -> Iterator[str]:
    shown = [table for table in found if table.rows]
    if shown or note:
        yield f"## {title}"
    for table in shown:
        parts = (f"**{escaped(table.title)}**" if table.title else "", table_text(table), escaped(table.note))
        yield "\n\n".join(part for part in parts if part)
    yield escaped(note)


def _evaluation(results: Results | None) -> Iterator[str]:
    if results is None:
        return
    scales = Scales(results)
    scores = score_tables.scores(results, scales)
    for column in _LEFT_TO_THE_REPORT:
        if column in scores.columns:
            scores = tables.without(scores, column)
    cut = f"The first {MAX_SCORES} of {len(scores.rows):,} cells. " if len(scores.rows) > MAX_SCORES else ""
    yield "## Evaluation"
    yield escaped(_suite(results))
    yield table_text(tables.averages(results, scales))
    yield table_text(replace(scores, rows=scores.rows[:MAX_SCORES]))
    yield escaped(f"{cut}Scores are those of the median template. {headline.rule(results)}")


def _suite(results: Results) -> str:
    suite, limit = results.suite, results.suite.get("max_items_per_cell")
    items = "all items" if limit is None else f"at most {limit} items"
    return f"Suite {suite.get('name')}, protocol {suite.get('protocol')}, {items} per task and language."
