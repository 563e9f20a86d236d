"""Loss balancing in training: however a step is split, resumed, packed, on adapters and on models of other families."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.encoding import TokenLimits
from mtft.errors import ConfigError, RunError
from mtft.mixing import Mixture, MixtureSpec, Sampling, build_mixture
from mtft.prompting import TemplateCollection
from mtft.resources import builtin_folder
from mtft.tasks import CardIndex, Sources
from mtft.training import MultitaskArguments, MultitaskTrainer
from mtft.training.balance_settings import BALANCINGS
from mtft.training.groups import groups_of
from tests.training.additions import Additions, MakeTrainer, logged, toy_model
from tests.training.grouped import TASKS, Grouped, GroupedMeasured, Held, Renamed

pytest.importorskip("torchjd.scalarization")

ALL = [name for name in BALANCINGS if name != "none"]
QUICK: dict[str, Any] = {
    "balance_window": 1,
    "balance_every": 1,
    "balance_warmup": 2,
    "balance_history": 4,
    "balance_learning_rate": 0.2,
    "adam_epsilon": 1e-4,
}


@pytest.fixture
def balanced(make_trainer: MakeTrainer, tmp_path: Path) -> MakeTrainer:
    """Builds a trainer on grouped additions with what its method needs."""
    reference = tmp_path / "reference.json"
    reference.write_text(json.dumps({"plus": 3.0, "sum": 4.0, "more": 5.5, "whole": 4.0, "rest": 5.0}))

    def make(family: str, method: str, source: Any = None, **settings: Any) -> MultitaskTrainer:
        if method == "doremi":
            settings["balance_reference"] = str(reference)
        return make_trainer(family, source or Grouped(), loss_balancing=method, **{**QUICK, **settings})

    return make


@pytest.fixture(autouse=True)
def validated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainers with CoBa have validation examples."""
    init = MultitaskTrainer.__init__

    def with_examples(self: Any, model: Any, args: Any, *rest: Any, **named: Any) -> None:
        if args.loss_balancing == "coba":
            named.setdefault("validation", Held())
        init(self, model, args, *rest, **named)

    monkeypatch.setattr(MultitaskTrainer, "__init__", with_examples)


def _weights(trainer: MultitaskTrainer) -> list[dict[str, float]]:
    return [
        {name: value for name, value in entry.items() if name.startswith("balance_")}
        for entry in trainer.state.log_history
        if "loss" in entry
    ]


def _assert_equal(found: list[dict[str, float]], expected: list[dict[str, float]], rtol: float) -> None:
    assert [sorted(line) for line in found] == [sorted(line) for line in expected]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose([a[name] for name in b], list(b.values()), rtol=rtol)


@pytest.mark.parametrize("method", ALL)
def test_weights_and_losses_do_not_depend_on_the_split(method: str, balanced: MakeTrainer) -> None:
    found = []
    for rows, accumulation in ((8, 1), (2, 4)):
        trainer = balanced(
            "bloom", method, per_device_train_batch_size=rows, gradient_accumulation_steps=accumulation
        )
        trainer.train()
        found.append(trainer)
    np.testing.assert_allclose(
        logged(found[1], "loss", "grad_norm"), logged(found[0], "loss", "grad_norm"), rtol=2e-3
    )
    _assert_equal(_weights(found[1]), _weights(found[0]), 5e-3)
    assert "balance_weight/more" not in _weights(found[0])[1]  # it is absent from the second step
    last = _weights(found[0])[-1]
    assert set(last) == {f"balance_{what}/{task}" for what in ("weight", "share") for task in TASKS}
    assert sum(last[f"balance_share/{task}"] for task in TASKS) == pytest.approx(1)
    assert method == "sum" or len({round(last[f"balance_weight/{task}"], 6) for task in TASKS}) > 1


@pytest.mark.parametrize(("kind", "reduction"), [("token", "sum"), ("target", "mean"), ("sample", "sum")])
def test_the_sum_is_each_groups_own_loss(kind: str, reduction: str, balanced: MakeTrainer) -> None:
    """Against single-task steps: group by group, the loss of its rows alone."""
    trainer = balanced("mt5", "sum", max_steps=1, loss_normalization=kind, loss_reduction=reduction)
    rows = Grouped().examples(range(8))
    alone = []
    for task in TASKS:
        only = [position for position in range(8) if rows[position].task == task]
        source = _Only(only)
        if only:
            one = balanced(
                "mt5",
                "none",
                source,
                max_steps=1,
                loss_normalization=kind,
                per_device_train_batch_size=len(only),
            )
            one.train()
            alone.append(logged(one, "loss")[0][0])
    trainer.train()
    expected = sum(alone) / (len(alone) if reduction == "mean" else 1)
    assert logged(trainer, "loss")[0][0] == pytest.approx(expected, rel=1e-4)


