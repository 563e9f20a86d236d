"""Label smoothing, z-loss and other backends: the chunks' loss and gradients are the full computation's."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import GPT2Config, GPT2LMHeadModel

from mtft.errors import ConfigError, MissingExtraError
from mtft.modeling import (
    LossOptions,
    TargetHead,
    chunked_cross_entropy,
    set_loss_options,
    weighted_target_loss,
)
from mtft.modeling.head import loss_options_of
from tests.modeling.comparing import assert_equal_gradients, gradients
from tests.modeling.packs import VOCABULARY, model_of
from tests.modeling.test_target_loss import PARENTS

OPTIONS = [LossOptions(0.1), LossOptions(0.0, 1e-2), LossOptions(0.1, 1e-2), LossOptions(0.9, 3.0)]


def full_losses(logits: Tensor, targets: Tensor, options: LossOptions) -> Tensor:
    """Each target's loss from all logits at once, by PyTorch's own functions."""
    smoothed = F.cross_entropy(
        logits.float(), targets, reduction="none", label_smoothing=options.label_smoothing
    )
    return smoothed + options.z_loss * torch.logsumexp(logits.float(), dim=1) ** 2


class Problem:
    """Hidden states, an output layer, targets and weights."""

    def __init__(self, tokens: int = 7, vocabulary: int = 11, width: int = 8, device: str = "cpu") -> None:
        draw = torch.Generator().manual_seed(0)
        self.hidden = torch.randn(tokens, width, generator=draw).to(device).requires_grad_()
        self.weight = torch.randn(vocabulary, width, generator=draw).to(device).requires_grad_()
        self.targets = torch.randint(vocabulary, (tokens,), generator=draw).to(device)
        self.token_weights = torch.rand(tokens, generator=draw).to(device)

    def full(self, options: LossOptions) -> Tensor:
        losses = full_losses(F.linear(self.hidden, self.weight), self.targets, options)
        return (losses * self.token_weights).sum()

    def chunked(self, options: LossOptions, chunk: int | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        inputs = (self.hidden, self.weight, self.targets, self.token_weights)
        return chunked_cross_entropy(*inputs, chunk, options)

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        wanted = {name: t for name, t in vars(self).items() if t.requires_grad}
        return dict(zip(wanted, torch.autograd.grad(2 * loss, list(wanted.values())), strict=True))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("frozen", [None, "hidden", "weight"])
def test_chunks_equal_the_full_computation(options: LossOptions, chunk: int, frozen: str | None) -> None:
    problem = Problem()
    if frozen:
        getattr(problem, frozen).requires_grad_(False)
    total, terms, losses = problem.chunked(options, chunk)
    expected = problem.full(options)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(terms, full_losses(problem.hidden @ problem.weight.T, problem.targets, PLAIN))
    assert losses is not None
    torch.testing.assert_close(
        losses, full_losses(problem.hidden @ problem.weight.T, problem.targets, options)
    )
    assert not terms.requires_grad
    assert not losses.requires_grad
    assert_equal_gradients(problem.gradients(total), problem.gradients(expected), 1e-5)


PLAIN = LossOptions()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_bfloat16_equals_the_full_computation_in_bfloat16(options: LossOptions) -> None:
    problem = Problem(tokens=40, vocabulary=300, width=16)
    with torch.autocast("cpu", torch.bfloat16):
        total, *_ = problem.chunked(options, chunk=16)
        expected = problem.full(options)
    assert total.dtype == torch.float32
    torch.testing.assert_close(total, expected, rtol=2e-3, atol=0.0)
    assert_equal_gradients(problem.gradients(total), problem.gradients(expected), 2e-2)


class LargestTensor(TorchDispatchMode):
    """Notes the numbers in the largest tensor that any operation returns."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):
                self.numbers = max(self.numbers, tensor.numel())
        return result


@pytest.mark.parametrize("options", [PLAIN, *OPTIONS], ids=str)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_no_tensor_is_larger_than_a_chunk_of_logits(options: LossOptions, precision: torch.dtype) -> None:
    problem = Problem(tokens=64, vocabulary=1000, width=4)
    with LargestTensor() as largest, torch.autocast("cpu", precision, enabled=precision != torch.float32):
        problem.gradients(problem.chunked(options, chunk=8)[0])
    assert largest.numbers == 8 * 1000


