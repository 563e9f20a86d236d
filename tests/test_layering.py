"""The rooms' import order of the design, held by walking the syntax trees."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "mtft"

# What each room may import directly; the closure over this table is what it may import at all.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "plain": set(),
    "resources": set(),
    "languages": set(),
    "prompting": set(),
    "structured": set(),
    "synthetic": set(),
    "tasks": {"prompting", "structured", "synthetic"},
    "mixing": {"tasks"},
    "encoding": {"mixing"},
    "modeling": set(),
    "statistics": set(),
    "training": {"encoding", "modeling", "statistics"},
    "evaluation": {"tasks", "mixing", "encoding", "modeling", "statistics"},
    "reporting": {"statistics"},
    "runs": {"training", "evaluation", "reporting"},
    "cli": {"runs"},
}
OPEN = {"errors", "plain", "resources", "languages"}
TORCH = {"torch", "transformers", "accelerate", "peft", "deepspeed"}
WITHOUT_TORCH = {
    "errors", "plain", "resources", "languages", "prompting", "structured", "synthetic", "tasks", "mixing",
    "statistics", "reporting",
}  # fmt: skip


def closure(room: str) -> set[str]:
    reached, todo = set(OPEN), [room]
    while todo:
        for step in MAY_IMPORT[todo.pop()] - reached:
            reached.add(step)
            todo.append(step)
    return reached | {room}


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


class RunTime(ast.NodeTransformer):
    """Takes out what only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return self.generic_visit(node)


def imported(path: Path, *, run_time: bool = False) -> set[str]:
    names = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(RunTime().visit(tree) if run_time else tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert all(alias.name != "*" for alias in node.names), f"{path}: wildcard import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def test_every_room_stands_in_the_table() -> None:
    assert {room_of(path) for path in modules()} <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    used = {name.split(".")[1] for name in imported(path) if name.startswith("mtft.")} & set(MAY_IMPORT)
    assert used <= closure(room_of(path)), f"{path} imports {sorted(used - closure(room_of(path)))}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_above_encoding_do_without_torch(path: Path) -> None:
    if room_of(path) in WITHOUT_TORCH:
        assert not {name.split(".")[0] for name in imported(path)} & TORCH


def test_no_import_cycles_between_modules() -> None:
    names = {".".join(("mtft", *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in modules()}
    edges = {
        name: {other for other in imported(p, run_time=True) if other in names} for name, p in names.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join((*trail, name))}"
        if name not in done:
            for other in edges[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in names:
        visit(name, ())


def test_the_package_imports_quickly_and_lightly() -> None:
    import subprocess
    import sys

    heavy = ("torch", "transformers", "datasets", "scipy", "pandas")
    code = f"import sys, mtft, mtft.cli.main; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
