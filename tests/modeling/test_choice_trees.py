"""Trees of answer choices: their shape by hand, the positions that are computed, and the head's log-probabilities."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MT5Config,
    MT5ForConditionalGeneration,
)

from mtft.errors import ModelError
from mtft.modeling import TargetBloom, TargetMT5, choice_trees, with_trees
from mtft.modeling import log_probs as log_probs_module
from mtft.modeling.attention_families import SegmentBloomAttention
from mtft.modeling.choice_trees import choice_trie
from mtft.modeling.fast_linear import _OneDNN, fast_linear
from mtft.modeling.head import TargetHead, log_probs_of
from mtft.modeling.log_probs import edge_log_probs


def library_model(family: str) -> Any:
    torch.manual_seed(0)
    if family == "bloom":
        model: Any = BloomForCausalLM(BloomConfig(vocab_size=300, hidden_size=32, n_layer=3, n_head=4))
    else:
        model = MT5ForConditionalGeneration(
            MT5Config(
                vocab_size=300,
                d_model=32,
                d_kv=8,
                d_ff=64,
                num_layers=2,
                num_heads=4,
                decoder_start_token_id=0,
            )
        )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0 if family == "bloom" else 1.0)
    return model.eval()


def test_a_trie_by_hand() -> None:
    trie = choice_trie(((7, 1), (7, 8, 1), (7,), (9,), (7, 1)))
    assert trie.token.tolist() == [-1, 7, 8]
    assert trie.depth.tolist() == [0, 1, 2]
    assert trie.seen.astype(int).tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert list(zip(trie.edge_node.tolist(), trie.edge_token.tolist(), strict=True)) == [
        (0, 7), (1, 1), (1, 8), (2, 1), (0, 9),
    ]  # fmt: skip
    assert trie.scored.tolist() == [0, 1, 0, 2, 3, 0, 4, 0, 1]
    assert trie.owner.tolist() == [0, 0, 1, 1, 1, 2, 3, 4, 4]


def test_siblings_do_not_see_each_other() -> None:
    trie = choice_trie(((1, 2, 5), (1, 3, 5), (4, 2, 5)))
    assert trie.token.tolist() == [-1, 1, 2, 3, 4, 2]
    assert trie.seen.astype(int).tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 1, 1],
    ]


def test_rows_of_several_prompts() -> None:
    trees = choice_trees([(10, 11), (12,), (13, 14, 15)], [[(1, 2), (1, 3)], [(4,)], [(5, 6, 7)]])
    assert trees.nodes.tolist() == [2, 1, 3]
    assert [each.tolist() for each in trees.edges] == [[0, 1, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, 7]]
    assert trees.node_tokens(0).tolist() == [0, 1, 0, 0, 5, 6]
    tokens, segments = trees.with_prompts()
    assert tokens.tolist() == [10, 11, 1, 12, 13, 14, 15, 5, 6]
    assert segments.start.tolist() == [0, 3, 4]
    assert segments.length.tolist() == [3, 1, 5]


@pytest.mark.parametrize("tokens", [1, 4, 7, 100])
def test_parts_are_the_rows_in_order(tokens: int) -> None:
    trees = choice_trees([(10, 11), (12,), (13, 14, 15)], [[(1, 2), (1, 3)], [(4,)], [(5, 6, 7)]])
    parts = list(trees.parts(tokens))
    assert np.concatenate([part.prompts for part in parts]).tolist() == trees.prompts.tolist()
    assert [len(trie.token) for part in parts for trie in part.tries] == trees.nodes.tolist()
    assert all(len(part.lengths) == 1 or len(part.prompts) + part.nodes.sum() < 2 * tokens for part in parts)
    assert len(parts) == {1: 3, 4: 3, 7: 2, 100: 1}[tokens]


@pytest.mark.parametrize(
    ("prompts", "choices"), [([], []), ([()], [[(1,)]]), ([(1,)], [[]]), ([(1,)], [[(1,), ()]])], ids=str
)
def test_what_cannot_be_scored_is_refused(prompts: Any, choices: Any) -> None:
    with pytest.raises(ModelError, match="must have"):
        choice_trees(prompts, choices)


def expected(model: Any, prompt: tuple[int, ...], choice: tuple[int, ...]) -> torch.Tensor:
    """Log-probabilities of a choice's tokens by the library's own forward."""
    with torch.no_grad():
        if model.config.is_encoder_decoder:
            begun = torch.tensor([[0, *choice[:-1]]])
            logits = model(input_ids=torch.tensor([prompt]), decoder_input_ids=begun).logits[0]
        else:
            logits = model(input_ids=torch.tensor([prompt + choice])).logits[0, len(prompt) - 1 : -1]
    return logits.float().log_softmax(-1)[torch.arange(len(choice)), torch.tensor(choice)]


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_positions_are_depths_and_no_branch_leaks(family: str) -> None:
    """Deep branches of different lengths, next to prompts of different lengths, in one call."""
    model = library_model(family)
    prompts = [(10, 11, 12, 13), (20,), (30, 31, 32, 33, 34, 35, 36)]
    choices = [
        [(1, 2, 3, 4, 5), (1, 2, 9, 4, 5), (6, 2, 3, 4, 5)],
        [(7,), (7, 8)],
        [(40, 41, 42, 43), (44,), (40,)],
    ]
    trees = choice_trees(prompts, choices)
    found = with_trees(model)(trees=trees)
    assert found.dtype == torch.float32
    offset = 0
    for prompt, asked, trie in zip(prompts, choices, trees.tries, strict=True):
        right = torch.cat([expected(model, prompt, choice) for choice in asked])
        torch.testing.assert_close(found[offset + torch.from_numpy(trie.scored)], right, rtol=1e-5, atol=1e-5)
        offset += len(trie.edge_token)


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_each_position_is_computed_once(family: str) -> None:
    """Prompts of equal length, so that nothing is padded: prompt tokens once, nodes once, the head at nodes."""
    model = with_trees(library_model(family))
    trees = choice_trees([(1, 2, 3), (4, 5, 6)], [[(7, 8, 9), (7, 8, 10), (11, 12)]] * 2)
    seen = {"embedded": 0, "head": 0, "last": 0}

    def count(name: str, module: nn.Module) -> None:
        def note(_: nn.Module, given: Any) -> None:
            seen[name] += given[0].numel() // (1 if name == "embedded" else given[0].shape[-1])

        module.register_forward_pre_hook(note)

    bloom = family == "bloom"
    stacks = [model.transformer] if bloom else [model.encoder, model.decoder]
    for module in {id(m): m for m in (stack.get_input_embeddings() for stack in stacks)}.values():
        count("embedded", module)
    count("head", model.lm_head)
    count("last", model.transformer.h[-1].mlp if bloom else model.decoder.block[-1].layer[-1].DenseReluDense)
    model(trees=trees)
    # nodes of a row: the root, 7, 7 8 and 11; a decoder reads them all, a causal model's root is the prompt's end
    assert seen == {"embedded": 2 * 6 if bloom else 2 * 3 + 2 * 4, "head": 2 * 4, "last": 2 * 4}


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_the_twin_shares_weights_and_leaves_the_model_alone(family: str) -> None:
    model = library_model(family)
    before = {name: type(module) for name, module in model.named_modules()}
    twin = with_trees(model)
    assert isinstance(twin, (TargetBloom, TargetMT5))
    assert {name: type(module) for name, module in model.named_modules()} == before
    ours = dict(twin.named_parameters(remove_duplicate=False))
    for name, parameter in model.named_parameters(remove_duplicate=False):
        assert ours[name] is parameter
    assert with_trees(twin) is twin


@pytest.mark.parametrize("family", ["bloom", "mt5"])
def test_an_adapter_counts(family: str) -> None:
    model = library_model(family)
    names = ["query_key_value", "dense_h_to_4h"] if family == "bloom" else ["q", "v", "wi_0"]
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules=names)).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    trees = choice_trees([(10, 11, 12)], [[(1, 2, 3), (1, 4)]])
    found = with_trees(adapted)(trees=trees)[torch.from_numpy(trees.tries[0].scored)]
    right = torch.cat([expected(adapted, (10, 11, 12), choice) for choice in ((1, 2, 3), (1, 4))])
    torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-5)
    with adapted.disable_adapter():
        plain = torch.cat([expected(adapted, (10, 11, 12), choice) for choice in ((1, 2, 3), (1, 4))])
    assert float((right - plain).abs().max()) > 0.01


def test_other_models_have_no_twin() -> None:
    config = GPT2Config(vocab_size=50, n_embd=8, n_layer=1, n_head=2)
    assert with_trees(GPT2LMHeadModel(config)) is None
    hooked = library_model("bloom")
    add_hook_to_module(hooked.transformer.h[0], ModelHook())
    assert with_trees(hooked) is None
    spread = TargetBloom(hooked.config)
    spread.hf_device_map = {"transformer.h.0": 0, "transformer.h.1": 1}
    assert with_trees(spread) is None


def test_attention_classes_do_as_the_library_without_trees() -> None:
    model = library_model("bloom")
    twin = with_trees(model)
    assert isinstance(twin.transformer.h[0].self_attention, SegmentBloomAttention)
    ids = torch.arange(10, 20)[None]
    with torch.no_grad():
        torch.testing.assert_close(twin(input_ids=ids).logits, model(input_ids=ids).logits)


class PlainHead(nn.Module):
    """A head that is not ours, such as a quantised one."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.inner = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.inner.weight = nn.Parameter(weight)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.inner(hidden)  # type: ignore[no-any-return]


