"""Synthetic results: tasks x languages with held-out cells, two models, nulls and every optional key."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

LANGUAGES = {
    "en": ("English", "Latn", "trained"),
    "es": ("Spanish", "Latn", "trained"),
    "ar": ("Arabic", "Arab", "trained"),
    "hi": ("Hindi", "Deva", "trained"),
    "zh": ("Chinese", "Hans", "trained"),
    "sw": ("Swahili", "Latn", "trained"),
    "id": ("Indonesian", "Latn", "trained"),
    "tr": ("Turkish", "Latn", "pretrained_only"),
    "th": ("Thai", "Thai", "unseen"),
    "quy": ("Ayacucho Quechua", "Latn", "unseen"),
    "nqo": ("N'Ko", "Nkoo", "unseen"),
    "he": ("Hebrew", "Hebr", "unseen"),
}
TASKS = {
    "americasnli": ("natural_language_inference", "trained", "accuracy", 1 / 3),
    "sib200": ("topic_classification", "trained", "accuracy", 0.25),
    "nusax_senti": ("sentiment", "trained", "accuracy", 0.4),
    "xquad": ("extractive_qa", "trained", "f1", None),
    "nusax_mt": ("translation", "trained", "chrf", None),
    "xcopa": ("sentence_completion", "held_out", "accuracy", 0.5),
    "xwinograd": ("coreference", "held_out", "accuracy", 0.5),
    "contextual_product_qa": ("ranking", "held_out", "ndcg", None),
}
TEXTS = {
    "ar": "الجو اليوم جميل، والسوق مليء بالناس.",
    "he": "הילדה קראה ספר ליד החלון.",
    "th": "เด็กผู้หญิงอ่านหนังสืออยู่ริมหน้าต่าง",
    "nqo": "ߒ ߓߘߊ߫ ߛߓߍ ߘߏ߫ ߞߊ߬ߙߊ߲߬",
    "zh": "女孩在窗边读书。",
    "hi": "लड़की खिड़की के पास किताब पढ़ रही है।",
}


def _seen(task: str, language: str) -> str:
    if TASKS[task][1] == "held_out":
        return "held_out_cluster"
    if LANGUAGES[language][2] != "trained":
        return "held_out_language"
    return "held_out_pair" if (task, language) == ("sib200", "sw") else "seen"


def _templates(model: str, task: str, language: str, rng: random.Random) -> list[float]:
    metric, chance = TASKS[task][2:]
    start = chance if chance is not None else 0.1
    gain = (
        0.0 if model == "base" else {"seen": 0.35, "held_out_cluster": 0.12}.get(_seen(task, language), 0.2)
    )
    top = 100.0 if metric == "chrf" else 1.0
    middle = min(0.97, start + gain * rng.uniform(0.1, 1.3) + rng.uniform(-0.03, 0.03))
    return sorted(top * min(1.0, max(0.0, middle + rng.gauss(0, 0.03))) for _ in range(5))


def _rows(
    model: str, task: str, language: str, rng: random.Random
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    cluster, _, metric, chance = TASKS[task]
    values = _templates(model, task, language, rng)
    half = (100.0 if metric == "chrf" else 1.0) * 0.06
    place = {
        "model": model,
        "task": task,
        "cluster": cluster,
        "language": language,
        "config": language,
        "metric": metric,
    }
    place["prompt_language"] = "en"
    cells = [
        {
            **place,
            "template_id": f"id-{n}",
            "template": f"template {n}",
            "value": v,
            "low": v - half,
            "high": v + half,
        }
        | {"n": 100, "n_groups": 100, "n_unscored": n % 2, "chance": chance}
        for n, v in enumerate(values)
    ]
    median = values[2]
    summary = {
        **place,
        "primary": True,
        "median": median,
        "min": values[0],
        "max": values[-1],
        "n_templates": 5,
    }
    summary |= {"q1": values[1], "q3": values[3], "consistency": 0.5 + 0.4 * rng.random()}
    summary |= {"low": median - half, "high": median + half, "n": 500, "n_groups": 100, "n_unscored": 2}
    summary |= {"chance": chance, "majority": chance, "seen": _seen(task, language)}
    summary["above_chance"] = chance is not None and median - half > chance
    summary["indistinguishable"] = chance is not None and median - half <= chance <= median + half
    return cells, summary


def _comparison(base: Mapping[str, Any], tuned: Mapping[str, Any]) -> dict[str, Any]:
    top = 100.0 if tuned["metric"] == "chrf" else 1.0
    difference = tuned["median"] - base["median"]
    named = {name: tuned[name] for name in ("task", "language", "metric")}
    interval = {"low": difference - 0.07 * top, "high": difference + 0.07 * top}
    counts = {"a_only": 31, "b_only": 12, "n": 100, "mcnemar_p": 0.005, "mcnemar_p_holm": 0.05}
    tests = {"p_value": 0.01, "p_holm": 0.04 if abs(difference) > 0.07 * top else 0.3, **counts}
    return {**named, "a": "finetuned", "b": "base", "difference": difference, **interval, **tests}


def _control(base: Mapping[str, Any], tuned: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    row = {"task": tuned["task"], "language": tuned["language"], "base": base["median"]}
    row |= {
        "shuffled": tuned["chance"] + rng.uniform(-0.02, 0.02),
        "bag_of_tokens": tuned["chance"] + rng.uniform(0, 0.1),
    }
    row |= {"finetuned": tuned["median"], "low": tuned["low"]}
    row["counts"] = row["low"] > max(row["base"], row["shuffled"], row["bag_of_tokens"], tuned["chance"])
    return row


def _averages(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for model in ("base", "finetuned"):
        for group in ("seen", "held_out_language", "held_out_cluster", "held_out_pair"):
            found = [
                s["median"]
                for s in summary
                if (s["model"], s["seen"], s["metric"]) == (model, group, "accuracy")
            ]
            mean = sum(found) / len(found)
            row = {"model": model, "group": group, "metric": "accuracy", "value": mean, "low": mean - 0.02}
            rule = "mean over tasks of the mean over languages of the median template"
            rows.append({**row, "high": mean + 0.02, "n_cells": len(found), "rule": rule})
    return rows


def _transfer(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    english = {(s["model"], s["task"]): s["median"] for s in summary if s["language"] == "en"}
    rows = []
    for s in summary:
        start = english.get((s["model"], s["task"]))
        if start is not None and s["language"] != "en":
            gap, half = start - s["median"], (s["high"] - s["low"]) / 2
            row = {k: s[k] for k in ("model", "task", "cluster", "metric", "language", "prompt_language")}
            row |= {"english": start, "value": s["median"], "gap": gap}
            rows.append({**row, "gap_low": gap - half, "gap_high": gap + half, "ratio": s["median"] / start})
    return rows


def _findings(summary: list[dict[str, Any]], rng: random.Random) -> dict[str, Any]:
    """The optional lists: transfer, published scores, overlap, lengths, score functions, learning curve."""
    place = ("task", "config", "language", "prompt_language", "metric")
    tuned = [s for s in summary if s["model"] == "finetuned"]
    published = [
        {k: s[k] for k in place}
        | {"template_statistic": "median", "model": "BLOOMZ-7.1B", "value": s["median"] + 0.05}
        | {"n_items": 500, "citation": "Muennighoff et al. 2023, Table 13"}
        | {"comparable": s["language"] != "zh", "reason": "16 of 504 items" if s["language"] == "zh" else ""}
        for s in tuned
        if s["task"] in ("xcopa", "xwinograd")
    ]
    contamination = [
        {"task": s["task"], "config": s["config"], "language": s["language"], "n_items": 100}
        | {"n_ngram": 4, "n_exact": 1, "n_item_group": 0, "n_any": 4}
        | {
            "models": [
                {"model": m, "prompt_language": "en", "metric": "accuracy", "n_clean": 96}
                | {"score_all": s["median"], "score_clean": s["median"] - 0.01}
                for m in ("base", "finetuned")
            ]
        }
        for s in tuned
        if s["task"] == "americasnli" and s["language"] in ("es", "quy")
    ]
    lengths = [
        {k: s[k] for k in (*place, "model")}
        | {
            "mean_prediction": 12.5,
            "mean_target": 20.0,
            "ratio": rng.uniform(0.3, 1.6),
            "n_empty": 2,
            "n": 100,
        }
        for s in summary
        if s["metric"] == "chrf"
    ]
    functions = [
        {k: s[k] for k in (*place, "model")}
        | {"function": name, "value": s["median"] + rng.uniform(-0.05, 0.05)}
        for s in tuned
        if s["metric"] == "accuracy"
        for name in ("sum", "token", "char", "byte", "pmi")
    ]
    curve = [
        {
            "model": "finetuned",
            "step": step,
            "task": s["task"],
            "language": s["language"],
            "metric": s["metric"],
        }
        | {"value": s["median"] * (0.5 + 0.5 * step / 200), "low": None, "high": None}
        for s in tuned
        for step in (50, 100, 150, 200)
        if s["task"] in ("sib200", "nusax_mt")
    ]
    return {
        "transfer": _transfer(summary),
        "published": published,
        "contamination": contamination,
        "lengths": lengths,
        "score_functions": functions,
        "curve": curve,
    }


def build_results(seed: int = 0) -> dict[str, Any]:
    """Results of two models on every task and language, but for a few pairs."""
    rng = random.Random(seed)
    cells: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    for task in TASKS:
        for language in LANGUAGES:
            if rng.random() < 0.15 and (task, language) != ("sib200", "sw"):
                continue
            for model in ("base", "finetuned"):
                made, row = _rows(model, task, language, rng)
                cells += made
                summary.append(row)
    pairs = list(zip(summary[::2], summary[1::2], strict=True))
    choice = [pair for pair in pairs if pair[0]["chance"] is not None and pair[1]["seen"] != "seen"]
    return {
        "schema": 1,
        "title": "xp3_mt5: open_multilingual",
        "created": "2026-11-21T10:00:00Z",
        "suite": {
            "name": "open_multilingual",
            "protocol": "mt0-tzero",
            "max_items_per_cell": 100,
            "fingerprint": "a1b2c3",
        },
        "models": [
            {
                "name": "finetuned",
                "path": "runs/xp3_mt5/model",
                "family": "mt5",
                "parameters": 5_200_000,
                "step": 200,
            },
            {
                "name": "base",
                "path": "runs/xp3_mt5/base",
                "family": "mt5",
                "parameters": 5_200_000,
                "step": 0,
            },
        ],
        "languages": {c: {"name": n, "script": s, "status": t} for c, (n, s, t) in LANGUAGES.items()},
        "tasks": {
            t: {"cluster": c, "title": t, "cluster_status": s, "licence": "cc-by-4.0"}
            for t, (c, s, _, _) in TASKS.items()
        },
        "cells": cells,
        "summary": summary,
        "averages": _averages(summary),
        "comparisons": [_comparison(*pair) for pair in pairs],
        "controls": [_control(*pair, rng) for pair in choice],
        **_findings(summary, random.Random(seed + 1)),
        "vocabulary_overlap": {
            a: {b: round(rng.random(), 3) for b in ("en", "es", "ar")} for a in ("th", "he", "tr")
        },
        "mixture": {
            "name": "open_multilingual",
            "fingerprint": "d4e5f6",
            "proportions": [
                {
                    "task": t,
                    "language": "en",
                    "rows": 1000,
                    "input_tokens": 81234,
                    "target_tokens": 3111,
                    "share": 0.2,
                    "epochs": 1.5,
                }
                for t in ("americasnli", "sib200", "nusax_senti", "xquad", "nusax_mt")
            ],
        },
        "training": {
            "steps": 200,
            "loss": 2.31,
            "history": [{"step": n, "loss": 6.0 - n / 60 + 0.1 * (n % 3)} for n in range(10, 201, 10)],
        },
        "problems": {
            "counts": [{"reason": "empty target", "task": "xquad", "where": "xquad.th.json", "count": 3}]
        },
        "reproduce": {
            "command": "accelerate launch eval/zero_shot.py --model runs/xp3_mt5/model --suite my_suite",
            "versions": {"mtft": "0.1.0", "transformers": "5.23.0"},
            "settings": {"seed": 0, "max_items_per_cell": 100},
        },
    }


def build_samples(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Five examples per cell and model."""
    rng = random.Random(1)
    rows = []
    for cell in results["summary"]:
        text = TEXTS.get(cell["language"], "The girl read a book by the window.")
        choices = ["yes", "no"] if cell["chance"] is not None else None
        for number in range(5):
            right = rng.random() < 0.6
            prediction = ("yes" if right else "no") if choices else text
            rows.append(
                {k: cell[k] for k in ("model", "task", "language", "config", "cluster", "prompt_language")}
                | {
                    "template": "template 1",
                    "template_id": "id-1",
                    "id": f"row-{number}",
                    "item_group": f"g{number}",
                }
                | {"inputs": f"Read this and answer.\n{text}\nQuestion: is it so? <script>alert(1)</script>"}
                | {
                    "choices": choices,
                    "loglikelihoods": [-1.25, -2.5] if choices else None,
                    "prior_loglikelihoods": [-2.5, -3.25] if choices else None,
                    "choice_tokens": [1, 2] if choices else None,
                    "contamination": "ngram+exact" if number == 0 and cell["task"] == "americasnli" else "",
                    "prediction": prediction,
                }
                | {"target": "yes" if choices else text, "targets": ["yes"] if choices else [text]}
                | {"scores": f'{{"{cell["metric"]}": {float(right)}}}', "unscored_reason": None}
            )
    return rows
