"""The two families whose forward is ours: BLOOM and mT5, each one small subclass of the library's class."""

from __future__ import annotations

import os
from typing import Any

from torch import Tensor, nn
from transformers import BloomForCausalLM, MT5ForConditionalGeneration

from mtft.modeling.head import adopt_head, target_loss


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
    """BLOOM whose forward, given `row_weights`, returns the target-only loss; else the library's own."""

    parent_name = "BloomForCausalLM"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        adopt_head(self.lm_head)
        for block in self.transformer.h:
            # the same function as the library's, whose backward in Python takes a third of a step on a CPU
            block.mlp.gelu_impl = nn.GELU(approximate="tanh")

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        row_weights: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """The library's output, or `TargetLoss` when `row_weights` are given.

        Args:
            input_ids: (rows, tokens) int64, prompt then target.
            attention_mask: (rows, tokens) int64, 1 on tokens.
            labels: (rows, tokens) int64, -100 on prompt and padding; position p is predicted from p - 1.
            row_weights: (rows,) float32.
            **kwargs: Passed on to the library's forward.
        """
        if row_weights is None or labels is None:
            return super().forward(
                input_ids=input_ids, attention_mask=attention_mask, labels=labels, **kwargs
            )
        outputs = self.transformer(input_ids, attention_mask=attention_mask, use_cache=False)
        hidden = outputs.last_hidden_state
        return target_loss(self.lm_head, hidden[:, :-1], labels[:, 1:], row_weights)


class TargetMT5(_SavedAsParent, MT5ForConditionalGeneration):  # type: ignore[misc]
    """mT5 whose forward, given `row_weights`, returns the target-only loss; else the library's own."""

    parent_name = "MT5ForConditionalGeneration"

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        adopt_head(self.lm_head)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        row_weights: Tensor | None = None,
        **kwargs: Any,
    ) -> Any:
        """The library's output, or `TargetLoss` when `row_weights` are given.

        Args:
            input_ids: (rows, prompt tokens) int64.
            attention_mask: (rows, prompt tokens) int64, 1 on tokens.
            labels: (rows, target tokens) int64, -100 on padding.
            row_weights: (rows,) float32.
            **kwargs: Passed on to the library's forward.
        """
        if row_weights is None or labels is None:
            return super().forward(
                input_ids=input_ids, attention_mask=attention_mask, labels=labels, **kwargs
            )
        encoded = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        # padded labels lie to the right of all targets: the causal mask already hides them
        hidden = self.decoder(
            input_ids=self._shift_right(labels),
            encoder_hidden_states=encoded,
            encoder_attention_mask=attention_mask,
            use_cache=False,
        ).last_hidden_state
        return target_loss(self.lm_head, hidden, labels, row_weights)


FAMILIES: dict[str, type] = {"bloom": TargetBloom, "mt5": TargetMT5}
