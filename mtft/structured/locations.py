"""Regions of a page as text: what stands there and where, in location tokens `<loc_0>` to `<loc_999>`, and back.

    invoice<loc_52><loc_40><loc_213><loc_66>                               a box: left, top, right, bottom
    stamp<loc_700><loc_90><loc_810><loc_70><loc_830><loc_180><loc_715><loc_200>     a quad: four corners
    seal<poly><loc_5><loc_5><loc_9><loc_5><loc_7><loc_9></poly>            polygons, each of three points or more

Every axis has 1,000 bins; a token stands for the middle of its bin, so a coordinate comes back at most half a bin
away.

Source: Xiao et al. 2024, "Florence-2: Advancing a Unified Representation for a Variety of Vision Tasks", CVPR,
arXiv 2311.06242 (1,000 bins, boxes of 4 tokens, quads of 8); `<poly>`, `</poly>` and `<sep>` are marks of our own
use. Reading out the middle of a bin is what bounds the error by half a bin.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mtft.errors import StructureError
from mtft.structured.escaping import escaped, unescaped

BINS = 1000
VERSION = "located-1"
LOCATIONS = tuple(f"<loc_{number}>" for number in range(BINS))
OPEN, CLOSE, APART = "<poly>", "</poly>", "<sep>"
LOCATION_TAGS = (*LOCATIONS, OPEN, CLOSE, APART)
_PIECE = re.compile(r"<loc_(\d{1,6})>|(<poly>|</poly>|<sep>)|([^<]+|<)")
_SIZES = {"box": 4, "quad": 8}


class Page(NamedTuple):
    """Size of a page, in any unit: pixels, points."""

    width: float
    height: float


@dataclass(frozen=True)
class Region:
    """Text and where it stands.

    Attributes:
        text: What stands there; may be empty.
        shape: `box` (left, top, right, bottom), `quad` (x and y of four corners), or `polygons`.
        outlines: The coordinates in the page's unit; one sequence, but for polygons as many as there are.
    """

    text: str
    shape: str
    outlines: tuple[tuple[float, ...], ...]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The smallest upright box around it: left, top, right, bottom."""
        xs = [x for outline in self.outlines for x in outline[::2]]
        ys = [y for outline in self.outlines for y in outline[1::2]]
        return min(xs), min(ys), max(xs), max(ys)


class RegionReading(NamedTuple):
    """An output as read.

    Attributes:
        regions: Those that could be read.
        malformed: Parts that could not: another number of coordinates, a bin that does not exist, text without a
            place, a box whose right is left of its left.
    """

    regions: tuple[Region, ...]
    malformed: int


def bin_of(value: float, size: float, bins: int = BINS) -> int:
    """The bin that a coordinate in [0, size] falls into, 0 to bins − 1."""
    return min(int(value * bins / size), bins - 1)


def middle_of(number: int, size: float, bins: int = BINS) -> float:
    """The coordinate in the middle of a bin."""
    return (number + 0.5) * size / bins


def written_regions(regions: Iterable[Region], page: Page) -> str:
    """The regions as text.

    A region without text after another one has `<sep>` before it.

    Raises:
        StructureError: The page has no size, a coordinate lies outside of it, a shape has another number of
            coordinates, or a box has its corners the wrong way round.
    """
    _check_page(page)
    parts: list[str] = []
    for number, region in enumerate(regions):
        _check(region, page, number)
        outlines = "".join(_outline(region.shape, outline, page) for outline in region.outlines)
        apart = APART if parts and not region.text else ""
        parts.append(f"{apart}{escaped(region.text, spaces=True)}{outlines}")
    return "".join(parts)


def read_regions(text: str, page: Page) -> RegionReading:
    """The regions that an output names, coordinates in the page's unit.

    White space around texts and between tokens does not matter.

    Raises:
        StructureError: The page has no size.
    """
    _check_page(page)
    reader = _Reader(page)
    for found in _PIECE.finditer(text):
        if found[1]:
            reader.location(int(found[1]))
        elif found[2]:
            reader.mark(found[2])
        else:
            reader.text(found[3])
    return reader.done()


