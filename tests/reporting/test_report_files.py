"""The report says what the data says: nothing lost, nothing loaded, nothing run, in any order of rows."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mtft.errors import RunError
from mtft.reporting import Results, read_results, write_report
from mtft.reporting.markup import exact
from mtft.reporting.wording import Scales
from tests.reporting.synthetic_results import build_results, build_samples

GOLDEN = Path(__file__).parent / "golden" / "report.md"
LOADING = {"src", "href", "srcset", "poster", "action", "formaction", "data", "background", "xlink:href"}
Samples = Callable[[list[dict[str, Any]]], Path]


class Page(HTMLParser):
    """Collects elements and checks that every one that opens is closed."""

    VOID = frozenset({"meta", "br", "wbr", "hr", "input", "col"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.inside.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in wanted.items())]


def written(folder: Path, results: dict[str, Any], samples: Path | None = None) -> tuple[str, str]:
    html, md = write_report(results, folder, samples)
    return html.read_text(encoding="utf-8"), md.read_text(encoding="utf-8")


def test_files_stand_where_promised_and_nothing_else_is_left(results: dict[str, Any], tmp_path: Path) -> None:
    html, md = write_report(results, tmp_path / "eval")
    assert (html, md) == (tmp_path / "eval" / "report.html", tmp_path / "eval" / "report.md")
    assert sorted(p.name for p in (tmp_path / "eval").iterdir()) == ["report.html", "report.md"]


def test_permuting_rows_changes_no_report(
    results: dict[str, Any], tmp_path: Path, write_samples: Samples
) -> None:
    rows = build_samples(results)
    before = written(tmp_path / "a", results, write_samples(rows))
    rng = random.Random(5)
    for listed in results.values():
        if isinstance(listed, list):
            rng.shuffle(listed)
    rng.shuffle(results["mixture"]["proportions"])
    rng.shuffle(rows)
    assert written(tmp_path / "b", results, write_samples(rows)) == before


@pytest.mark.parametrize(
    "key",
    [
        *("title", "created", "suite", "models", "languages", "tasks", "cells", "summary", "averages"),
        *("comparisons", "controls", "vocabulary_overlap", "mixture", "training", "problems", "reproduce"),
        *("transfer", "published", "contamination", "lengths", "score_functions", "curve"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "null"])
def test_missing_keys_are_fine(results: dict[str, Any], tmp_path: Path, key: str, how: str) -> None:
    if how == "missing":
        del results[key]
    else:
        results[key] = None
    html, md = written(tmp_path, results)
    Page(html)
    assert md


def test_nothing_but_the_schema_is_a_report_that_says_so(tmp_path: Path) -> None:
    html, md = written(tmp_path, {"schema": 1})
    assert "Not measured." in html
    assert "No model was scored." in md


def test_null_and_infinite_values_show_a_dash(results: dict[str, Any], tmp_path: Path) -> None:
    for row in results["summary"]:
        row.update(dict.fromkeys(("median", "low", "high", "min", "max", "n"), None))
    for cell in results["cells"]:
        cell["value"] = float("nan")
    html, md = written(tmp_path, results)
    assert "nan" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", html, flags=re.S).lower()
    assert "| – |" in md


def test_another_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="schema 1"):
        write_report({"schema": 7}, tmp_path)
    with pytest.raises(RunError, match=r"summary\[0\]"):
        write_report({"schema": 1, "summary": [{"model": "base"}]}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_everything_is_escaped(results: dict[str, Any], tmp_path: Path, write_samples: Samples) -> None:
    attack = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> \x00"
    poisoned = json.loads(json.dumps(results).replace("sib200", "S1B").replace("English", "ENGL"))
    text = (
        json.dumps(poisoned)
        .replace("S1B", json.dumps(attack)[1:-1])
        .replace("ENGL", json.dumps(attack)[1:-1])
    )
    poisoned = json.loads(text)
    poisoned["title"] = poisoned["reproduce"]["command"] = poisoned["problems"]["counts"][0]["reason"] = (
        attack
    )
    html, _ = written(tmp_path, poisoned, write_samples(build_samples(results)))
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert "\x00" not in html


def test_a_lone_surrogate_does_not_stop_the_report(results: dict[str, Any], tmp_path: Path) -> None:
    results["title"] = "half \ud83d of a pair"
    written(tmp_path, results)


def test_the_page_loads_nothing(results: dict[str, Any], tmp_path: Path, write_samples: Samples) -> None:
    results["reproduce"]["command"] = "see https://example.org/"
    html, _ = written(tmp_path, results, write_samples(build_samples(results)))
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "image"}
        for name in LOADING & attributes.keys():
            assert (attributes[name] or "").startswith("#"), (tag, name)
    style = "".join(data for tag, data in page.inside if tag == "style")
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_every_link_has_its_target(results: dict[str, Any], tmp_path: Path) -> None:
    page = Page(written(tmp_path, results)[0])
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {(a["href"] or "")[1:] for a in page.all("a")} <= set(ids)
    assert {a["aria-labelledby"] for a in page.all("section") if "aria-labelledby" in a} <= set(ids)


def test_the_heat_map_shows_every_primary_cell_with_its_value(
    results: dict[str, Any], tmp_path: Path
) -> None:
    html, _ = written(tmp_path, results)
    scales = Scales(Results.parse(results))
    chips = re.findall(
        r'<div class="chip[^>]*title="([^,]*), [^>]*data-value="([^"]*)">.*?<b>([^<]*)</b>', html, re.S
    )
    focus = [s for s in results["summary"] if s["model"] == "finetuned"]
    base = [s for s in results["summary"] if s["model"] == "base"]
    assert sorted((task, float(value)) for task, value, _ in chips) == sorted(
        (s["task"], float(exact(s["median"]))) for s in focus + base
    )
    metric = {s["task"]: s["metric"] for s in focus}
    for task, value, shown in chips:
        assert shown == scales.show(metric[task], float(value))


def test_every_dot_is_a_value_of_the_data(results: dict[str, Any], tmp_path: Path) -> None:
    results["transfer"] = results["lengths"] = None
    html = written(tmp_path, results)[0]
    page = Page(html)
    dots = re.findall(r'<g class="templates">(.*?)</g>', html, re.S)
    templates = [float(value) for group in dots for value in re.findall(r'data-value="([^"]*)"', group)]
    tuned = [float(exact(c["value"])) for c in results["cells"] if c["model"] == "finetuned"]
    assert sorted(templates) == sorted(tuned)
    for kind, model in (("before", "base"), ("after", "finetuned")):
        dots = [float(a["data-value"] or "") for a in page.all("circle", **{"class": f"dot {kind}"})]
        medians = [s["median"] for s in results["summary"] if s["model"] == model]
        averages = [a["value"] for a in results["averages"] if a["model"] == model]
        assert sorted(dots) == sorted(float(exact(value)) for value in medians + averages)


def test_held_out_cells_are_marked_and_only_they(results: dict[str, Any], tmp_path: Path) -> None:
    page = Page(written(tmp_path, results)[0])
    chips = [a for a in page.all("div") if (a.get("class") or "").startswith("chip ")]
    shown = results["summary"]
    outlined = [a for a in chips if (a["class"] or "").endswith(" out")]
    assert len(chips) == len(shown)
    assert len(outlined) == sum(s["seen"] != "seen" for s in shown)


def test_numbers_in_markdown_equal_the_data(results: dict[str, Any], tmp_path: Path) -> None:
    _, md = written(tmp_path, results)
    scales = Scales(Results.parse(results))
    for row in results["summary"]:
        assert f" {scales.show(row['metric'], row['median'])} |" in md
    for row in results["averages"]:
        assert scales.show("accuracy", row["value"]) in md
        assert row["rule"] in md
    assert "at most 100" in md


def test_page_and_markdown_have_the_same_table_cells(results: dict[str, Any], tmp_path: Path) -> None:
    html, md = written(tmp_path, results)
    page_text = re.sub(r"<[^>]+>", "", html)
    for value in set(re.findall(r"\d+\.\d+–\d+\.\d+", md)):
        assert value in page_text


def test_right_to_left_text_finds_its_direction(
    results: dict[str, Any], tmp_path: Path, write_samples: Samples
) -> None:
    html, _ = written(tmp_path, results, write_samples(build_samples(results)))
    assert re.search(r'<pre dir="auto" lang="ar-Arab">Read this and answer.\nالجو', html)
    assert re.search(r'<pre dir="auto" lang="zh-Hans">', html)
    assert re.search(r'<span dir="auto" lang="nqo"[^>]*>ߒ ߓߘߊ߫', html)


def test_the_golden_markdown(tmp_path: Path) -> None:
    """Rewrite with: python tests/reporting/test_report_files.py."""
    assert written(tmp_path, small_results())[1] == GOLDEN.read_text(encoding="utf-8")


def small_results() -> dict[str, Any]:
    """The part of the synthetic results that a reader can check by eye."""
    results = copy.deepcopy(build_results(seed=3))
    kept = {("sib200", "sw"), ("sib200", "en"), ("nusax_mt", "id"), ("xcopa", "quy"), ("xcopa", "th")}
    for name in ("cells", "summary", "comparisons", "controls"):
        results[name] = [row for row in results[name] if (row["task"], row["language"]) in kept]
    return results


def test_results_are_found_from_file_folder_and_run(results: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "run" / "eval"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results), encoding="utf-8")
    for place in (folder / "results.json", folder, tmp_path / "run"):
        assert read_results(place) == results
    with pytest.raises(RunError, match="has eval/results"):
        read_results(tmp_path)
    (folder / "results.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="JSON"):
        read_results(folder)


if __name__ == "__main__":
    import tempfile

    GOLDEN.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(written(Path(folder), small_results())[1], encoding="utf-8")
