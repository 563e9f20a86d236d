"""The page's sections in their order; what the results lack is left out."""

from __future__ import annotations

from collections.abc import Sequence

from mtft.reporting import bars, curves, forest, heat, heatmap, tables
from mtft.reporting.axes import Plot, panels, plot_of
from mtft.reporting.comparison_tables import comparisons, pairs_of
from mtft.reporting.control_tables import controls
from mtft.reporting.dumbbells import average_dumbbells, dumbbells
from mtft.reporting.elements import section, table_element
from mtft.reporting.fact_sections import fact_sections, problems_section, reproduce_section
from mtft.reporting.finding_tables import contamination, lengths, published, score_functions, transfer
from mtft.reporting.heat import HeatMap, Place
from mtft.reporting.heat_legend import legend
from mtft.reporting.markup import Html, el, join
from mtft.reporting.records import Model
from mtft.reporting.results import Results
from mtft.reporting.sample_elements import anchors_of, samples_element
from mtft.reporting.samples import Samples
from mtft.reporting.score_tables import scores
from mtft.reporting.strips import strips
from mtft.reporting.wording import Scales, plural

FOLD_ROWS = 40
FOLD_TABLE = 24
SPREAD = (
    "Each dot is one template's score in that language; the bar is their median, the band their middle half, the "
    "dashed line chance, the figure the distance from the worst to the best. A wide spread means that the score "
    "depends on how the question is put."
)
TRANSFER = (
    "How far every language lies from English on the same task, in points: left of the dashed line it is behind, of "
    "errors too. "
    "Lines are 95 % intervals."
)
LENGTHS = (
    "Length of the generated answers against the references': the dashed line is equal length, every unit to the left "
    "halves it, to the right doubles it."
)
CURVE = "Every thin line is one language, the thick one their mean; hover for names and values."
FUNCTIONS = "Rankings of the same log-likelihoods; the best of each cell is marked."
OVERLAP = "Evaluated items that the finetuning mixture holds in part, whole, or as another version of the same item."


def sections(results: Results, samples: Samples) -> list[Html]:
    """Every section that the results have something for."""
    scales = Scales(results)
    anchors = anchors_of(results, samples.shown)
    plot = plot_of(results, scales)
    made = [
        *_comparison_sections(results, scales, plot),
        _heat_section(results, scales, anchors),
        _averages_section(results, scales, plot),
        _change_section(results, scales, plot),
        _curve_section(results, plot),
        _panel_section(
            "Transfer from English", TRANSFER, forest.transfer_panels(plot), transfer(results, scales)
        ),
        _spread_section(results, plot),
        _table_section("Controls", controls(results, scales), fold=False),
        _table_section("Score functions", score_functions(results, scales), FUNCTIONS),
        _panel_section("Length of answers", LENGTHS, forest.length_panels(plot), lengths(results)),
        _table_section("Overlap with training", contamination(results, scales), OVERLAP),
        _scores_section(results, scales),
        _samples_section(results, samples, anchors),
        *fact_sections(results, scales),
        problems_section(results),
        reproduce_section(results),
    ]
    return [part for part in made if part is not None]


def _comparison_sections(results: Results, scales: Scales, plot: Plot) -> list[Html | None]:
    made: list[Html | None] = []
    for a, b in pairs_of(results):
        table = comparisons(results, scales, a, b)
        shown = (a, b) == (results.focus, results.base)
        drawn = forest.comparison_panels(plot) if shown else []
        lead = (
            f"{a} minus {b} in every cell both have, in points, with 95 % intervals: right of the dashed line {a} is "
            "better. Hollow: the interval includes no difference."
        )
        made.append(_panel_section(table.title, lead, drawn, table, fold=False))
    return made


def _heat_section(results: Results, scales: Scales, anchors: dict[Place, str]) -> Html | None:
    makers = (heat.chance_map, heat.gain_map)
    focus = [m(results, scales, results.focus, anchors) for m in makers] if results.focus else []
    drawn = [
        el("div", el("h3", found.title), heatmap.draw(found), legend(found), class_="map")
        for found in focus
        if found.rows
    ]
    if not drawn:
        return None
    others = [
        _folded_map(results, scales, model, anchors)
        for model in results.models
        if model.name != results.focus
    ]
    examples = " Choose a cell for its examples." if anchors else ""
    lead = (
        f"Each number is the score of the median template of {results.focus}; point at it, or move to it with the "
        f"arrow keys, for interval and counts.{examples}"
    )
    return section("Scores by task and language", el("div", *drawn, class_="maps"), *others, lead=lead)


