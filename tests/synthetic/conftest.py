from __future__ import annotations

import pytest

from mtft.synthetic import World, world


@pytest.fixture(scope="session")
def micro() -> World:
    return world(scenes=600)
