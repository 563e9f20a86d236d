from __future__ import annotations

from pathlib import Path

import pytest

from mtft.synthetic import fingerprint, generator_fingerprint


def test_the_fingerprint_follows_the_generator_s_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = generator_fingerprint()
    assert len(before) == 32
    for name, text in (("a.py", "x = 1"), ("b.txt", "not code")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(fingerprint, "files", lambda _: tmp_path)
    seen = []
    for text in ("x = 1", "x = 2", "x = 1"):
        (tmp_path / "a.py").write_text(text)
        generator_fingerprint.cache_clear()
        seen.append(generator_fingerprint())
    generator_fingerprint.cache_clear()
    assert seen[0] == seen[2] != seen[1]
    assert before not in seen