def _folded_map(results: Results, scales: Scales, model: Model, anchors: dict[Place, str]) -> Html | None:
    found = [m(results, scales, model.name, anchors) for m in (heat.chance_map, heat.gain_map)]
    drawn = [_plain_map(each) for each in found if each.rows]
    return el("details", el("summary", f"The same for {model.name}"), *drawn) if drawn else None


def _plain_map(found: HeatMap) -> Html:
    return join([el("h3", found.title), heatmap.draw(found)])


def _averages_section(results: Results, scales: Scales, plot: Plot) -> Html | None:
    table = tables.averages(results, scales)
    shown = bars.seen_panels(plot)
    if not table.rows and not shown:
        return None
    return section(
        "Seen and unseen",
        el("div", *shown, class_="panels") if shown else None,
        el("p", bars.RULE, class_="note") if shown else None,
        el("h3", "Averages over groups of cells") if table.rows else None,
        el("div", *average_dumbbells(plot), class_="panels") if table.rows else None,
        table_element(table) if table.rows else None,
        lead=_keys(results),
    )


def _change_section(results: Results, scales: Scales, plot: Plot) -> Html | None:
    title = f"{results.base} and {results.focus}" if results.rivals else "Before and after"
    table = published(results, scales)
    drawn = [(len(p.keys), dumbbells(plot, p)) for p in panels(results)]
    beside = any(row.comparable for row in results.published)
    return _panel_section(title, _keys(results, chance=True, published=beside), drawn, table)


def _keys(results: Results, *, chance: bool = False, published: bool = False) -> Html:
    """What the dots and lines of a before-and-after plot mean."""
    before = [el("span", class_="key before"), f" {results.base} "] if results.base else []
    after = [el("span", class_="key after"), f" {results.focus} "] if results.focus else []
    line = [el("span", class_="key chance"), " chance "] if chance else []
    others = [el("span", class_="key published"), " published scores of other models "] if published else []
    meaning = "Lines are 95 % intervals clustered by item; the figure is the difference in points."
    return join([*before, *after, *line, *others, el("br"), meaning])


def _panel_section(
    title: str,
    lead: str | Html,
    drawn: Sequence[tuple[int, Html]],
    table: tables.Table | None = None,
    *,
    fold: bool = True,
) -> Html | None:
    """Panels in columns, very long ones folded, and their numbers as a table."""
    if not drawn and (table is None or not table.rows):
        return None
    short = [figure for lines, figure in drawn if lines <= FOLD_ROWS]
    long = [
        el("details", el("summary", f"One task in {lines} languages"), figure)
        for lines, figure in drawn
        if lines > FOLD_ROWS
    ]
    shown = _folded(table, fold=fold and bool(drawn)) if table is not None and table.rows else None
    return section(title, el("div", *short, class_="panels") if short else None, *long, shown, lead=lead)


def _folded(table: tables.Table, *, fold: bool) -> Html:
    made = table_element(table, filterable=True)
    return (
        el("details", el("summary", f"{table.title}: {plural(len(table.rows), 'row')}"), made)
        if fold
        else made
    )


def _spread_section(results: Results, plot: Plot) -> Html | None:
    known = {(c.task, c.metric) for c in results.cells}
    drawn = [(len(p.keys), strips(plot, p)) for p in panels(results) if (p.task, p.metric) in known]
    return _panel_section("Spread over templates", SPREAD, drawn)


def _curve_section(results: Results, plot: Plot) -> Html | None:
    drawn = curves.curve_panels(plot)
    loss = curves.loss_panel(results.extras.get("training"))
    found = [*drawn, *([loss] if loss else [])]
    return (
        section("Learning curve", el("div", *found, class_="panels"), lead=CURVE if drawn else None)
        if found
        else None
    )


def _table_section(title: str, table: tables.Table, lead: str = "", *, fold: bool = True) -> Html | None:
    if not table.rows:
        return None
    return section(title, _folded(table, fold=fold and len(table.rows) > FOLD_TABLE), lead=lead or None)


def _scores_section(results: Results, scales: Scales) -> Html | None:
    table = scores(results, scales)
    if not table.rows:
        return None
    other = scores(results, scales, primary=False)
    more = (
        el("details", el("summary", other.title), table_element(other, filterable=True))
        if other.rows
        else None
    )
    return section("All scores", table_element(table, filterable=True), more)


def _samples_section(results: Results, samples: Samples, anchors: dict[Place, str]) -> Html | None:
    if not samples.shown:
        return None
    lead = (
        f"{len(samples.shown):,} of {samples.total:,} scored examples, a few per cell: in turn right and wrong "
        "ones where both occur. All of them stand in samples.parquet."
    )
    return section("Examples", samples_element(results, samples.shown, anchors), lead=lead)