OPTIONS: dict[str, Any] = {"label_smoothing_factor": 0.1, "z_loss": 1e-2}


@pytest.mark.parametrize("family", ["mt5", "bloom", "packs", "other"])
@pytest.mark.parametrize("kind", ["token", "target", "sample"])
def test_methods_look_at_the_loss_that_is_minimised(kind: str, family: str, tmp_path: Path) -> None:
    """With smoothing and z-loss the groups' losses add up to the step's; what is logged is the likelihood."""
    found = {}
    for name, options in (("plain", {}), ("both", OPTIONS)):
        trainer = _one_step(family, tmp_path, loss_normalization=kind, **options)
        measured: list[Any] = []
        trainer.loss_balancer.method.update = measured.append
        trainer.train()
        found[name] = (trainer, measured[0])
    (plain, without), (both, measured) = found["plain"], found["both"]
    loss = logged(both, "loss")[0][0]
    assert float(measured.losses.sum()) == pytest.approx(loss, rel=1e-3)
    assert loss > 1.02 * logged(plain, "loss")[0][0]
    torch.testing.assert_close(measured.token_losses, without.token_losses, rtol=1e-5, atol=0)
    lines = [trainer.state.log_history[0] for trainer in (plain, both)]
    likelihood = without.token_losses[plain.loss_balancer.groups.names.index("sum")]
    assert [line["task_loss/sum"] for line in lines] == pytest.approx([float(likelihood)] * 2)


def _one_step(family: str, folder: Path, **settings: Any) -> MultitaskTrainer:
    """A trainer of one step with the groups' plain sum: our models on rows, BLOOM on packs, or another family's."""
    model, encoder = toy_model("mt5" if family == "mt5" else "bloom")
    if family == "other":
        size = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 128}
        size |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
        torch.manual_seed(0)
        model = GPT2LMHeadModel(GPT2Config(vocab_size=len(encoder.tokenizer), **size))
    packing = {"packing": True, "pack_window": 32, "pack_capacity": [48]} if family == "packs" else {}
    args = MultitaskArguments(
        output_dir=str(folder / "run"), max_steps=1, loss_balancing="sum", logging_steps=1, save_strategy="no",
        report_to="none", disable_tqdm=True, use_cpu=True, per_device_train_batch_size=2 if packing else 8,
        **packing, **settings,
    )  # fmt: skip
    return MultitaskTrainer(model, args, GroupedMeasured(encoder), encoder)


def test_uncertainty_weighting_goes_to_its_optimum_of_what_is_minimised(balanced: MakeTrainer) -> None:
    """With a learning rate of 0 the losses stand still, and the weight of a loss l has its optimum at 1 / (2 l)."""
    settings = {"learning_rate": 0.0, "max_steps": 80, "balance_learning_rate": 0.1, "logging_steps": 80}
    trainer = balanced("bloom", "uw", _Only(list(range(8))), z_loss=0.1, **settings)
    method, measured = trainer.loss_balancer.method, []
    update = method.update

    def kept(latest: Any) -> None:
        measured.append(latest)
        update(latest)

    method.update = kept
    trainer.train()
    torch.testing.assert_close(method.weights(80), 1 / (2 * measured[0].losses), rtol=0.1, atol=0)
    assert bool((measured[0].losses > 1.2 * measured[0].token_losses).all())


class _Only(Grouped):
    def __init__(self, kept: list[int]) -> None:
        super().__init__()
        self.kept = kept

    def examples(self, positions: Any) -> list[Any]:
        return super().examples([self.kept[int(p) % len(self.kept)] for p in positions])


def test_the_mean_of_token_means_is_the_normalization_task(balanced: MakeTrainer) -> None:
    ours = balanced("bloom", "sum", loss_normalization="token", loss_reduction="mean")
    theirs = balanced("bloom", "none", loss_normalization="task")
    ours.train()
    theirs.train()
    np.testing.assert_allclose(
        logged(ours, "loss", "grad_norm"), logged(theirs, "loss", "grad_norm"), rtol=1e-5
    )


