"""What gradients tell of tasks, against explicit gradients, brute force and closed forms."""

from __future__ import annotations

import copy
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mtft.encoding import Collator
from mtft.errors import ConfigError
from mtft.modeling import LossOptions, TargetHead, set_loss_options
from mtft.training import Diagnoser, MultitaskArguments
from mtft.training.diagnosed_parameters import (
    chosen_parameters,
    refuse_coarse_weights,
    refuse_partitioned_gradients,
)
from mtft.training.diagnostic_cost import Passes, cost_line, passes_of
from mtft.training.diagnostic_losses import evaluation_mode
from mtft.training.diagnostic_settings import DiagnosticSettings
from mtft.training.diagnostic_subset import TaskExamples, example_factors
from mtft.training.fisher import fisher_trace, sampled_loss
from mtft.training.normalization import weigh_rows
from mtft.training.sharpness import adaptive_sharpness
from mtft.training.task_gradients import GradientProbe, task_gradients
from tests.launching import launched
from tests.training.additions import MakeTrainer, toy_model
from tests.training.diagnosed import Bigrams, GroupedAdditions, bigram_batch, bigram_trace, examples_of

CPU = torch.device("cpu")


def probe_of(model: Any, which: str = "last_block") -> GradientProbe:
    return GradientProbe(model, chosen_parameters(model, which), True, CPU)


def library_loss(model: Any, task: TaskExamples, number: int, collator: Collator) -> torch.Tensor:
    """One example's mean loss per target token, through the library's own forward and whole logits."""
    batch = collator([task.rows[number]])
    labels = batch["labels"]
    named = {} if labels.shape == batch["input_ids"].shape else {"labels": labels}
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **named).logits
    if not named:
        logits, labels = logits[:, :-1], labels[:, 1:]
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)


def explicit(model: Any, task: TaskExamples, collator: Collator, which: str) -> np.ndarray:
    """(examples, size), each example's gradient by an ordinary backward pass on a copy."""
    found = []
    for number in range(len(task.rows)):
        alone = copy.deepcopy(model).eval()
        alone.zero_grad()
        library_loss(alone, task, number, collator).backward()  # type: ignore[no-untyped-call]
        weights = chosen_parameters(alone, which).values()
        found.append(
            torch.cat(
                [torch.zeros_like(w).flatten() if w.grad is None else w.grad.flatten() for w in weights]
            )
        )
    return torch.stack(found).double().numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("which", ["last_block", "all"])
@pytest.mark.parametrize("family", ["mt5", "bloom"])
def test_gradients_of_tasks_against_explicit_ones(family: str, which: str) -> None:
    """Six examples of two tasks in three batches; `target` normalisation makes a batch's loss the mean of examples'."""
    model, encoder = toy_model(family, dropout=0.3)
    model.train()
    tasks, collator = examples_of(encoder), Collator(encoder)
    with evaluation_mode(model):
        found = task_gradients(probe_of(model, which), tasks, collator, 3)
    assert model.training
    batches = [explicit(model, task, collator, which).reshape(3, 2, -1).mean(axis=1) for task in tasks]
    for k, own in enumerate(batches):
        conflict = np.mean([cosine(own[n], batches[0][n] + batches[1][n]) for n in range(3)])
        assert float(found.conflict[k]) == pytest.approx(conflict, abs=1e-4)
        # the norm itself, not its square
        assert float(found.norms[k]) == pytest.approx(np.linalg.norm(own.mean(axis=0)), rel=1e-3)
        # between-batch variance, times the batch's size, is the unbiased trace
        assert found.noise[k].trace == pytest.approx(2 * own.var(axis=0, ddof=1).sum(), rel=1e-3)
    pair = float(np.mean([cosine(batches[0][n], batches[1][n]) for n in range(3)]))
    np.testing.assert_allclose(found.cosines, [[1.0, pair], [pair, 1.0]], atol=1e-4)
    assert found.sizes == (6, 6)


def test_nothing_of_the_encoder_is_in_the_decoders_block() -> None:
    model, _ = toy_model("mt5")
    chosen = chosen_parameters(model, "last_block")
    assert all(name.startswith("decoder.block.1.") for name in chosen)
    assert set(chosen_parameters(model, "all")) > set(chosen)
    assert all(
        n.startswith("transformer.h.1.") for n in chosen_parameters(toy_model("bloom")[0], "last_block")
    )


