"""A hash that changes when the generator does, so that no cache serves rows of an earlier micro-world."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files


@lru_cache(maxsize=1)
def generator_fingerprint() -> str:
    """32 hexadecimal digits of the generator's own source files."""
    digest = blake2b(digest_size=16)
    for file in sorted(files("mtft.synthetic").iterdir(), key=lambda path: path.name):
        if file.name.endswith(".py"):
            digest.update(f"{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()