def test_other_names_in_another_order_train_the_same(balanced: MakeTrainer) -> None:
    plain, renamed = balanced("bloom", "famo"), balanced("bloom", "famo", Renamed())
    plain.train()
    renamed.train()
    np.testing.assert_allclose(logged(renamed, "loss"), logged(plain, "loss"), rtol=1e-5)
    expected = [
        {
            f"{kind}/{Renamed.names[task]}": value
            for name, value in line.items()
            for kind, task in [name.split("/")]
        }
        for line in _weights(plain)
    ]
    for a, b in zip(_weights(renamed), expected, strict=True):
        assert a == pytest.approx(b, rel=1e-4)


@pytest.mark.parametrize("by", ["language", "cluster"])
def test_groups_are_languages_or_clusters(by: str, balanced: MakeTrainer) -> None:
    trainer = balanced("mt5", "uw", balance_by=by)
    trainer.train()
    names = {"language": {"en", "so", "none"}, "cluster": {"whole", "rest"}}[by]
    assert {name.split("/")[1] for name in _weights(trainer)[-1]} == names


RESUMED: dict[str, Any] = {
    "save_strategy": "steps",
    "save_steps": 2,
    "max_steps": 4,
    "gradient_accumulation_steps": 2,
    "per_device_train_batch_size": 4,
}


@pytest.mark.parametrize("method", ["famo", "coba"])
def test_resuming_equals_never_stopping(
    method: str, make_trainer: MakeTrainer, balanced: MakeTrainer
) -> None:
    """Bit for bit, weights too, with dropout; and only with the same settings."""
    settings = {**RESUMED, "dropout": 0.1, "balance_window": 2}
    whole = balanced("bloom", method, **settings)
    whole.train()
    resumed = balanced("bloom", method, **settings)
    checkpoint = Path(resumed.args.output_dir) / "checkpoint-2"
    weights = Path(resumed.args.output_dir) / "balance_weights.json"
    told = weights.read_text()
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert logged(resumed, "step", "loss", "grad_norm") == logged(whole, "step", "loss", "grad_norm")
    assert _weights(resumed) == _weights(whole)
    assert weights.read_text() == told
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    other = balanced("bloom", method, **settings, loss_reduction="mean")
    with pytest.raises(RunError, match="balance"):
        other.train(resume_from_checkpoint=str(checkpoint))


def test_without_balancing_nothing_is_added(balanced: MakeTrainer) -> None:
    """Not to the identity, so older checkpoints resume; not to the log; not to the folder."""
    trainer = balanced("bloom", "none", **RESUMED)
    trainer.train()
    assert not [name for name in trainer.identity if name.startswith("balance")]
    assert not any(_weights(trainer))
    assert not list(Path(trainer.args.output_dir).rglob("balance*.json"))


@pytest.mark.parametrize(("family", "method"), [("bloom", "famo"), ("mt5", "slaw")])
def test_packs_and_adapters_balance_too(family: str, method: str, tmp_path: Path) -> None:
    """Packs of one capacity, LoRA; the same weights in two splits."""
    found = []
    for rows, accumulation in ((4, 1), (1, 4)):
        model, encoder = toy_model(family)
        args = MultitaskArguments(
            output_dir=str(tmp_path / "run"), max_steps=3, loss_balancing=method, packing=True, pack_window=32,
            pack_capacity=[48] if family == "bloom" else [40, 16], peft="lora", per_device_train_batch_size=rows,
            gradient_accumulation_steps=accumulation, logging_steps=1, save_strategy="no", report_to="none",
            disable_tqdm=True, learning_rate=1e-2, adam_epsilon=1e-4,
        )  # fmt: skip
        trainer = MultitaskTrainer(model, args, GroupedMeasured(encoder), encoder)
        trainer.train()
        found.append(trainer)
    np.testing.assert_allclose(logged(found[1], "loss"), logged(found[0], "loss"), rtol=2e-3)
    _assert_equal(_weights(found[1]), _weights(found[0]), 2e-2)