def test_permuted_tasks_permute_the_findings() -> None:
    model, encoder = toy_model("mt5")
    tasks, collator = examples_of(encoder), Collator(encoder)
    probe = probe_of(model.eval())
    one, other = (task_gradients(probe, order, collator, 3) for order in (tasks, tasks[::-1]))
    torch.testing.assert_close(one.conflict, other.conflict.flip(0))
    torch.testing.assert_close(one.cosines, other.cosines.flip(0).flip(1))
    assert one.noise == other.noise[::-1]


def test_an_absent_task_leaves_the_others_alone() -> None:
    """A task without examples has no findings; one with fewer than batches is in fewer."""
    model, encoder = toy_model("mt5")
    tasks, collator = examples_of(encoder), Collator(encoder)
    probe = probe_of(model.eval())
    absent = TaskExamples("none", (), (), np.empty(0))
    alone, beside = (task_gradients(probe, given, collator, 3) for given in (tasks, [*tasks, absent]))
    torch.testing.assert_close(beside.conflict[:2], alone.conflict)
    assert torch.isnan(beside.conflict[2])
    assert torch.isnan(beside.cosines[2]).all()
    assert (beside.sizes[2], int(beside.batches[2])) == (0, 0)
    few = replace(tasks[1], rows=tasks[1].rows[:2], factors=tasks[1].factors[:2])
    found = task_gradients(probe, [tasks[0], few], collator, 3)
    assert found.batches.tolist() == [3, 2]
    assert found.sizes == (6, 2)


def test_two_processes_add_up_to_one() -> None:
    model, encoder = toy_model("bloom")
    tasks, collator = examples_of(encoder), Collator(encoder)
    probe = probe_of(model.eval())
    whole = task_gradients(probe, tasks, collator, 3)
    sums: list[list[torch.Tensor]] = [[], []]
    for rank in (0, 1):

        def keep(values: torch.Tensor, rank: int = rank) -> torch.Tensor:
            sums[rank].append(values.clone())
            return values

        task_gradients(probe, tasks, collator, 3, rank=rank, processes=2, sum_over_processes=keep)
    turn = iter(zip(*sums, strict=True))
    shared = task_gradients(
        probe, tasks, collator, 3, rank=0, processes=2, sum_over_processes=lambda _: sum(next(turn))
    )
    torch.testing.assert_close(shared.conflict, whole.conflict)
    torch.testing.assert_close(shared.norms, whole.norms)


def test_nothing_is_left_behind() -> None:
    """Neither gradients, nor modes, nor weights, nor random states."""
    model, encoder = toy_model("mt5", dropout=0.3)
    model.train()
    model.encoder.eval()
    weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    model.shared.weight.grad = torch.ones_like(model.shared.weight)
    states = torch.get_rng_state()
    tasks, collator = examples_of(encoder), Collator(encoder)
    batches = [tasks[0].batch([0, 1], collator)]
    with evaluation_mode(model):
        task_gradients(probe_of(model), tasks, collator, 2)
        fisher_trace(probe_of(model), batches, 1)
    assert (model.training, model.encoder.training, model.decoder.training) == (True, False, True)
    assert torch.equal(torch.get_rng_state(), states)
    assert torch.equal(model.shared.weight.grad, torch.ones_like(model.shared.weight))
    assert all(weight.grad is None for name, weight in model.named_parameters() if name != "shared.weight")
    assert all(torch.equal(weight, weights[name]) for name, weight in model.named_parameters())


ROWS = [[0, 1, 2, 3], [2, 2, 4, 1], [3, 0, 0, 1]]


def test_the_fisher_trace_of_a_softmax_is_known() -> None:
    """And differs from the empirical one, whose labels are the data's."""
    model = Bigrams()
    probe = GradientProbe(model, {"table": model.table}, False, CPU)
    batches = [bigram_batch([row]) for _ in range(300) for row in ROWS]
    known = bigram_trace(model, ROWS)
    assert fisher_trace(probe, batches, 5) == pytest.approx(known, rel=0.1)
    whole = np.mean([fisher_trace(probe, [bigram_batch(ROWS)], seed) for seed in range(600)])
    assert whole == pytest.approx(known, rel=0.15)
    empirical = np.mean(
        [float(probe.gradient(3 * probe.loss(bigram_batch([row])) / 3).square().sum()) for row in ROWS]
    )
    assert abs(empirical - known) > 0.2 * known


