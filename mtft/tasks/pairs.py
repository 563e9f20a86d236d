"""Many directions of translation out of one card: a list of languages instead of a configuration each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from mtft import languages
from mtft.errors import TaskError, nearest
from mtft.tasks import expression
from mtft.tasks.source import Variant

_SEPARATOR = "-"


@dataclass(frozen=True)
class Pairs:
    """The directions among some languages; each is a configuration `source-target` of published names.

    Attributes:
        names: What the published data calls a language → its code.
        listed: The published pairs, `first-second`; none given: every ordered pair of the names.
        both: A listed pair is read in both directions.
        folder: What `{folder}` stands for in paths: an expression over `{first}` and `{second}`; `{second}`
            where each language has a folder of its own.
    """

    names: dict[str, str]
    listed: tuple[str, ...] = ()
    both: bool = True
    folder: str = "{first}-{second}"

    def check(self, where: str) -> None:
        """Checks what the types do not say.

        Raises:
            TaskError: A language is unknown, a pair is none of two names, or the folder names something
                else.
        """
        expression.check(self.folder, where)
        if wrong := expression.names(self.folder) - {"first", "second"}:
            rule = "`folder` of pairs may name only `first` and `second`."
            raise TaskError(rule, found=", ".join(sorted(wrong)), where=where)
        for name, code in self.names.items():
            languages.get(code)
            if _SEPARATOR in name:
                raise TaskError(
                    "A language's name in pairs must hold no `-`.", found=f"`{name}`", where=where
                )
        for pair in self.listed:
            for name in pair.split(_SEPARATOR, 1):
                if name not in self.names or _SEPARATOR not in pair:
                    rule = "A listed pair must be two of the names, `first-second`."
                    raise TaskError(rule, found=f"`{pair}`", where=where, remedy=nearest(name, self.names))

    def variants(self) -> dict[str, Variant]:
        """Configuration → variant."""
        return {
            _SEPARATOR.join((second, first) if backwards else (first, second)): self._variant(
                first, second, backwards=backwards
            )
            for first, second, backwards in self._directions()
        }

    def _directions(self) -> Iterator[tuple[str, str, bool]]:
        if not self.listed:
            yield from ((first, second, False) for first, second in itertools.permutations(self.names, 2))
        for pair in self.listed:
            first, second = pair.split(_SEPARATOR, 1)
            yield first, second, False
            if self.both:
                yield first, second, True

    def _variant(self, first: str, second: str, *, backwards: bool) -> Variant:
        source, target = (second, first) if backwards else (first, second)
        return Variant(
            folder=expression.evaluate(self.folder, {"first": first, "second": second}),
            language=self.names[target],
            source=self.names[source],
            first=first,
            second=second,
            backwards=backwards,
            source_folder=expression.evaluate(self.folder, {"first": second, "second": first}),
        )