def test_a_model_of_another_family_balances_too(tmp_path: Path) -> None:
    _, encoder = toy_model("bloom")
    config = GPT2Config(vocab_size=len(encoder.tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=128)
    args = MultitaskArguments(
        output_dir=str(tmp_path / "run"), max_steps=2, loss_balancing="famo", logging_steps=1, save_strategy="no",
        report_to="none", disable_tqdm=True,
    )  # fmt: skip
    trainer = MultitaskTrainer(GPT2LMHeadModel(config), args, Grouped(), encoder)
    trainer.train()
    assert {name for name in _weights(trainer)[-1] if "weight" in name}


def test_famo_measures_again_under_the_same_dropout(balanced: MakeTrainer) -> None:
    """With a learning rate of 0 nothing falls: xi feels its own decay alone, which is 0 at 0."""
    trainer = balanced("bloom", "famo", dropout=0.3, learning_rate=0.0)
    trainer.train()
    method = trainer.loss_balancer.method
    torch.testing.assert_close(method.adam.values, torch.zeros(3).double(), rtol=0, atol=1e-9)
    plain = balanced("bloom", "sum", dropout=0.3, learning_rate=0.0)
    plain.train()
    # the second forward leaves the generators as they were: what trains next draws the same dropout
    np.testing.assert_allclose(
        [line["task_loss/plus"] for line in trainer.state.log_history if "loss" in line],
        [line["task_loss/plus"] for line in plain.state.log_history if "loss" in line],
        rtol=1e-5,
    )


def test_the_mean_weights_are_left_as_shares(balanced: MakeTrainer) -> None:
    trainer = balanced("bloom", "doremi", max_steps=2)
    trainer.train()
    told = json.loads((Path(trainer.args.output_dir) / "balance_weights.json").read_text())
    assert (told["method"], told["by"], told["steps"]) == ("doremi", "task", 2)
    assert sum(told["weights"].values()) == pytest.approx(1)
    shares = (
        trainer.loss_balancer.method.shares
    )  # of the step to come; the two steps' were uniform and one before
    assert sorted(told["weights"]) == sorted(TASKS)
    assert shares.sum() == pytest.approx(1)


def test_references_come_from_a_run(balanced: MakeTrainer, make_trainer: MakeTrainer, tmp_path: Path) -> None:
    """The mean of a group's last ten lines; a checkpoint's log will do; what is missing is named."""
    history = [{"loss": 1.0, "task_loss/plus": float(n), "task_loss/sum": 2.0} for n in range(12)]
    (tmp_path / "ran").mkdir()
    (tmp_path / "ran" / "training.json").write_text(
        json.dumps({"history": [*history, {"loss": 1.0, "task_loss/more": 3.0}]})
    )
    settings = {"loss_balancing": "doremi", "balance_reference": str(tmp_path / "ran")}
    trainer = make_trainer("bloom", Grouped(), **settings)
    names = trainer.loss_balancer.groups.names
    found = dict(zip(names, trainer.loss_balancer.method.reference.tolist(), strict=True))
    assert found == {"plus": 6.5, "sum": 2.0, "more": 3.0}
    with pytest.raises(ConfigError, match="tasks and of languages only"):
        make_trainer("bloom", Grouped(), balance_by="cluster", **settings)
    (tmp_path / "ran" / "training.json").write_text(json.dumps({"history": history}))
    with pytest.raises(ConfigError, match="none for more"):
        make_trainer("bloom", Grouped(), **settings)
    for content in ("[1]", "{", '{"plus": "1"}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(ConfigError):
            make_trainer("bloom", Grouped(), **{**settings, "balance_reference": str(tmp_path / "bad.json")})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"loss_balancing": "fame"}, "famo"),
        ({"loss_balancing": "uw", "loss_normalization": "task"}, "--loss_reduction mean"),
        ({"loss_balancing": "uw", "balance_floor": 0.0}, "`balance_floor` must be above 0"),
        (
            {"loss_balancing": "coba", "balance_warmup": 9, "balance_history": 3},
            "at least `balance_warmup`, 9",
        ),
        ({"loss_balancing": "doremi"}, "comes with `doremi`"),
        ({"loss_balancing": "sum", "balance_by": "dataset"}, "task, language, cluster"),
        ({"loss_reduction": "max"}, "sum, mean"),
        ({"loss_reduction": "mean"}, "Give --loss_balancing sum"),
        (
            {"loss_balancing": "famo", "balance_floor": float("inf")},
            "`balance_floor` must be above 0, and finite",
        ),
        ({"loss_balancing": "famo", "balance_weight_decay": float("inf")}, "at least 0, and finite"),
        ({"loss_balancing": "uw", "balance_learning_rate": float("nan")}, "above 0, and finite"),
        ({"balance_reference": "losses.json"}, "comes with `doremi`"),
    ],
)
def test_what_means_nothing_is_refused(settings: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        MultitaskArguments(output_dir=str(tmp_path), **settings)


@pytest.mark.parametrize(
    ("settings", "idle"),
    [
        ({"loss_balancing": "dwa", "balance_window": 2}, 4),
        ({"loss_balancing": "coba", "balance_every": 2, "balance_warmup": 3}, 6),
    ],
)
def test_a_training_that_ends_before_the_first_weights_is_warned_of(
    settings: dict[str, Any], idle: int, make_trainer: MakeTrainer, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer("bloom", Grouped(), max_steps=idle + 1, **settings)
    assert not caplog.text
    trainer.train()
    lines = _weights(trainer)
    assert {value for line in lines[:idle] for name, value in line.items() if "weight" in name} == {1.0}
    assert {value for name, value in lines[idle].items() if "weight" in name} != {1.0}
    make_trainer("bloom", Grouped(), max_steps=idle, **settings)
    assert f"for its first {idle} steps, and the training has {idle}: shorten --balance_" in caplog.text


def test_weights_that_are_drawn_belong_to_their_seed(tmp_path: Path) -> None:
    def identity(seed: int, method: str) -> dict[str, str]:
        args = MultitaskArguments(output_dir=str(tmp_path), seed=seed, loss_balancing=method)
        return args.balance_identity

    assert identity(1, "random") != identity(2, "random")
    assert identity(1, "sum") == identity(2, "sum")


class _Rare(Additions):
    """One task, but for every 25th step of four rows, which holds two more."""

    def examples(self, positions: Any) -> list[Any]:
        return [
            each._replace(task=TASKS[int(p) % 3] if int(p) // 4 % 25 == 24 else TASKS[0])
            for p, each in zip(positions, super().examples(positions), strict=True)
        ]

    def groups(self, by: str) -> dict[tuple[str, str], str]:
        return Grouped().groups(by)


@pytest.mark.parametrize(
    "settings", [{"loss_balancing": "sum"}, {"gradient_balancing": "sum"}], ids=["losses", "gradients"]
)
def test_a_rare_task_makes_no_spike(settings: dict[str, str], make_trainer: MakeTrainer) -> None:
    """The sum over three tasks is larger than over one; their mean is not."""
    trainer = make_trainer(
        "bloom", _Rare(), max_steps=26, learning_rate=1e-4, per_device_train_batch_size=4, **settings
    )
    trainer.train()
    losses = [loss for (loss,) in logged(trainer, "loss")]
    assert losses[24] > 2 * losses[23]
    assert not (Path(trainer.args.output_dir) / "anomalies.jsonl").exists()
    assert max(trainer.guard.detector.losses) < 2 * losses[23]


def test_what_cannot_be_balanced_is_refused(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="knows its tasks before"):
        make_trainer("bloom", Additions(), loss_balancing="sum")
    monkeypatch.setattr(Held, "__len__", lambda self: 1)
    with pytest.raises(ConfigError, match="validation examples of every task"):
        make_trainer("bloom", Grouped(), loss_balancing="coba")


def test_torchjd_is_asked_for_by_its_extra(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mtft.errors import MissingExtraError

    monkeypatch.setitem(__import__("sys").modules, "torchjd.scalarization", None)
    with pytest.raises(MissingExtraError, match=r"mtft\[multitask\]"):
        make_trainer("bloom", Grouped(), loss_balancing="famo")


def test_every_example_of_mini_xp3_has_a_group(tmp_path: Path) -> None:
    """Translation too, whose rows have two languages."""
    spec = MixtureSpec.load("mini_xp3").with_sample(Sampling.parse("3"))
    cells = spec.resolve(CardIndex.load([builtin_folder("prompts")]), TemplateCollection.builtin())
    built = build_mixture(spec, cells, Sources(), tmp_path)
    _, encoder = toy_model("mt5")
    mixture = Mixture(built, built.index(encoder.measure, TokenLimits(4096, 4096)))
    units, _, _ = mixture.at(np.arange(len(mixture)))
    positions = np.concatenate([np.flatnonzero(units == unit)[:3] for unit in np.unique(units)])
    examples = mixture.examples(positions)
    assert any(e.task == "mini_xp3/translation" for e in examples)
    for by in ("task", "language", "cluster"):
        groups = groups_of(mixture, by)
        numbers = groups.numbers([e.task for e in examples], [e.language for e in examples])
        assert set(numbers) <= set(range(len(groups.names)))
        assert (
            len(set(numbers)) > len(groups.names) / 2
        )  # a group may have lost all its few rows to the limits