@pytest.mark.parametrize("family", ["mt5", "bloom"])
def test_labels_are_drawn_from_the_model_and_inputs_stay(family: str) -> None:
    """The same draws from the library's own logits give the same labels, and their plain likelihood is the loss."""
    model, encoder = toy_model(family)
    model.eval()
    set_loss_options(model, LossOptions(label_smoothing=0.2, z_loss=0.1))
    (task, *_), collator = examples_of(encoder), Collator(encoder)
    batch = collator([max(task.rows, key=lambda row: len(row.target_ids))])
    labels = batch["labels"]
    named = {"labels": labels} if family == "mt5" else {}
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], **named).logits
    logits, labels = (logits, labels) if named else (logits[:, :-1], labels[:, 1:])
    logits, given = logits[labels != -100], labels[labels != -100]
    assert len(given) > 1
    draws = torch.Generator().manual_seed(7)
    drawn = torch.multinomial(logits.softmax(dim=-1), 1, generator=draws)[:, 0]
    assert not torch.equal(drawn, given)
    expected = F.cross_entropy(logits, drawn, reduction="sum")
    found = sampled_loss(model, batch, torch.Generator().manual_seed(7), own_forward=True)
    torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=1e-4)
    heads = [module for module in model.modules() if isinstance(module, TargetHead)]
    assert heads[0].loss_options == LossOptions(label_smoothing=0.2, z_loss=0.1)
    assert not heads[0]._forward_pre_hooks


def linear_loss(weight: torch.Tensor, slope: torch.Tensor) -> Any:
    def closure() -> tuple[float, list[torch.Tensor]]:
        return float(weight.double() @ slope.double()), [slope]

    return closure


def test_the_sharpness_of_a_linear_loss_is_known() -> None:
    """radius x sum |w_i| |slope_i|, at the first step."""
    weight, slope = torch.tensor([1.0, -2.0, 0.0, 4.0]), torch.tensor([0.5, 3.0, 7.0, -1.0])
    for steps in (1, 4):
        found = adaptive_sharpness([weight], linear_loss(weight, slope), 0.01, steps)
        assert found == pytest.approx(0.01 * (0.5 + 6 + 0 + 4), rel=1e-4)


def test_the_sharpness_of_a_convex_loss_is_its_worst_corner() -> None:
    """Softmax regression with six weights: all 64 corners of the box, by brute force."""
    draw = torch.Generator().manual_seed(2)
    weight = torch.randn(3, 2, generator=draw, dtype=torch.float64)
    inputs, labels = torch.randn(20, 2, generator=draw, dtype=torch.float64), torch.arange(20) % 3

    def loss(at: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(inputs @ at.T, labels)

    def closure() -> tuple[float, list[torch.Tensor]]:
        at = weight.clone().requires_grad_()
        value = loss(at)
        return float(value.detach()), list(torch.autograd.grad(value, [at]))

    kept, radius = weight.clone(), 0.2
    corners = itertools.product([-1.0, 1.0], repeat=6)
    worst = max(
        float(loss(weight * (1 + radius * torch.tensor(c, dtype=torch.float64).view(3, 2)))) for c in corners
    )
    found = adaptive_sharpness([weight], closure, radius, 5)
    assert found == pytest.approx(worst - float(loss(weight)), rel=1e-9)
    assert torch.equal(weight, kept)


def test_weights_come_back_bit_by_bit_even_after_an_error() -> None:
    weight = torch.randn(50, generator=torch.Generator().manual_seed(1))
    kept, turns = weight.clone(), itertools.count()

    def failing() -> tuple[float, list[torch.Tensor]]:
        if next(turns) == 2:
            assert not torch.equal(weight, kept)
            raise KeyboardInterrupt
        return 1.0, [torch.ones(50)]

    with pytest.raises(KeyboardInterrupt):
        adaptive_sharpness([weight], failing, 1e-3, 5)
    assert torch.equal(weight, kept)


@pytest.mark.parametrize("exponent", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["token", "target", "sample", "task"])
def test_a_tasks_loss_is_the_one_that_trains(kind: str, exponent: float) -> None:
    """On the task's examples as one step, factors are the weights of `weigh_rows`."""
    tokens = np.array([1, 3, 2, 6])
    labels = torch.full((4, 6), -100)
    for row, count in enumerate(tokens):
        labels[row, :count] = 1
    step: dict[str, Any] = {
        "labels": labels,
        "row_weights": torch.ones(4),
        "tasks": ["one"] * 4,
        "shifted": False,
    }
    weigh_rows(
        [step], kind, processes=1, sum_over_processes=lambda x: x, gather_dicts=lambda c: [c],
        target_length_exponent=exponent,
    )  # fmt: skip
    np.testing.assert_allclose(example_factors(tokens, kind, exponent) / 4, step["row_weights"], rtol=1e-5)


@pytest.mark.parametrize(("stage", "refused"), [(0, False), (1, False), (2, True), (3, True)])
def test_partitioned_gradients_are_refused(stage: int, refused: bool) -> None:
    config = {"zero_optimization": {"stage": stage}}
    settings = DiagnosticSettings(diagnostics=True)
    if refused:
        with pytest.raises(ConfigError, match=f"ZeRO stage {stage}"):
            refuse_partitioned_gradients(settings, config, fsdp=False)
    else:
        refuse_partitioned_gradients(settings, config, fsdp=False)
    losses = DiagnosticSettings(diagnostics=True, diagnostics_quantities=["train_loss", "dev_metric"])
    refuse_partitioned_gradients(losses, config, fsdp=True)
    with pytest.raises(ConfigError, match="FSDP"):
        refuse_partitioned_gradients(settings, None, fsdp=True)


def test_an_fsdp_launch_is_refused_by_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match=r"whole weights and gradients in every process\. Found: FSDP"):
        MultitaskArguments(str(tmp_path), diagnostics=True)
    MultitaskArguments(str(tmp_path), diagnostics=True, diagnostics_quantities=["train_loss"])
    MultitaskArguments(str(tmp_path))


