"""The sentences of a model card, each one read from the run's records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from mtft.reporting import headline
from mtft.reporting.wording import plural
from mtft.runs.card_facts import RunFacts, is_generated

Form = Literal["model", "adapter", "merged"]
MAX_HELD_OUT = 30
_FAMILIES = {"mt5": "mT5", "bloom": "BLOOM"}
_WAYS = {
    "lora": " with LoRA",
    "ia3": " with IA3",
    "prompt_tuning": " by prompt tuning",
    "bitfit": ", of the biases alone (BitFit),",
}


def summary(facts: RunFacts, form: Form) -> str:
    """What the model is."""
    return " ".join(_summary(facts, form))


def _summary(facts: RunFacts, form: Form) -> Iterator[str]:
    family = _FAMILIES.get(facts.family, facts.family)
    base = (
        f"{family} of the built-in size {facts.base_name}, which began from random weights"
        if facts.is_built_in
        else facts.base_name
    )
    way = _WAYS.get(str(facts.settings.get("peft") or facts.adapter).lower(), "")
    yield f"Multitask prompt finetuning{way} of {base}."
    if form == "adapter":
        yield "This is the adapter without its base."
    if form == "merged":
        yield "The adapter is merged into its base."
    if facts.units:
        tasks, codes = ({str(unit.get(key)) for unit in facts.units} for key in ("task", "language"))
        yield f"Trained on {plural(len(tasks), 'task')} in {plural(len(codes), 'language')}."
    if facts.results is not None:
        yield headline.sentence(facts.results)


def usage(facts: RunFacts, form: Form) -> str:
    """How to load it, as Markdown."""
    auto = "AutoModelForSeq2SeqLM" if facts.family in ("mt5", "seq2seq") else "AutoModelForCausalLM"
    place = "PATH_OR_ID" if form != "adapter" else facts.base_id or "BASE"
    lines = [
        f"from transformers import {auto}, AutoTokenizer",
        "",
        'tokenizer = AutoTokenizer.from_pretrained("PATH_OR_ID")',
        f'model = {auto}.from_pretrained("{place}")',
    ]
    if form == "adapter":
        lines.insert(0, "from peft import PeftModel")
        lines.append('model = PeftModel.from_pretrained(model, "PATH_OR_ID")')
    block = "```python\n" + "\n".join(lines) + "\n```"
    where = "BASE is the folder of the base model: `base` beside the adapter where the run made it. "
    own = 'Without Python: `mtft predict --model PATH_OR_ID "…"`.'
    return f"{block}\n\n{where if place == 'BASE' else ''}{own}"


def held_out(facts: RunFacts) -> str:
    """The cells that the mixture leaves to the evaluation, or nothing."""
    sides = facts.mixture.get("held_out")
    cells = sides.get("report") if isinstance(sides, Mapping) else None
    rows = [cell for cell in cells if isinstance(cell, Mapping)] if isinstance(cells, list) else []
    names = sorted({f"{cell.get('task')} in {cell.get('language')}" for cell in rows})
    more = f" and {len(names) - MAX_HELD_OUT:,} more" if len(names) > MAX_HELD_OUT else ""
    return f"Held out of training: {', '.join(names[:MAX_HELD_OUT])}{more}." if names else ""


def limits(facts: RunFacts) -> Iterator[str]:
    """What a reader must not take from the card."""
    if facts.settings.get("shuffled_labels"):
        yield "A control: trained on targets shuffled within each task. It is not a model to use."
    if facts.is_built_in:
        tokens = facts.pretraining.get("tokens")
        amount = f"{tokens:,} tokens of raw text" if isinstance(tokens, int) else "no text"
        yield f"The base began from random weights and was pretrained on {amount}."
    generated = sum(map(is_generated, facts.units))
    if generated:
        yield f"{generated} of {len(facts.units)} training cells are text of a generated micro-world."
    if facts.results is None:
        yield "The run's records hold no evaluation."
    yield "Only what this card lists was measured; other behaviour, such as bias and safety, is not known from it."
    yield "A program wrote this card from the run's records."


def licence_text(facts: RunFacts, licence: str) -> str:
    """Whose licence is known."""
    own = f"Of the model: {licence}." if licence else "The run's records state no licence of the model."
    found = sorted({str(unit["licence"]) for unit in facts.units if unit.get("licence")})
    return f"{own} Of the training data, as the data's cards state: {'; '.join(found) or 'none stated'}."
