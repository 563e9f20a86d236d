"""The settings of packing."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtft.encoding import OVER_CAPACITY, WINDOW
from mtft.training.guards import check_choice


@dataclass
class PackSettings:
    """Whether examples share rows, and how many tokens a row holds."""

    packing: bool = field(
        default=False,
        metadata={
            "help": "Train on packs of examples that do not see each other, exactly as unpacked (BLOOM and mT5). "
            "All batch sizes then count packs."
        },
    )
    pack_capacity: list[int] = field(
        default_factory=list,
        metadata={
            "help": "Tokens of a pack: one number for BLOOM, encoder and decoder for mT5. Default: as "
            "`mtft mixture describe --packing` proposes."
        },
    )
    pack_window: int = field(
        default=WINDOW, metadata={"help": "Successive examples of the schedule that are packed together."}
    )
    over_capacity: str = field(
        default="drop", metadata={"help": "An example larger than a pack: `drop` (and count) or `refuse`."}
    )

    def check_packing(self) -> None:
        """Refuse what is unknown; sizes are checked with the data.

        Raises:
            ConfigError: `over_capacity` is neither.
        """
        check_choice("over_capacity", self.over_capacity, OVER_CAPACITY)
