"""Draws that depend on the seed, the example and the template alone."""

from __future__ import annotations

from hashlib import blake2b


class Dice:
    """A stream of draws for one rendering.

    The n-th draw is a hash of (seed, example id, template id, n): no state outlives the rendering, so
    workers, order and restarts do not change it.

    Args:
        seed: The run's seed.
        example_id: The row's id.
        template_id: The template's uuid.
    """

    __slots__ = ("_drawn", "_key")

    def __init__(self, seed: int, example_id: str, template_id: str) -> None:
        self._key = (seed, example_id, template_id)
        self._drawn = 0

    def below(self, n: int) -> int:
        """A draw from 0 … n-1, uniform to within n / 2**64."""
        text = repr((*self._key, self._drawn)).encode("utf-8", "surrogatepass")
        self._drawn += 1
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % n
