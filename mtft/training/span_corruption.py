"""T5's span corruption, for a whole batch at once and without padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


class SpanSizes(NamedTuple):
    """How a row of a given length is corrupted; equal for all rows, so batches need no padding.

    Attributes:
        noise: Tokens hidden per row.
        spans: Spans they form.
    """

    noise: int
    spans: int


def span_sizes(length: int, density: float, mean_span: float) -> SpanSizes:
    """Hidden tokens and spans of a row of `length` tokens.

    Example: 64 tokens at density 0.15 and mean span 3 hide 10 tokens in 3 spans.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text
        Transformer", arXiv 1910.10683, section 3.1.4 and 3.3.4.
    """
    noise = min(max(round(length * density), 1), length - 1)
    spans = min(max(round(noise / mean_span), 1), noise, length - noise)
    return SpanSizes(noise, spans)


def corrupt_spans(
    rows: Ids, sizes: SpanSizes, sentinels: Ids, eos_id: int, random: np.random.Generator
) -> tuple[Ids, Ids]:
    """Encoder inputs and decoder targets of rows whose spans are hidden at random.

    Each row is cut into `spans` kept pieces and as many hidden ones, alternating, kept first, all
    non-empty, every cut equally likely.

    Example: row `a b c d e f g h` with `c d` and `g h` hidden (X, Y sentinels):

        inputs   a b X e f Y </s>
        targets  X c d Y g h </s>

    Args:
        rows: (rows, length) int64.
        sizes: From `span_sizes(length, ...)`.
        sentinels: At least `spans` ids, the first stands for the first hidden span.
        eos_id: Ends inputs and targets.
        random: Draws the cuts.

    Returns:
        (rows, length - noise + spans + 1) and (rows, noise + spans + 1), both int64.

    Source: as `span_sizes`; figure 2 there.
    """
    count, length = rows.shape
    hidden = _random_parts(count, sizes.noise, sizes.spans, random)
    kept = _random_parts(count, length - sizes.noise, sizes.spans, random)
    pieces = np.stack([kept, hidden], axis=2).reshape(count, -1)  # kept, hidden, kept, hidden, …
    starts = np.zeros((count, length), dtype=np.int64)
    first_places = np.cumsum(pieces, axis=1) - pieces
    np.put_along_axis(starts, first_places, 1, axis=1)
    piece = np.cumsum(starts, axis=1) - 1
    is_hidden, begins = piece % 2 == 1, starts == 1
    marked = np.where(begins, sentinels[piece // 2], rows)
    # a sentinel takes the place of a piece's first token on the side that drops the piece
    inputs = np.where(is_hidden, marked, rows)[~is_hidden | begins].reshape(count, -1)
    targets = _targets(rows, marked, is_hidden, begins)
    ending = np.full((count, 1), eos_id, dtype=np.int64)
    return np.hstack([inputs, ending]), np.hstack([targets, ending])


def _targets(rows: Ids, marked: Ids, is_hidden: npt.NDArray[np.bool_], begins: npt.NDArray[np.bool_]) -> Ids:
    """Each sentinel followed by the span it hides; the kept piece before lends its place to the sentinel."""
    return np.where(is_hidden, rows, marked)[is_hidden | begins].reshape(len(rows), -1)


def _random_parts(rows: int, total: int, parts: int, random: np.random.Generator) -> Ids:
    """Random compositions of `total` into `parts` positive numbers, (rows, parts) int64.

    Example: total 5, parts 2 gives [1, 4], [2, 3], [3, 2] or [4, 1], equally likely.
    """
    order = np.argsort(random.random((rows, total - 1)), axis=1)[:, : parts - 1]
    cuts = np.sort(order + 1, axis=1)
    edges = np.hstack([np.zeros((rows, 1), np.int64), cuts, np.full((rows, 1), total)])
    return np.diff(edges, axis=1)
