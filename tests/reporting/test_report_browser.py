"""The page in a real browser: filters, drill-down, keyboard, theme; nothing loaded, nothing run but its own script."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtft.reporting import SampleFile, write_forms
from tests.reporting.synthetic_results import build_results, build_samples

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--window-size=1200,900",
    ),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
ATTACKS = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "</script><script>window.hacked = 3</script>",
    "</pre><a href='javascript:window.hacked = 4'>x</a>",
    '" onmouseover="window.hacked = 5',
    "<svg onload=window.hacked=6><iframe src='https://example.org/'>",
    "safe \u202eno\u202c \u2067rtl",
)


def _reason() -> str:
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    missing = [path for path in (CHROMIUM, DRIVER) if not shutil.which(path)]
    return f"no {' and '.join(missing)}: apt-get install chromium chromium-driver" if missing else ""


if (reason := _reason()) and os.environ.get("CI") == "true" and "MTFT_WITHOUT_BROWSER" not in os.environ:
    pytest.fail(reason, pytrace=False)
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser with the report open, for the whole file."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    folder = tmp_path_factory.mktemp("report")
    page = _poisoned_report(folder)
    options = Options()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.get(page.as_uri())
        yield driver
    finally:
        driver.quit()


def _poisoned_report(folder: Path) -> Path:
    """The synthetic report whose examples, templates and names attack the page."""
    results = build_results()
    rows = build_samples(results)
    for row in rows:
        number = zlib.crc32(f"{row['task']} {row['language']} {row['id']}".encode())
        attack = ATTACKS[number % len(ATTACKS)]
        row["inputs"] += "\n" + attack
        row["template"] = f"template {number % 2} {attack}"
        row["template_id"] = f"id-{number % 2}"
    results["title"] = results["reproduce"]["command"] = ATTACKS[2]
    results["models"][0]["path"] = ATTACKS[4]
    pq.write_table(pa.Table.from_pylist(rows), folder / "samples.parquet")
    samples = [SampleFile(folder / "samples.parquet")]
    return write_forms(results, folder, ("html",), samples)[0]


def js(browser: Any, script: str, *arguments: Any) -> Any:
    return browser.execute_script(f"return {script}", *arguments)


def visible(browser: Any, selector: str) -> int:
    script = "Array.from(document.querySelectorAll(arguments[0])).filter((e) => e.checkVisibility()).length"
    return int(js(browser, script, selector))


def choose(browser: Any, box: str, value: str) -> None:
    """Sets a filter as a user does; a value that it does not offer is an error."""
    script = """(() => {
        const e = document.getElementById(arguments[0]);
        e.value = arguments[1];
        e.dispatchEvent(new Event(e.tagName === "SELECT" ? "change" : "input"));
        return e.value;
    })()"""
    assert js(browser, script, box, value) == value


def press(browser: Any, *keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def active(browser: Any, what: str) -> Any:
    return js(browser, f"document.activeElement.{what}")


def test_the_page_is_as_wide_as_the_window(browser: Any) -> None:
    for width in (1200, 700, 400):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        assert js(browser, "document.documentElement.scrollWidth") <= width
        assert js(
            browser, "document.querySelector('nav').scrollWidth <= document.querySelector('nav').clientWidth"
        )
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_filters_by_task_cluster_and_language(browser: Any) -> None:
    every = visible(browser, ".heat .chip")
    choose(browser, "filter-language", "th")
    assert 0 < visible(browser, ".heat .chip") < every
    assert visible(browser, ".heat tr[data-language]:not([data-language=th])") == 0
    choose(browser, "filter-task", "sib200")
    assert visible(browser, ".heat .chip") == 1
    assert visible(browser, "figure.panel[data-task]:not([data-task=sib200])") == 0
    assert visible(browser, "tr[data-task]:not([data-task=sib200])") == 0
    choose(browser, "filter-task", "")
    choose(browser, "filter-cluster", "topic classification")
    assert visible(browser, ".heat .chip") == 1
    js(browser, "Array.from(document.querySelectorAll('.filters button')).find((b) => !b.disabled).click()")
    assert visible(browser, ".heat .chip") == every


def test_examples_are_searched_and_filtered(browser: Any) -> None:
    shown = "#samples-list .sample:not([hidden])"
    every = js(browser, f"document.querySelectorAll('{shown}').length")
    choose(browser, "examples-outcome", "r1 w0")
    only = js(
        browser,
        f"Array.from(document.querySelectorAll('{shown}'), (e) => [e.dataset.right, e.dataset.wrong])",
    )
    assert 0 < len(only) < every
    assert all(pair == ["1", "0"] for pair in only)
    choose(browser, "examples-outcome", "")
    choose(browser, "examples-text", "女孩在窗边")
    found = js(
        browser,
        f"Array.from(document.querySelectorAll('{shown}'), (e) => e.closest('.cell').dataset.language)",
    )
    assert set(found) == {"zh"}
    assert js(browser, "document.querySelectorAll('#samples-list details.task[open]').length") > 0
    choose(browser, "filter-task", "sib200")
    assert visible(browser, "#samples-list .sample") > 0
    assert visible(browser, "#samples-list details.task:not([data-task=sib200])") == 0
    choose(browser, "filter-task", "")
    choose(browser, "examples-text", "")
    assert js(browser, f"document.querySelectorAll('{shown}').length") == every


def test_a_cell_opens_its_examples_and_escape_returns(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    js(browser, "document.querySelector('a.chip').focus()")
    assert visible(browser, ".tip") == 1
    assert "95 % interval" in js(browser, "document.querySelector('.tip').textContent")
    place = active(browser, "hash")
    press(browser, Keys.ENTER)
    assert visible(browser, "#drill .sample") > 1
    assert visible(browser, "#drill .choices td.top") > 0
    kept = js(browser, "document.querySelector(arguments[0]).querySelectorAll('.sample').length", place)
    assert visible(browser, "#drill .sample") == kept
    offered = js(browser, "Array.from(document.getElementById('drill-outcome').options, (o) => o.value)")
    for wanted in (option for option in offered if option in ("r1", "w1")):
        choose(browser, "drill-outcome", wanted)
        key = {"r": "right", "w": "wrong"}[wanted[0]]
        left = (
            f"Array.from(document.querySelectorAll('#drill .sample:not([hidden])'), (e) => e.dataset.{key})"
        )
        assert all("1" in numbers.split() for numbers in js(browser, left))
    assert len(offered) > 1
    press(browser, Keys.ESCAPE)
    assert visible(browser, "#drill") == 0
    assert active(browser, "hash") == place


def test_the_heat_map_by_arrow_keys(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    at = "closest('td').cellIndex"
    row = "closest('tr').dataset.language"
    js(browser, "document.querySelector('a.chip').focus()")
    column, language = active(browser, at), active(browser, row)
    press(browser, Keys.ARROW_RIGHT)
    assert active(browser, at) > column
    assert active(browser, row) == language
    press(browser, Keys.ARROW_DOWN)
    assert active(browser, row) != language
    press(browser, Keys.HOME)
    assert active(browser, at) <= column
    stops = js(
        browser,
        "Array.from(document.querySelectorAll('.heat'), (t) => t.querySelectorAll('[tabindex=\"0\"]').length)",
    )
    assert set(stops) == {1}


def test_the_keyboard_reaches_the_report_first(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.refresh()
    browser.find_element("css selector", "body").send_keys(Keys.TAB)
    assert active(browser, "className") == "skip"
    assert js(browser, "getComputedStyle(document.activeElement).outlineStyle") != "none"
    press(browser, Keys.ENTER)
    assert active(browser, "id") == "report"


def test_the_theme_is_toggled(browser: Any) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    before = js(browser, ground)
    js(browser, "document.getElementById('theme').click()")
    assert js(browser, ground) != before
    js(browser, "document.getElementById('theme').click()")
    assert js(browser, ground) == before


def test_tables_are_sorted_by_number(browser: Any) -> None:
    column = (
        "(() => { const t = Array.from(document.querySelectorAll('table.data')).find((t) => t.caption.textContent === "
        "'All scores'); const n = Array.from(t.tHead.rows[0].cells).findIndex((c) => c.textContent === 'finetuned'); "
        "t.tHead.rows[0].cells[n].querySelector('button').click(); "
        "return Array.from(t.tBodies[0].rows, (r) => Number(r.cells[n].textContent)); })()"
    )
    values = js(browser, column)
    assert values == sorted(values)
    assert len(values) > 50


def test_nothing_is_injected_loaded_or_complained_of(browser: Any) -> None:
    """Last: it looks back at all that the tests before it did."""
    assert js(browser, "window.hacked") is None
    assert js(browser, "document.querySelectorAll('img, iframe, a[href^=javascript]').length") == 0
    assert js(browser, "document.scripts.length") == 1
    handlers = "Array.from(document.all).some((e) => e.getAttributeNames().some((a) => /^on/.test(a)))"
    assert js(browser, handlers) is False
    assert "\u202e" not in js(browser, "document.body.textContent")
    complaints = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert complaints == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {url.partition("?")[0] for url in sent if not url.startswith(("data:", "chrome:"))} == {
        browser.current_url.partition("#")[0]
    }