def _library_losses(toy: Any, options: LossOptions) -> tuple[nn.Module, Tensor]:
    """The library's own model with the same weights, full logits, and the batch's weighted loss."""
    parent = PARENTS[toy.family](toy.model.config)
    parent.load_state_dict(toy.model.state_dict())
    labels = toy.batch["labels"]
    logits = parent(**{name: toy.batch[name] for name in ("input_ids", "attention_mask", "labels")}).logits
    if toy.family == "bloom":
        logits, labels = logits[:, :-1], labels[:, 1:]
    rows, _ = places = torch.nonzero(labels != -100, as_tuple=True)
    losses = full_losses(logits[places], labels[places], options)
    return parent, (losses * toy.batch["row_weights"][rows]).sum()


@pytest.mark.parametrize("options", OPTIONS[2:], ids=str)
def test_a_models_loss_and_gradients_equal_the_librarys(toy: Any, options: LossOptions) -> None:
    toy.batch["row_weights"] = torch.tensor([1.0, 0.25, 0.5, 0.0])
    plain = toy.model(**toy.batch)
    set_loss_options(toy.model, options)
    output = toy.model(**toy.batch)
    parent, expected = _library_losses(toy, options)
    torch.testing.assert_close(output.loss, expected, rtol=1e-5, atol=1e-6)
    assert_equal_gradients(gradients(toy.model, output.loss), gradients(parent, expected), 1e-5)
    assert torch.equal(output.row_losses, plain.row_losses), "what is reported is the likelihood alone"
    assert plain.row_objectives is None
    assert output.row_objectives.shape == output.row_losses.shape
    torch.testing.assert_close((output.row_objectives * toy.batch["row_weights"]).sum(), output.loss.detach())
    set_loss_options(toy.model, PLAIN)
    assert torch.equal(toy.model(**toy.batch).loss, plain.loss)


@pytest.mark.parametrize("options", [PLAIN, *OPTIONS[2:]], ids=str)
def test_the_generic_path_agrees_with_our_forward(toy: Any, options: LossOptions) -> None:
    set_loss_options(toy.model, options)
    ours = toy.model(**toy.batch)
    generic = weighted_target_loss(toy.model, toy.batch, own_forward=False)
    torch.testing.assert_close(generic.loss, ours.loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(generic.row_losses, ours.row_losses, rtol=1e-5, atol=1e-5)
    assert (ours.row_objectives is None) == (generic.row_objectives is None) == options.plain
    if not options.plain:
        torch.testing.assert_close(generic.row_objectives, ours.row_objectives, rtol=1e-5, atol=1e-5)
    assert_equal_gradients(gradients(toy.model, generic.loss), gradients(toy.model, ours.loss), 1e-5)


@pytest.mark.parametrize("wrap", [lambda model: model, nn.DataParallel], ids=["plain", "wrapped"])
def test_any_other_model_takes_the_options(wrap: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=16)).eval()
    labels = torch.tensor([[-100, -100, 5, 6], [-100, 7, 8, 9]])
    batch = {
        "input_ids": labels.clamp(min=1),
        "attention_mask": torch.ones_like(labels),
        "labels": labels,
        "row_weights": torch.tensor([0.5, 2.0]),
    }
    options = OPTIONS[2]
    plain = weighted_target_loss(model, batch, own_forward=False)
    set_loss_options(model, options)
    found = weighted_target_loss(wrap(model), batch, own_forward=False)
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    rows, _ = places = torch.nonzero(labels[:, 1:] != -100, as_tuple=True)
    expected = full_losses(logits[places], labels[:, 1:][places], options) * batch["row_weights"][rows]
    torch.testing.assert_close(found.loss, expected.sum())
    assert torch.equal(found.row_losses, plain.row_losses)


@pytest.mark.parametrize("family", ["bloom", "mt5"])
@pytest.mark.parametrize("saved", [None, ["lm_head"]])
def test_options_reach_the_head_through_an_adapter(family: str, saved: list[str] | None) -> None:
    options = OPTIONS[2]
    targets = ["query_key_value"] if family == "bloom" else ["q", "v"]
    plain = model_of(family)
    tied = plain.get_input_embeddings().weight is plain.lm_head.weight
    adapted = get_peft_model(plain, LoraConfig(r=2, target_modules=targets, modules_to_save=saved))
    set_loss_options(adapted, options)
    heads = [module for module in adapted.modules() if isinstance(module, TargetHead)]
    assert len(heads) == (2 if saved else 1)
    assert all(head.loss_options == options for head in heads)
    assert loss_options_of(nn.DataParallel(adapted)) == options
    if not saved:
        assert (plain.get_input_embeddings().weight is plain.lm_head.weight) == tied


