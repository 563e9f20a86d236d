"""The two families whose forward is ours: BLOOM and mT5, each one small subclass of the library's class."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BloomForCausalLM, MT5ForConditionalGeneration
from transformers.activations import NewGELUActivation
from transformers.models.mt5.modeling_mt5 import MT5DenseGatedActDense

from mtft.errors import ModelError
from mtft.modeling.attention_families import adopt_attention, alibi_bias, alibi_slopes, relative_bias
from mtft.modeling.choice_trees import ChoiceTrees, tokens_at_once
from mtft.modeling.dgr import DgrBatch, pooled_penalty, segment_means, token_penalty
from mtft.modeling.fast_linear import fast_linear
from mtft.modeling.head import IGNORED, adopt_head, log_probs_of, target_loss
from mtft.modeling.packed_attention import SegmentMask
from mtft.modeling.packed_inputs import check_mask, input_segments, refuse_unweighted, target_segments_of
from mtft.modeling.packed_layout import Integers, Layout, lay_out, lay_out_both
from mtft.modeling.tied import look_up
from mtft.modeling.tree_attention import behind_prompts, decoder_biases, order_of_nodes

# The library's GELU is the same function in Python, a dozen passes whose backward takes a third of a step on a CPU.
_TANH = "tanh"


class _SavedAsParent:
    """Checkpoints carry the library's class name, so plain transformers loads them as its own."""

    parent_name: str

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Save as the parent class would; see `PreTrainedModel.save_pretrained`."""
        super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
        if kwargs.get("is_main_process", True):
            self.config.architectures = [self.parent_name]  # type: ignore[attr-defined]
            self.config.save_pretrained(save_directory)  # type: ignore[attr-defined]


class TargetBloom(_SavedAsParent, BloomForCausalLM):  # type: ignore[misc]
    """BLOOM whose forward, given `row_weights`, returns the target-only loss; else the library's own.

    Given `trees`, it returns the log-probabilities of answer choices.
    """

    parent_name = "BloomForCausalLM"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.adopt()

    def adopt(self) -> None:
        """Let the modules of the library's model do what this class needs of them."""
        adopt_head(self.lm_head)
        adopt_attention(self)
        for block in self.transformer.h:
            block.mlp.gelu_impl = nn.GELU(_TANH)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        row_weights: Tensor | None = None,
        segments: Tensor | None = None,
        trees: ChoiceTrees | None = None,
        dgr: DgrBatch | None = None,
        **kwargs: Any,
    ) -> Any:
        """The library's output, or `TargetLoss` when `row_weights` are given.

        Packed or not, a segment's loss and gradient are those it has alone in a row: see `packed_layout`. Each prompt
        of `trees` is computed once, and so is each node behind it, at the position it has behind the prompt alone.

        Args:
            input_ids: (rows, tokens) int64, prompt then target; of a packed batch (packs, tokens).
            attention_mask: (rows, tokens), 1 on tokens; not in a packed batch.
            labels: As `input_ids`, -100 on prompt and padding; position p is predicted from p - 1. The first
                token of a row or segment is predicted from nothing, whatever its label.
            row_weights: (rows,) float32; of a packed batch (packs, segments).
            segments: (packs, tokens) int32, the number of each token's segment from 1 on, 0 on padding.
            trees: Prompts and choices, instead of all the others; what is returned are the log-probabilities of its
                edges, (edges,) float32, without gradient.
            dgr: Random heads whose gradient norm becomes the output's `penalty`; looked at with `row_weights` alone.
            **kwargs: Passed on to the library's forward; with `row_weights` only `inputs_embeds` counts.

        Raises:
            ModelError: A mask has four dimensions, or what is given does not go together.
        """
        if trees is not None:
            with torch.no_grad(), fast_linear():
                return self._log_probs(trees)
        if row_weights is None or labels is None:
            refuse_unweighted(segments)
            check_mask(attention_mask)
            return super().forward(
                input_ids=input_ids, attention_mask=attention_mask, labels=labels, **kwargs
            )
        embedded = kwargs.get("inputs_embeds")
        found = input_segments(_either(input_ids, embedded), attention_mask, segments, row_weights)
        layout = lay_out(found, labels.device)
        tokens, weight = _in_slots(
            layout, self.transformer.word_embeddings, self.lm_head, input_ids, embedded
        )
        hidden = self._hidden(layout, tokens)
        in_slots = labels.flatten()[layout.token]
        (places,) = torch.nonzero((in_slots != IGNORED) & layout.filled & ~layout.first, as_tuple=True)
        before = hidden.index_select(0, places - 1)
        targets, rows = in_slots[places], layout.row[places]
        penalty = None if dgr is None else token_penalty(dgr, before, targets, rows)
        return target_loss(self.lm_head, before, targets, rows, row_weights, weight, penalty)

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The last hidden states, (rows, tokens, width), 0 on padding; without gradient.

        Args:
            input_ids: (rows, tokens) int64.
            attention_mask: (rows, tokens), 1 on tokens; a row has at least one.
        """
        embeddings = self.transformer.word_embeddings
        rows = max(1, tokens_at_once(embeddings.weight, self.config.hidden_size) // input_ids.shape[1])
        with torch.no_grad(), fast_linear():
            parts = zip(torch.split(input_ids, rows), torch.split(attention_mask, rows), strict=True)
            return torch.cat([self._encoded(ids, mask) for ids, mask in parts])

    def _encoded(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        layout = _rows_in_slots(input_ids, attention_mask)
        tokens = self.transformer.word_embeddings(input_ids.flatten()[layout.token])
        return _out_of_slots(self._hidden(layout, tokens), layout, input_ids)

    def _log_probs(self, trees: ChoiceTrees) -> Tensor:
        """The log-probabilities of the trees' edges, (edges,) float32."""
        at_once = tokens_at_once(self.transformer.word_embeddings.weight, self.config.hidden_size)
        states = torch.cat([self._node_states(part) for part in trees.parts(at_once)])
        return log_probs_of(self.lm_head, states, *(_on(each, states.device) for each in trees.edges))

    def _node_states(self, trees: ChoiceTrees) -> Tensor:
        """The last hidden states of the trees' nodes, (nodes, width)."""
        ids, segments = trees.with_prompts()
        device = self.transformer.word_embeddings.weight.device
        layout = lay_out(segments, device)
        tokens = self.transformer.word_embeddings(_on(ids, device)[layout.token])
        hidden = self._hidden(layout, tokens, trees)
        return hidden[_on(order_of_nodes(layout, trees), hidden.device)]

    def _hidden(self, layout: Layout, tokens: Tensor, trees: ChoiceTrees | None = None) -> Tensor:
        """The last hidden states, (slots, width), for embedded tokens of that shape.

        With trees they are the nodes' alone, group by group: the last layer computes no others.
        """
        body, dtype = self.transformer, _compute_dtype(tokens)
        alibi = alibi_bias(body, layout, dtype)
        mask = last = SegmentMask(layout, layout, causal=True)
        if trees is not None:
            nodes = behind_prompts(layout, trees, alibi_slopes(body, alibi.device), dtype)
            mask = replace(mask, trees=tuple(group.without_roots() for group in nodes))
            last = replace(last, trees=nodes, only_trees=True)
        hidden = body.word_embeddings_layernorm(tokens[None])
        for block in body.h:
            hidden = block(hidden, alibi=alibi, attention_mask=last if block is body.h[-1] else mask)[0]
        return body.ln_f(hidden)[0]  # type: ignore[no-any-return]