@pytest.mark.parametrize("states", [1, 5, 70])
def test_the_vocabulary_in_pieces(states: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setitem(log_probs_module._NUMBERS, "cpu", 500)
    monkeypatch.setattr(log_probs_module, "_NODES", 16)
    hidden, weight = torch.randn(states, 8), torch.randn(333, 8) * 20  # exp would overflow
    nodes, tokens = torch.randint(states, (200,)), torch.randint(333, (200,))
    right = (hidden @ weight.T).double().log_softmax(-1)[nodes, tokens].float()
    found = edge_log_probs(hidden, weight, nodes, tokens)
    torch.testing.assert_close(found, right, rtol=1e-5, atol=1e-4)
    head = TargetHead(8, 333, bias=False)
    head.weight = nn.Parameter(weight)
    torch.testing.assert_close(log_probs_of(head, hidden, nodes, tokens).detach(), found)
    other = log_probs_of(PlainHead(weight), hidden, nodes, tokens).detach()
    torch.testing.assert_close(other, right, rtol=1e-5, atol=1e-4)


def test_bfloat16_is_summed_in_float32() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(9, 16).bfloat16(), torch.randn(5000, 16).bfloat16()
    nodes, tokens = torch.arange(9), torch.arange(9)
    right = (hidden.double() @ weight.double().T).log_softmax(-1)[nodes, tokens]
    found = edge_log_probs(hidden, weight, nodes, tokens)
    assert found.dtype == torch.float32
    assert float((found - right).abs().max()) < 0.02
    # Of large logits, too: rounded before they are summed they would leave log-probabilities above 0.
    sharp = edge_log_probs(hidden * 32, weight, nodes, (hidden.double() @ weight.double().T).argmax(-1))
    assert float(sharp.max()) <= 1e-3


def test_linear_by_one_dnn() -> None:
    torch.manual_seed(0)
    layer, given = nn.Linear(48, 40), torch.randn(2, 70, 48)
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise") or not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch was built without oneDNN")
    with torch.no_grad():
        right = layer(given)
        with _OneDNN():
            torch.testing.assert_close(layer(given), right, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(layer(given[:, :1]), right[:, :1], rtol=1e-5, atol=1e-5)
            half = copy.deepcopy(layer).bfloat16()(given.bfloat16())
            assert half.dtype == torch.bfloat16
    with _OneDNN():
        layer(given).sum().backward()  # with a gradient it is PyTorch's own
    assert layer.weight.grad is not None
    with fast_linear():
        assert layer(given).requires_grad