class _Reader:
    """One region at a time: its text, then its coordinates."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._regions: list[Region] = []
        self._malformed = 0
        self._begin()

    def _begin(self) -> None:
        self._text, self._bad = "", False
        self._numbers: list[int] = []
        self._polygons: list[tuple[int, ...]] = []
        self._inside = False

    def location(self, number: int) -> None:
        self._bad |= number >= BINS or (bool(self._polygons) and not self._inside)
        self._numbers.append(number)

    def text(self, piece: str) -> None:
        if not piece.strip():
            self._text += piece if self._text and not self._placed else ""
            return
        if self._placed:
            self.flush()
        self._text += piece

    def mark(self, mark: str) -> None:
        if mark == APART:
            self.flush()
        elif mark == OPEN:
            self._bad |= self._inside or bool(self._numbers)
            self._inside = True
        else:
            self._bad |= not self._inside or len(self._numbers) < 6 or len(self._numbers) % 2 == 1
            self._polygons.append(tuple(self._numbers))
            self._numbers, self._inside = [], False

    @property
    def _placed(self) -> bool:
        return bool(self._numbers or self._polygons or self._inside)

    def flush(self) -> None:
        """Ends a region, if one has begun."""
        if self._placed or self._text.strip():
            region = None if self._bad or self._inside else self._region()
            self._malformed += region is None
            self._regions += [region] if region else []
        self._begin()

    def _region(self) -> Region | None:
        text = unescaped(self._text.strip())
        if self._polygons:
            outlines = tuple(map(self._coordinates, self._polygons))
            return None if self._numbers else Region(text, "polygons", outlines)
        shape = next((name for name, size in _SIZES.items() if size == len(self._numbers)), None)
        if shape is None or (shape == "box" and not _upright(self._numbers)):
            return None
        return Region(text, shape, (self._coordinates(self._numbers),))

    def _coordinates(self, numbers: Sequence[int]) -> tuple[float, ...]:
        return tuple(middle_of(number, self._page[axis % 2]) for axis, number in enumerate(numbers))

    def done(self) -> RegionReading:
        self.flush()
        return RegionReading(tuple(self._regions), self._malformed)


def overlap(one: Region, other: Region) -> float:
    """Intersection over union of the bounds of two regions, 0 to 1; 1 of equal ones, 0 of others without area.

    Source: Everingham et al. 2010, "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 88, equation 3.
    """
    if one.bounds == other.bounds:  # also a line's or a point's
        return 1.0
    left, top, right, bottom = one.bounds
    left2, top2, right2, bottom2 = other.bounds
    width = max(min(right, right2) - max(left, left2), 0.0)
    height = max(min(bottom, bottom2) - max(top, top2), 0.0)
    both = width * height
    either = (right - left) * (bottom - top) + (right2 - left2) * (bottom2 - top2) - both
    return both / either if either > 0 else 0.0


def located_text(regions: Any, page: Any) -> str:
    """What the filter `located_text` of templates gives: regions as text, out of a row's plain data.

    Args:
        regions: Mappings with `text` (or none) and one of `box`, `quad` and `polygons`.
        page: A mapping with `width` and `height`.

    Raises:
        StructureError: It is other data, or breaks a rule of `written_regions`.
    """
    if not isinstance(page, Mapping) or not isinstance(regions, Sequence) or isinstance(regions, str):
        found = f"{type(regions).__name__}, {type(page).__name__}"
        raise StructureError("Regions must be a list, with a page of `width` and `height`.", found=found)
    size = Page(page.get("width", 0), page.get("height", 0))
    return written_regions([region_of(each) for each in regions], size)


def region_of(data: Any) -> Region:
    """The region of a mapping with `text` and one of `box`, `quad` and `polygons`.

    Raises:
        StructureError: It is none.
    """
    shapes = [s for s in ("box", "quad", "polygons") if isinstance(data, Mapping) and data.get(s) is not None]
    if len(shapes) != 1:
        rule = "A region must have `text` and one of `box`, `quad` and `polygons`."
        raise StructureError(rule, found=f"{data!r:.80}")
    (shape,) = shapes
    outlines = data[shape] if shape == "polygons" else [data[shape]]
    return Region(str(data.get("text") or ""), shape, tuple(tuple(outline) for outline in outlines))


def _upright(box: Sequence[float]) -> bool:
    return box[0] <= box[2] and box[1] <= box[3]


def _outline(shape: str, outline: Sequence[float], page: Page) -> str:
    tokens = "".join(LOCATIONS[bin_of(value, page[axis % 2])] for axis, value in enumerate(outline))
    return f"{OPEN}{tokens}{CLOSE}" if shape == "polygons" else tokens


def _check_page(page: Page) -> None:
    if not all(isinstance(side, int | float) and math.isfinite(side) and side > 0 for side in page):
        raise StructureError("A page must have a width and a height above 0.", found=tuple(page))


def _check(region: Region, page: Page, number: int) -> None:
    where = f"region {number}"
    if region.shape not in (*_SIZES, "polygons"):
        raise StructureError("A region must be a box, a quad or polygons.", found=region.shape, where=where)
    sizes = [len(outline) for outline in region.outlines]
    whole = sizes == [_SIZES.get(region.shape)]
    if region.shape == "polygons":
        whole = bool(sizes) and all(size >= 6 and size % 2 == 0 for size in sizes)
    if not whole:
        rule = "A box has 4 coordinates, a quad 8, each polygon an even number of at least 6."
        raise StructureError(rule, found=f"{region.shape} of {sizes}", where=where)
    for outline in region.outlines:
        for axis, value in enumerate(outline):
            if not (isinstance(value, int | float) and 0 <= value <= page[axis % 2]):
                raise StructureError(
                    "A coordinate must lie on the page.", found=f"{value!r:.40}", where=where
                )
    if region.shape == "box" and not _upright(region.outlines[0]):
        raise StructureError(
            "A box's right must not be left of its left.", found=region.outlines[0], where=where
        )
