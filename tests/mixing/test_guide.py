"""The YAML in the guide works as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mtft.mixing import Mixture, MixtureSpec, build_mixture, summed
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Sources

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = DOCS / "mixtures.md"


@pytest.fixture
def blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_full_example_resolves(blocks: list[str], tmp_path: Path) -> None:
    path = tmp_path / "my_mixture.yaml"
    path.write_text(blocks[0], encoding="utf-8")
    spec = MixtureSpec.load(path)
    cells = spec.resolve(CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin())
    assert {cell.task.name for cell in cells} == {"sib200", "xquad"}
    assert {"sib200:swh_Latn", "xquad:tr"} <= {task.key for task in cells.report}
    assert {task.cluster for task in cells.validation} >= {"coreference"}
    assert len(next(cell for cell in cells if cell.task.name == "xquad").task.templates) == 2


def test_published_rows_train_with_the_guides_card(blocks: list[str], tmp_path: Path) -> None:
    card, mixture = blocks[1:]
    for name, text in (("prompts/published/task.yaml", card), ("published.yaml", mixture)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for language in ("sw", "yo", "hi"):
        rows = [{"inputs": f"{language} question {i}", "targets": f"answer {i}"} for i in range(60)]
        path = tmp_path / "data" / "published" / language / "rows.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    spec = MixtureSpec.load(tmp_path / "published.yaml")
    prompts = tmp_path / "prompts"
    cells = spec.resolve(CardIndex.load([prompts]), TemplateCollection.from_folder(prompts))
    built = build_mixture(spec, cells, Sources(data_root=tmp_path / "data"), tmp_path / "cache")
    trained = [shard.summary.rows for shard in built.shards]
    assert len(trained) == 3
    assert all(50 <= count < 60 for count in trained)
    assert built.shards[0].example(0).template_id == "prompted"


@pytest.mark.parametrize("name", ["mini_unimax", "mini_annealed"])
def test_mixtures_of_the_guide_to_dynamic_sampling_build(name: str, tmp_path: Path) -> None:
    text = (DOCS / "dynamic_sampling.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    path = tmp_path / f"{name}.yaml"
    path.write_text(next(block for block in blocks if f"name: {name}" in block), encoding="utf-8")
    spec = MixtureSpec.load(path)
    cells = spec.resolve(CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin())
    built = build_mixture(spec, cells, Sources(), tmp_path / "cache")
    mixture = Mixture(built, built.index())
    if name == "mini_unimax":
        assert mixture.horizon == 1200
        tasks = sorted(
            summed(mixture.proportions(1200), lambda line: line.task).values(), key=lambda t: t.rows
        )
        assert tasks[0].epochs == pytest.approx(2, rel=0.05)  # the smallest is at its bound
        assert tasks[1].share == pytest.approx(tasks[2].share, abs=0.05)  # the others share evenly
    else:
        assert len(mixture.phases) == 9
        first, last = mixture.phases[0].shares, mixture.phases[-1].shares
        assert last.max() < first.max()
        assert "Phases" in mixture.describe()
