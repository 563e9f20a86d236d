"""Location tokens: every coordinate comes back within half a bin, and malformed output is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtft.errors import StructureError
from mtft.structured.linearize import tags
from mtft.structured.locations import (
    BINS,
    LOCATION_TAGS,
    Page,
    Region,
    bin_of,
    located_text,
    middle_of,
    overlap,
    read_regions,
    written_regions,
)
from mtft.structured.tag_sets import tags_of

SIDES = st.floats(1e-3, 1e6)
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["<loc_3>", "<poly>", "</poly>", "<sep>", "a  b", " a", "two words", "이름", "\\l"]),
)


@st.composite
def pages(draw: st.DrawFn) -> tuple[Page, list[Region]]:
    page = Page(draw(SIDES), draw(SIDES))

    def points(count: int) -> tuple[float, ...]:
        return tuple(draw(st.floats(0, 1)) * page[axis % 2] for axis in range(2 * count))

    regions = []
    for _ in range(draw(st.integers(1, 4))):
        shape = draw(st.sampled_from(["box", "quad", "polygons"]))
        if shape == "box":
            x, y, x2, y2 = points(2)
            outlines: tuple[tuple[float, ...], ...] = ((min(x, x2), min(y, y2), max(x, x2), max(y, y2)),)
        elif shape == "quad":
            outlines = (points(4),)
        else:
            outlines = tuple(points(draw(st.integers(3, 5))) for _ in range(draw(st.integers(1, 3))))
        regions.append(Region(draw(TEXTS), shape, outlines))
    return page, regions


@given(pages())
def test_regions_come_back_within_half_a_bin(made: tuple[Page, list[Region]]) -> None:
    page, regions = made
    read, malformed = read_regions(written_regions(regions, page), page)
    assert malformed == 0
    assert [(r.text, r.shape) for r in read] == [(r.text, r.shape) for r in regions]
    for ours, theirs in zip(read, regions, strict=True):
        for one, other in zip(ours.outlines, theirs.outlines, strict=True):
            assert len(one) == len(other)
            for axis, (a, b) in enumerate(zip(one, other, strict=True)):
                assert abs(a - b) <= page[axis % 2] / BINS / 2 * (1 + 1e-9)
    assert read_regions(written_regions(read, page), page).regions == read


@given(st.floats(0, 1), SIDES)
def test_bins_are_in_range(share: float, size: float) -> None:
    number = bin_of(share * size, size)
    assert 0 <= number < BINS
    assert bin_of(middle_of(number, size), size) == number


@given(st.text("<loc_019>/polysep ", max_size=80))
def test_any_output_can_be_read(text: str) -> None:
    read_regions(text, Page(100, 50))


@pytest.mark.parametrize(
    ("text", "regions", "malformed"),
    [
        ("a<loc_0><loc_0><loc_9><loc_9>", 1, 0),
        ("a <loc_0> <loc_0> <loc_9> <loc_9> b<loc_1><loc_1><loc_2><loc_2>", 2, 0),
        ("<loc_0><loc_0><loc_9><loc_9><sep><loc_1><loc_1><loc_2><loc_2>", 2, 0),
        ("a<loc_0><loc_0><loc_9>", 0, 1),
        ("a<loc_0><loc_0><loc_9><loc_1000>", 0, 1),
        ("a<loc_9><loc_0><loc_0><loc_9>", 0, 1),
        ("a", 0, 1),
        ("", 0, 0),
        ("a<poly><loc_0><loc_0><loc_9><loc_9><loc_5><loc_0></poly>", 1, 0),
        ("a<poly><loc_0><loc_0><loc_9><loc_9></poly>", 0, 1),
        ("a<poly><loc_0><loc_0><loc_9><loc_9><loc_5><loc_0>", 0, 1),
        ("a<poly><poly><loc_0><loc_0><loc_9><loc_9><loc_5><loc_0></poly>", 0, 1),
        ("a<loc_x> b<loc_1><loc_1><loc_2><loc_2>", 1, 0),
    ],
)
def test_malformed_parts_are_counted(text: str, regions: int, malformed: int) -> None:
    found = read_regions(text, Page(1, 1))
    assert (len(found.regions), found.malformed) == (regions, malformed)


def test_overlap_is_intersection_over_union() -> None:
    def box(*corners: float) -> Region:
        return Region("", "box", (corners,))

    assert overlap(box(0, 0, 2, 2), box(1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap(box(0, 0, 2, 2), box(0, 0, 2, 2)) == 1
    assert overlap(box(0, 0, 1, 1), box(2, 2, 3, 3)) == 0
    assert overlap(box(0, 0, 0, 5), box(0, 0, 0, 5)) == 1  # a line, found as it is
    assert overlap(box(0, 0, 0, 5), box(0, 0, 0, 4)) == 0
    assert Region("", "quad", ((1, 5, 3, 4, 4, 8, 0, 7),)).bounds == (0, 4, 4, 8)


@pytest.mark.parametrize(
    "region",
    [
        Region("", "box", ((0, 0, 1),)),
        Region("", "box", ((5, 0, 1, 1),)),
        Region("", "box", ((0, 0, 11, 1),)),
        Region("", "box", ((0, 0, float("nan"), 1),)),
        Region("", "polygons", ((0, 0, 1, 1),)),
        Region("", "circle", ((0, 0, 1),)),
    ],
)
def test_what_is_no_region_of_the_page_is_refused(region: Region) -> None:
    with pytest.raises(StructureError):
        written_regions([region], Page(10, 10))


def test_pages_and_data_of_other_kinds_are_refused() -> None:
    with pytest.raises(StructureError, match="width"):
        read_regions("", Page(0, 1))
    for regions, page in (("a", {"width": 1, "height": 1}), ([{}], {"width": 1, "height": 1}), ([], None)):
        with pytest.raises(StructureError):
            located_text(regions, page)


def test_tags_of_codecs_and_styles_can_be_added_together() -> None:
    assert len(LOCATION_TAGS) == BINS + 3
    found = tags_of("locations", "unified", "sentinels")
    assert set(found) == {*LOCATION_TAGS, *tags("unified"), *(f"<extra_id_{n}>" for n in range(100))}
    with pytest.raises(StructureError, match="location"):
        tags_of("locationz")
