"""Which packs make which optimiser step, and which process and micro-batch gets each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

from mtft.encoding.pack_windows import PackWindows
from mtft.encoding.step_plan import Positions, StepPlan
from mtft.errors import ConfigError, RunError


class _Start(NamedTuple):
    """What came before a window: packs, the examples in them, and examples larger than a pack."""

    pack: int
    examples: int
    dropped: int


_BEGINNING = _Start(0, 0, 0)


class PackPlan:
    """The packs of every optimiser step.

    Step s takes packs s * packs_per_step up to (s + 1) * packs_per_step of all windows, one window after the
    other. So every example trains once per pass, whole windows keep the mixture's rates to within two rows,
    and how many processes share a step and in how many micro-batches changes nothing about what it learns
    from.

    **A step is counted in packs**, not in examples. Every pack is one row of the same capacity, so each step
    costs the same time and memory, the number of micro-batches is fixed, and nothing is padded to fill it. It
    is also how the papers count: BLOOMZ's 2,048 sequences of 2,048 tokens are 2,048 packs of capacity 2,048.
    How many examples a step holds varies with their lengths, and the loss normalisation divides by what it
    really holds. Counting examples instead would leave the last packs of every step part empty, and
    change the number of packs, so of micro-batches, from step to step.

    Where pack n lies follows from the windows before it. `state` keeps that for a resumed run;
    without it the earlier windows are packed again, about a second per 100,000 examples.

    Args:
        windows: The packs.
        packs_per_step: Packs of one optimiser step over all processes.

    Raises:
        ConfigError: There is less than one pack per step.

    Source: BLOOMZ's batches: Muennighoff et al. 2023, arXiv 2211.01786; the model card of bigscience/bloomz
        gives 2.09 billion tokens in 498 steps.
    """

    def __init__(self, windows: PackWindows, packs_per_step: int) -> None:
        if packs_per_step < 1:
            raise ConfigError("A pack plan needs at least one pack per step.", found=packs_per_step)
        self.windows, self.packs_per_step = windows, packs_per_step
        self._total: int | None = None
        self._step: tuple[int, list[Positions]] = (-1, [])
        self._start_from(0, _BEGINNING)

    @property
    def total_packs(self) -> int | None:
        """Packs in all, or None without an end. The first call packs every window there is."""
        if self._total is None and self.windows.total_rows is not None:
            while self._has_next():
                self._advance()
            self._total = self._starts[-1].pack
        return self._total

    @property
    def steps(self) -> int | None:
        """Optimiser steps in all, or None without an end; see `total_packs`."""
        total = self.total_packs
        return None if total is None else -(-total // self.packs_per_step)

    def packs(self, step: int) -> list[Positions]:
        """The packs of one step, each (examples,) int64 positions, ascending; fewer in a short last step.

        Raises:
            ConfigError: An example is larger than a pack and such are refused, or none of a window fits.
        """
        if self._step[0] != step:
            first = step * self.packs_per_step
            self._step = (step, self._slice(first, first + self.packs_per_step))
        return list(self._step[1])

    def deal(self, step: int, *, processes: int, accumulation: int, micro_batch: int) -> Positions:
        """Which of `packs(step)` goes where: (accumulation, processes, micro_batch) int64, -1 for an empty slot.

        Packs go round as the rows of `StepPlan.deal` do.

        Example: of a last step with 5 packs of 8,
            `plan.deal(step, processes=2, accumulation=2, micro_batch=2)` is

            micro-batch 0: process 0 [0,  4]   process 1 [1, -1]
            micro-batch 1: process 0 [2, -1]   process 1 [3, -1]

        Raises:
            ConfigError: The slots do not hold the packs of a step.
        """
        found = len(self.packs(step))
        # step 1 of a plan that ends `found` rows into it: a step may hold nothing, a plan may not
        rows = StepPlan(self.packs_per_step, self.packs_per_step + found)
        dealt = rows.deal(1, processes=processes, accumulation=accumulation, micro_batch=micro_batch)
        dealt[dealt >= 0] -= self.packs_per_step
        return dealt

    def examples(self, steps: int) -> int:
        """Examples in the packs of the first `steps` steps."""
        last = steps * self.packs_per_step
        number = self._find(last)
        start = self._starts[number - self._base]
        begun = self.windows[number].packs[: last - start.pack] if self.windows.exists(number) else ()
        return start.examples + sum(map(len, begun))

    def dropped(self, steps: int) -> int:
        """Examples larger than a pack, in all windows up to the one in which the first `steps` steps end."""
        if steps == 0:
            return 0
        inside = self._find(steps * self.packs_per_step - 1) - self._base
        return self._starts[min(inside + 1, len(self._starts) - 1)].dropped

    def state(self, step: int) -> dict[str, Any]:
        """What `restore` needs to find the packs from this step on without those before; JSON holds it."""
        number = self._find(step * self.packs_per_step)
        start = self._starts[number - self._base]
        return {
            "fingerprint": self.windows.fingerprint,
            "window": number,
            "first_pack": start.pack,
            "examples": start.examples,
            "dropped": start.dropped,
            "offset": step * self.packs_per_step - start.pack,
            "digest": self._digest(number),
            "total_rows": self.windows.total_rows,
            "total_packs": self._total,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of a plan with the same windows.

        Raises:
            RunError: It is another plan's, or the lengths in its window are no longer the same.
        """
        try:
            number, *start = (int(state[key]) for key in ("window", "first_pack", "examples", "dropped"))
            theirs, digest = str(state["fingerprint"]), state["digest"]
            total = state["total_packs"] if state["total_rows"] == self.windows.total_rows else None
        except (KeyError, TypeError, ValueError) as error:
            raise RunError("A pack plan is restored from a state it wrote.", found=repr(error)) from error
        if theirs != self.windows.fingerprint:
            _refuse(f"plan {self.windows.fingerprint} now, {theirs} in the checkpoint")
        if digest is not None and self._digest(number) not in (digest, None):
            _refuse(f"other lengths in window {number}")
        self._total = total
        self._start_from(number, _Start(*start))

    def _digest(self, number: int) -> str | None:
        return self.windows[number].digest if self.windows.exists(number) else None

    def _start_from(self, number: int, start: _Start) -> None:
        """Forget all windows but where one begins."""
        self._base = number
        # where each window from there on begins, with one entry more for the end of the last
        self._starts = [start]

    def _has_next(self) -> bool:
        return self.windows.exists(self._base + len(self._starts) - 1)

    def _advance(self) -> None:
        """Pack one window more, and note where the next begins."""
        window = self.windows[self._base + len(self._starts) - 1]
        last = self._starts[-1]
        self._starts.append(
            _Start(
                pack=last.pack + len(window.packs),
                examples=last.examples + sum(map(len, window.packs)),
                dropped=last.dropped + len(window.dropped),
            )
        )

    def _find(self, pack: int) -> int:
        """The window that holds this pack; beyond the end, the number of windows."""
        if pack < self._starts[0].pack:
            self._start_from(0, _BEGINNING)
        while pack >= self._starts[-1].pack and self._has_next():
            self._advance()
        return self._base + bisect_right(self._starts, pack, key=lambda start: start.pack) - 1

    def _slice(self, first: int, last: int) -> list[Positions]:
        """Packs first … last - 1 of all windows, as far as there are any."""
        found: list[Positions] = []
        while len(found) < last - first:
            pack = first + len(found)
            number = self._find(pack)
            if not self.windows.exists(number):
                break
            inside = pack - self._starts[number - self._base].pack
            found += self.windows[number].packs[inside : inside + last - pack]
        return found


def _refuse(found: str) -> None:
    raise RunError(
        "A run is resumed with the packs that it began with.",
        found=found,
        remedy="Restore mixture, tokenizer, capacities and window, or start a new run in another folder.",
    )