def test_a_batch_without_targets_has_loss_zero_and_gradients() -> None:
    model = model_of("mt5")
    set_loss_options(model, OPTIONS[2])
    ids = torch.ones(2, 3, dtype=torch.int64)
    output = model(
        input_ids=ids,
        attention_mask=ids,
        labels=torch.full((2, 3), -100),
        row_weights=torch.zeros(2),
    )
    assert output.loss == 0
    assert all(not gradient.any() for gradient in gradients(model, output.loss).values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label_smoothing": 1.0}, "`label_smoothing` must be"),
        ({"label_smoothing": -0.1}, "`label_smoothing` must be"),
        ({"label_smoothing": math.nan}, "`label_smoothing` must be"),
        ({"z_loss": -1e-4}, "`z_loss` must be"),
        ({"z_loss": math.inf}, "`z_loss` must be"),
        ({"backend": "ligre"}, "Did you mean: liger"),
        ({"backend": "liger", "label_smoothing": 0.1}, "`label_smoothing` cannot go with .* `liger`"),
        ({"backend": "cut_cross_entropy", "label_smoothing": 0.1}, "`label_smoothing` cannot go"),
        ({"backend": "cut_cross_entropy", "z_loss": 1e-4}, "`z_loss` cannot go"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LossOptions(**given)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@pytest.mark.skipif(_version("liger-kernel") is not None, reason="liger-kernel is installed")
def test_a_missing_liger_is_named_with_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"`liger-kernel`.*mtft\[liger\]"):
        set_loss_options(model_of("bloom"), LossOptions(backend="liger"))


@pytest.mark.skipif(find_spec("cut_cross_entropy") is not None, reason="cut_cross_entropy is installed")
def test_a_missing_cut_cross_entropy_is_named_with_its_source() -> None:
    with pytest.raises(ConfigError, match=r"Apple's package.*not installed.*github.com/apple"):
        set_loss_options(model_of("bloom"), LossOptions(backend="cut_cross_entropy"))


@pytest.mark.parametrize("backend", ["liger", "cut_cross_entropy"])
def test_a_backend_refuses_tensors_on_a_cpu(backend: str) -> None:
    model = model_of("bloom")
    model.lm_head.loss_options = LossOptions(backend=backend)
    ids = torch.randint(4, VOCABULARY, (1, 5), generator=torch.Generator().manual_seed(0))
    with pytest.raises(ConfigError, match=f"`{backend}` runs on a GPU. Found: a model on `cpu`"):
        model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids, row_weights=torch.ones(1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("options", [LossOptions(backend="liger"), LossOptions(0.0, 1e-2, "liger")], ids=str)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_liger_equals_the_full_computation(options: LossOptions, precision: torch.dtype) -> None:
    pytest.importorskip("liger_kernel")
    _check_on_gpu(options, precision)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cut_cross_entropy_equals_the_full_computation() -> None:
    pytest.importorskip("cut_cross_entropy")
    _check_on_gpu(LossOptions(backend="cut_cross_entropy"), torch.bfloat16)


def _check_on_gpu(options: LossOptions, precision: torch.dtype) -> None:
    problem = Problem(tokens=200, vocabulary=4000, width=64, device="cuda")
    head = TargetHead(64, 4000, bias=False)
    head.weight = nn.Parameter(problem.weight.detach())
    problem.weight = head.weight
    set_loss_options(head, options)
    with torch.autocast("cuda", precision, enabled=precision != torch.float32):
        total, terms, losses = head(problem.hidden, problem.targets, problem.token_weights)
        expected = problem.full(options)
        likelihoods = problem.chunked(PLAIN)[1]
    exact = precision == torch.float32
    assert (losses is None) == options.plain
    torch.testing.assert_close(total, expected, rtol=1e-5 if exact else 2e-3, atol=0.0)
    torch.testing.assert_close(terms, likelihoods, rtol=1e-4 if exact else 1e-2, atol=1e-4 if exact else 5e-2)
    assert_equal_gradients(problem.gradients(total), problem.gradients(expected), 1e-4 if exact else 2e-2)