@pytest.mark.processes
def test_a_deepspeed_file_that_partitions_is_refused_by_the_settings(tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    output = launched([sys.executable, Path(__file__).with_name("launched_refusals.py"), tmp_path])
    lines = [line for line in output.splitlines() if line.startswith("told:")]
    assert len(lines) == 2
    assert all(f"Found: ZeRO stage {stage}." in line for stage, line in zip((2, 3), lines, strict=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"diagnostics_batches": 1}, "64 examples in 1 batches"),
        ({"diagnostics_examples": 1}, "two batches of each task.*1 examples in 8.*leave `coherence` out"),
        ({"diagnostics_quantities": []}, "must name what is measured"),
        ({"diagnostics_quantities": ["coherence"], "diagnostics_batches": 1}, "leave `coherence` out"),
    ],
)
def test_measurements_that_could_not_be_numbers_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DiagnosticSettings(diagnostics=True, **settings).check_diagnostics()


def test_one_batch_is_enough_where_no_noise_is_measured() -> None:
    settings = DiagnosticSettings(
        diagnostics=True, diagnostics_batches=1, diagnostics_quantities=["conflict", "fisher_trace"]
    )
    settings.check_diagnostics()
    DiagnosticSettings(diagnostics_batches=1).check_diagnostics()  # nothing is measured


def test_a_change_below_rounding_is_refused() -> None:
    weights = {"w": torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))}
    with pytest.raises(ConfigError, match="bfloat16"):
        refuse_coarse_weights(DiagnosticSettings(), weights)
    refuse_coarse_weights(DiagnosticSettings(diagnostics_sharpness_radius=0.1), weights)
    refuse_coarse_weights(DiagnosticSettings(diagnostics_quantities=["conflict"]), weights)


@pytest.mark.parametrize(("block", "name"), [("bf16", "bfloat16"), ("fp16", "float16")])
def test_sharpness_is_refused_where_deepspeed_will_cast_the_weights(block: str, name: str) -> None:
    """They are float32 still when the diagnostics are attached."""
    weights = chosen_parameters(toy_model("bloom")[0], "all")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    config = {"zero_optimization": {"stage": 1}, block: {"enabled": True}}
    with pytest.raises(ConfigError, match=name):
        refuse_coarse_weights(DiagnosticSettings(), weights, config)
    refuse_coarse_weights(DiagnosticSettings(), weights, {block: {"enabled": False}})
    refuse_coarse_weights(DiagnosticSettings(diagnostics_sharpness_radius=0.1), weights, config)


