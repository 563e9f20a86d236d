"""docs/adding-a-prompt.md, followed to the letter in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-prompt.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WATCH = "mtft prompts watch"
EXPECTED = {
    "tasks show": ["library_desk", "opening hours, renewal, lost card"],
    "prompts new": ["template `draft`", "languages: [en]", '"Are you open on Sunday afternoon?"'],
    "prompts render library_desk --languages en,sw": [
        'A reader writes to the library: "Are you open on Sunday afternoon?"',
        'A reader writes to the library: "Mnafungua saa ngapi kesho?"',
        "→ lost card",
        "the row has message",
    ],
    "prompts lint library_desk": ["No findings."],
    "mixture describe": ["library_desk", "sw"],
    "translate import": ["what_is_it_about_sw", "No findings.", "Ujumbe huu unahusu nini: saa za kufungua"],
    "prompts stats": ["Written: prompts.html"],
}


def blocks() -> list[str]:
    """The page's commands, in order."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def environment(folder: Path) -> dict[str, str]:
    """A new user's: no data folder, nothing cached."""
    kept = {name: value for name, value in os.environ.items() if name != "MTFT_DATA_ROOT"}
    return {**kept, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}


def shell(script: str, folder: Path) -> str:
    answer = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert answer.returncode == 0, f"{script}\n{answer.stdout}"
    return answer.stdout


def wait_for(path: Path, text: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while text not in (said := path.read_text(encoding="utf-8")):
        assert time.monotonic() < end, f"{text!r} never came:\n{said}"
        time.sleep(0.1)


def start(command: str, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """A command in a second terminal."""
    with log.open("wb") as out:
        return subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=environment(folder), stdout=out, stderr=out
        )


@pytest.mark.processes
def test_the_page_works_as_written(tmp_path: Path) -> None:
    folder, log = tmp_path / "empty", tmp_path / "watch.txt"
    folder.mkdir()
    answers: dict[str, str] = {}
    watching: subprocess.Popen[bytes] | None = None
    try:
        for block in blocks():
            if WATCH in block:
                watching = start(block, folder, log)
                wait_for(log, "Say here what is asked for.")
            else:
                answers[block] = shell(block, folder)
        assert watching is not None
        wait_for(log, "What is it about: opening hours, renewal, lost card?")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=120) == 0
    finally:
        if watching is not None and watching.poll() is None:
            watching.kill()
            watching.wait()
    for command, texts in EXPECTED.items():
        said = "\n".join(answer for block, answer in answers.items() if command in block)
        assert all(text in said for text in texts), f"{command}\n{said}"
    assert "library_desk" in (folder / "prompts.html").read_text(encoding="utf-8")
    card = (folder / "my-prompts" / "library_desk" / "task.yaml").read_text(encoding="utf-8")
    assert 'origin: "translated, not reviewed by a native speaker"' in card