class TargetMT5(_SavedAsParent, MT5ForConditionalGeneration):  # type: ignore[misc]
    """mT5 whose forward, given `row_weights`, returns the target-only loss; else the library's own.

    Given `trees`, it returns the log-probabilities of answer choices.
    """

    parent_name = "MT5ForConditionalGeneration"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.adopt()

    def adopt(self) -> None:
        """Let the modules of the library's model do what this class needs of them."""
        adopt_head(self.lm_head)
        adopt_attention(self)
        for module in self.modules():
            if isinstance(module, MT5DenseGatedActDense) and isinstance(module.act, NewGELUActivation):
                module.act = nn.GELU(_TANH)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        row_weights: Tensor | None = None,
        segments: Tensor | None = None,
        target_segments: Tensor | None = None,
        trees: ChoiceTrees | None = None,
        dgr: DgrBatch | None = None,
        **kwargs: Any,
    ) -> Any:
        """The library's output, or `TargetLoss` when `row_weights` are given.

        Packed or not, a segment's loss and gradient are those it has alone in a row: see `packed_layout`. What the
        decoder reads follows from the labels, shifted within each segment. Of `trees`, the encoder reads each prompt
        once; the decoder's nodes all look at the same keys and values of their prompt.

        Args:
            input_ids: (rows, prompt tokens) int64; of a packed batch (packs, tokens).
            attention_mask: (rows, prompt tokens), 1 on tokens; not in a packed batch.
            labels: (rows, target tokens) int64, -100 on padding; of a packed batch (packs, target tokens).
            row_weights: (rows,) float32; of a packed batch (packs, segments).
            segments: (packs, tokens) int32, the number of each token's segment from 1 on, 0 on padding.
            target_segments: (packs, target tokens) int32, the same for the labels.
            trees: Prompts and choices, instead of all the others; what is returned are the log-probabilities of its
                edges, (edges,) float32, without gradient.
            dgr: Random heads whose gradient norm becomes the output's `penalty`; looked at with `row_weights` alone.
            **kwargs: Passed on to the library's forward; with `row_weights` only `inputs_embeds` and
                `decoder_inputs_embeds` count.

        Raises:
            ModelError: A mask has four dimensions, or what is given does not go together.
        """
        if trees is not None:
            with torch.no_grad(), fast_linear():
                return self._log_probs(trees)
        if row_weights is None or labels is None:
            refuse_unweighted(segments)
            if kwargs.get("encoder_outputs") is None:
                check_mask(attention_mask)
            return super().forward(
                input_ids=input_ids, attention_mask=attention_mask, labels=labels, **kwargs
            )
        embedded = kwargs.get("inputs_embeds")
        inputs = input_segments(_either(input_ids, embedded), attention_mask, segments, row_weights)
        targets = target_segments_of(labels, target_segments, segments, row_weights)
        source, target = lay_out_both(inputs, targets, labels.device)
        in_slots = labels.flatten()[target.token].masked_fill(~target.filled, IGNORED)
        read = self._shift_right(in_slots[None])[0]
        read = read.masked_fill(target.first, self.config.decoder_start_token_id)
        tokens, read_tokens, weight = self._embedded(
            source, target, input_ids, read, embedded, kwargs.get("decoder_inputs_embeds")
        )
        encoded = _through(self.encoder, tokens, SegmentMask(source, source, causal=False))
        own, cross = SegmentMask(target, target, causal=True), SegmentMask(target, source, causal=False)
        hidden = _through(self.decoder, read_tokens, own, encoded, cross)[0]
        (places,) = torch.nonzero(in_slots != IGNORED, as_tuple=True)
        at, wanted, rows = hidden.index_select(0, places), in_slots[places], target.row[places]
        penalty = None
        if dgr is not None:
            penalty = pooled_penalty(dgr, *segment_means(encoded[0], source), wanted, rows)
        return target_loss(self.lm_head, at, wanted, rows, row_weights, weight, penalty)

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The encoder's last hidden states, (rows, tokens, width), 0 on padding; without gradient.

        As the library's encoder, without its bias and mask of rows x heads x tokens x tokens.

        Args:
            input_ids: (rows, tokens) int64.
            attention_mask: (rows, tokens), 1 on tokens; a row has at least one.
        """
        rows = max(1, tokens_at_once(self.shared.weight, self.config.d_model) // input_ids.shape[1])
        with torch.no_grad(), fast_linear():
            parts = zip(torch.split(input_ids, rows), torch.split(attention_mask, rows), strict=True)
            return torch.cat([self._encoded(ids, mask) for ids, mask in parts])

    def _encoded(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        layout = _rows_in_slots(input_ids, attention_mask)
        tokens = self.encoder.embed_tokens(input_ids.flatten()[layout.token])
        states = _through(self.encoder, tokens, SegmentMask(layout, layout, causal=False))[0]
        return _out_of_slots(states, layout, input_ids)

    def _log_probs(self, trees: ChoiceTrees) -> Tensor:
        """The log-probabilities of the trees' edges, (edges,) float32."""
        at_once = tokens_at_once(self.shared.weight, self.config.d_model)
        states = torch.cat([self._node_states(part) for part in trees.parts(at_once)])
        return log_probs_of(self.lm_head, states, *(_on(each, states.device) for each in trees.edges))

    def _node_states(self, trees: ChoiceTrees) -> Tensor:
        """The decoder's last hidden states at the trees' nodes, (nodes, width)."""
        device = self.shared.weight.device
        source, target = lay_out_both(trees.prompt_segments(), trees.node_segments(), device)
        tokens = self.encoder.embed_tokens(_on(trees.prompts, device)[source.token])
        start = self.config.decoder_start_token_id
        read = _on(trees.node_tokens(self.config.pad_token_id if start is None else start), device)[
            target.token
        ]
        encoded = _through(self.encoder, tokens, SegmentMask(source, source, causal=False))
        among = self.decoder.block[0].layer[0].SelfAttention
        biases = decoder_biases(among, target, trees, _compute_dtype(tokens))
        own = SegmentMask(target, target, causal=True, biases=biases)
        cross = SegmentMask(target, source, causal=False)
        hidden = _through(self.decoder, self.decoder.embed_tokens(read), own, encoded, cross)[0]
        return hidden[target.filled][_on(order_of_nodes(target, trees), hidden.device)]

    def _embedded(
        self,
        source: Layout,
        target: Layout,
        input_ids: Tensor | None,
        read: Tensor,
        inputs_embeds: Tensor | None,
        decoder_inputs_embeds: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """What encoder and decoder begin with, (slots, width) each, and the head's weight as of `look_up`.

        `read` is (target slots,) ids. One look-up serves both where they share the weight: the gradient of each is as
        large as the vocabulary.
        """
        first, second = self.encoder.embed_tokens, self.decoder.embed_tokens
        shared = type(first) is type(second) is nn.Embedding and first.weight is second.weight
        if shared and inputs_embeds is None and decoder_inputs_embeds is None:
            ids = torch.cat([_either(input_ids, None).flatten()[source.token], read])
            both, weight = look_up(first, self.lm_head, ids)
            tokens, read_tokens = torch.split(both, [len(source.token), len(read)])
            return tokens, read_tokens, weight
        given = decoder_inputs_embeds
        read_tokens = second(read) if given is None else _taken(given, target)
        ids = _either(input_ids, inputs_embeds)
        tokens = _taken(ids, source) if inputs_embeds is not None else first(ids.flatten()[source.token])
        return tokens, read_tokens, None


def _through(
    stack: Any,
    tokens: Tensor,
    mask: SegmentMask,
    encoded: Tensor | None = None,
    cross: SegmentMask | None = None,
) -> Tensor:
    """The output of mT5's encoder or decoder, (1, slots, width), for embedded tokens, (slots, width)."""
    bias = None if mask.biases else relative_bias(stack.block[0].layer[0].SelfAttention, mask.queries)
    hidden = stack.dropout(tokens[None])
    for block in stack.block:
        # all by position: reentrant gradient checkpointing loses the gradient of anything else
        hidden = block(hidden, mask, bias, encoded, cross, None)[0]
    return stack.dropout(stack.final_layer_norm(hidden))  # type: ignore[no-any-return]


def _rows_in_slots(input_ids: Tensor, attention_mask: Tensor) -> Layout:
    """The slots of rows that are not packed."""
    segments = input_segments(input_ids, attention_mask, None, torch.ones(len(input_ids)))
    return lay_out(segments, input_ids.device)


def _out_of_slots(states: Tensor, layout: Layout, input_ids: Tensor) -> Tensor:
    """States of the slots where their tokens are, (rows, tokens, width), 0 on padding."""
    placed = states.new_zeros(input_ids.numel(), states.shape[-1])
    placed[layout.token[layout.filled]] = states[layout.filled]
    return placed.view(*input_ids.shape, -1)


def _on(numbers: Integers, device: torch.device) -> Tensor:
    return torch.from_numpy(numbers).to(device)


def _in_slots(
    layout: Layout,
    embeddings: nn.Module,
    head: nn.Module,
    input_ids: Tensor | None,
    embedded: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """The embedded tokens, (slots, width), and the head's weight as of `look_up`."""
    if embedded is not None:
        return _taken(embedded, layout), None
    return look_up(embeddings, head, _either(input_ids, None).flatten()[layout.token])


def _taken(embedded: Tensor, layout: Layout) -> Tensor:
    return embedded.flatten(0, 1).index_select(0, layout.token)


def _either(input_ids: Tensor | None, embedded: Tensor | None) -> Tensor:
    """Whichever is given."""
    given = embedded if input_ids is None else input_ids
    if given is None:
        raise ModelError("A forward must be given `input_ids` or `inputs_embeds`.", found="neither")
    return given


def _compute_dtype(tokens: Tensor) -> torch.dtype:
    """What attention computes in: autocast's type where it is on."""
    kind = tokens.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else tokens.dtype


FAMILIES: dict[str, type] = {"bloom": TargetBloom, "mt5": TargetMT5}