def test_a_diagnoser_reads_deepspeeds_precision(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer("mt5", GroupedAdditions(), diagnostics=True, diagnostics_examples=6)
    plugin = SimpleNamespace(deepspeed_config={"zero_optimization": {"stage": 1}, "bf16": {"enabled": True}})
    monkeypatch.setattr(type(trainer.accelerator.state), "deepspeed_plugin", plugin, raising=False)
    with pytest.raises(ConfigError, match="bfloat16"):
        Diagnoser(trainer)


@pytest.mark.parametrize("quantity", ["conflict", "gradient_norm"])
def test_shares_of_the_update_are_weights_times_norms(make_trainer: MakeTrainer, quantity: str) -> None:
    """Against explicit gradients; the weights are those that the next step has, also after a step."""
    settings = {"diagnostics": True, "diagnostics_examples": 6, "diagnostics_batches": 3, "max_steps": 2}
    settings["diagnostics_quantities"] = [quantity]
    trainer = make_trainer("mt5", GroupedAdditions(), loss_balancing="slaw", balance_decay=0.5, **settings)
    trainer.train()
    diagnoser, balancer = Diagnoser(trainer), trainer.loss_balancer
    found = {each.task: each for each in diagnoser.gradients(2) if each.quantity == "update_share"}
    trainer.model.eval()
    parts = {}
    for task in diagnoser.tasks:
        mean = explicit(trainer.model, task, diagnoser.collator, "last_block").mean(axis=0)
        weight = float(balancer.method.weights(2)[balancer.groups.names.index(task.name)])
        parts[task.name] = weight * float(np.linalg.norm(mean))
    whole = sum(parts.values())
    assert {name: each.value for name, each in found.items()} == pytest.approx(
        {name: part / whole for name, part in parts.items()}, rel=1e-3
    )
    assert len({round(weight, 6) for weight in balancer.coming_weights.values()}) > 1
    assert {(each.language, each.other, each.n) for each in found.values()} == {("", "", 6)}


@pytest.mark.parametrize("balancing", [{}, {"loss_balancing": "sum", "balance_by": "language"}])
def test_groups_that_are_no_tasks_have_no_shares(
    make_trainer: MakeTrainer, balancing: dict[str, Any]
) -> None:
    settings = {"diagnostics": True, "diagnostics_examples": 4, "diagnostics_quantities": ["gradient_norm"]}
    trainer = make_trainer("bloom", GroupedAdditions(), **settings, **balancing)
    assert {each.quantity for each in Diagnoser(trainer).gradients(0)} == {"gradient_norm"}


def test_weights_that_do_not_train_are_not_chosen() -> None:
    model, _ = toy_model("bloom")
    for weight in model.parameters():
        weight.requires_grad_(requires_grad=False)
    with pytest.raises(ConfigError, match="`diagnostics_parameters` must leave a trainable parameter"):
        chosen_parameters(model, "all")
    with pytest.raises(ConfigError, match="`diagnostics_parameters: last_block` needs a model whose layers"):
        chosen_parameters(Bigrams(), "last_block")


def test_the_measured_steps() -> None:
    assert DiagnosticSettings(diagnostics_every=10).diagnostic_steps(25) == [0, 1, 2, 4, 8, 10, 20, 25]
    chosen = DiagnosticSettings(diagnostics_every=0, diagnostics_steps=[3, 90])
    assert chosen.diagnostic_steps(25) == [3, 25]
    assert DiagnosticSettings(diagnostics_every=0).diagnostic_steps(5) == [0, 5]


def test_examples_are_shared_between_languages_and_repeat_nothing() -> None:
    _, encoder = toy_model("mt5")
    plus, several = examples_of(encoder, 7)
    assert (plus.name, several.name) == ("plus", "sum")
    assert sorted(several.languages) == ["", "", "", "", "so", "so", "so"]
    assert len({(row.input_ids.tobytes(), row.target_ids.tobytes()) for row in several.rows}) == 7
    assert plus.numbers_of_batches(3) == [range(2), range(2, 4), range(4, 6)]
    assert plus.numbers_of_batches(100) == [range(n, n + 1) for n in range(7)]


def test_the_cost_is_counted_in_passes() -> None:
    """Ten examples, of which nine in batches: loss, conflict, and an ascent of two steps."""
    wanted = ("train_loss", "conflict", "coherence", "sharpness")
    one = passes_of(wanted, examples=10, in_batches=9, sharpness_steps=2, scored=99)
    assert one == Passes(10 + 9 + 27, 9 + 27)
    assert passes_of(("dev_metric",), examples=10, in_batches=9, sharpness_steps=2, scored=99) == Passes(99)
    line = cost_line(Passes(30, 0), 4, 400, 2**20)
    assert "4 measurements of 30 forward and 0 backward" in line
    assert "10.0% of the training's own 400 forward" in line
