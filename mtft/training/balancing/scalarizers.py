"""TorchJD's scalarisers, imported only where one is used."""

from __future__ import annotations

import importlib
from typing import Any

from mtft.errors import MissingExtraError


def scalarizers() -> Any:
    """The module `torchjd.scalarization`.

    Raises:
        MissingExtraError: TorchJD 0.18 or newer is not installed.
    """
    try:
        found = importlib.import_module("torchjd.scalarization")
        _ = found.FAMO  # since 0.18
    except (ImportError, AttributeError) as error:
        raise MissingExtraError(
            "torchjd", extra="multitask", purpose="This method of loss balancing"
        ) from error
    return found
