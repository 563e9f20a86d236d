"""TorchJD's scalarisers, imported only where one is used."""

from __future__ import annotations

import importlib
from typing import Any

from mtft.errors import MissingExtraError


def scalarizers() -> Any:
    """The module `torchjd.scalarization`.

    It must be imported before a model is loaded under ZeRO-3: DeepSpeed (0.19.8) leaves a replaced
    `nn.Module.__init_subclass__` behind that does not call `Generic`'s, and TorchJD's generic modules then fail as
    they are defined. The settings therefore import it.

    Raises:
        MissingExtraError: TorchJD 0.18 or newer is not installed.
    """
    missing = MissingExtraError("torchjd", extra="multitask", purpose="This method of loss balancing")
    try:
        found = importlib.import_module("torchjd.scalarization")
    except ImportError as error:
        raise missing from error
    if not hasattr(found, "FAMO"):  # since 0.18
        raise missing
    return found
