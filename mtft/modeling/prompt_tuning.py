"""Prompt tuning that packs: every segment gets the trained virtual tokens before its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from peft import PeftConfig, PeftModelForCausalLM, PeftModelForSeq2SeqLM
from torch import Tensor
from transformers import PreTrainedModel

from mtft.modeling.head import IGNORED


class _VirtualTokens:
    """What both kinds share: the forward of a training batch, and saving."""

    _whole_weights: Mapping[str, Tensor] | None = None

    def _with_virtual_tokens(self, batch: Mapping[str, Tensor], *, causal: bool) -> dict[str, Tensor]:
        """The batch as embeddings, the virtual tokens before each segment."""
        model: Any = self
        embedded = model.word_embeddings(batch["input_ids"])
        prompt = model.get_prompt(batch_size=1)[0].to(embedded.dtype)
        return insert_prompt(batch, embedded, prompt, causal=causal)

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """Save the virtual tokens; see `PeftModel.save_pretrained`."""
        self._whole_weights = kwargs.get("state_dict")
        try:
            super().save_pretrained(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._whole_weights = None

    def get_prompt_embedding_to_save(self, adapter_name: str) -> Tensor:
        """The virtual tokens, (virtual tokens, width).

        Those of the state given to `save_pretrained` where there is one: the library would gather partitioned weights
        anew, in the one process that saves, and wait for the others without end.
        """
        name = f"prompt_encoder.{adapter_name}.embedding.weight"
        if self._whole_weights is not None and name in self._whole_weights:
            return self._whole_weights[name].detach().cpu()
        found: Tensor = super().get_prompt_embedding_to_save(adapter_name)  # type: ignore[misc]
        return found


class PromptTunedCausal(_VirtualTokens, PeftModelForCausalLM):  # type: ignore[misc]
    """PEFT's prompt tuning of a causal model, which also trains on packs and whose logits stand at the given ids."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """`TargetLoss` where `row_weights` are given; else the library's output without the virtual tokens' logits.

        Args:
            *args: As the library's.
            **kwargs: As the library's; with `row_weights` those of `TargetBloom.forward`, `input_ids` among them.
        """
        if kwargs.get("row_weights") is not None:
            return self.base_model(**self._with_virtual_tokens(kwargs, causal=True))
        output = super().forward(*args, **kwargs)
        output.logits = output.logits[:, self.active_peft_config.num_virtual_tokens :]
        return output


class PromptTunedSeq2Seq(_VirtualTokens, PeftModelForSeq2SeqLM):  # type: ignore[misc]
    """PEFT's prompt tuning of an encoder-decoder, virtual tokens before the encoder's, which also trains on packs."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """`TargetLoss` where `row_weights` are given, else the library's output.

        Args:
            *args: As the library's.
            **kwargs: As the library's; with `row_weights` those of `TargetMT5.forward`, `input_ids` among them.
        """
        if kwargs.get("row_weights") is not None:
            return self.base_model(**self._with_virtual_tokens(kwargs, causal=False))
        return super().forward(*args, **kwargs)


def prompt_tuned(model: PreTrainedModel, config: PeftConfig) -> PromptTunedCausal | PromptTunedSeq2Seq:
    """The frozen model with new virtual tokens, as the configuration says."""
    kind = PromptTunedSeq2Seq if model.config.is_encoder_decoder else PromptTunedCausal
    return kind(model, config)


def insert_prompt(
    batch: Mapping[str, Tensor], embedded: Tensor, prompt: Tensor, *, causal: bool
) -> dict[str, Tensor]:
    """A batch whose segments, or rows where it is not packed, begin with the prompt's virtual tokens.

    Segments stay in their rows and in their order, and rows become longer by as many virtual tokens as the fullest
    one needs. Positions count from the first virtual token.

    Example: ids [5, 6, 8] of segments [1, 1, 2] with two virtual tokens: places v v 5 6 v v 8, segments
        [1, 1, 1, 1, 2, 2, 2]; causal labels are -100 on v and on 5 and 8, which no token of their own predicts.

    Args:
        batch: Of `Collator` or `PackedCollator`; its `input_ids` only say where tokens are.
        embedded: (rows, tokens, width), the ids' embeddings.
        prompt: (virtual tokens, width).
        causal: Whether labels stand beside the inputs.

    Source: Lester et al. 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning", arXiv 2104.08691,
        section 2.
    """
    numbers = _numbers(batch)
    count = len(prompt)
    begins = (numbers != F.pad(numbers[:, :-1], (1, 0))) & (numbers > 0)
    place = torch.arange(numbers.shape[1], device=numbers.device) + count * begins.cumsum(1)
    width = numbers.shape[1] + count * int(begins.sum(1).max())
    row, first = torch.nonzero(begins, as_tuple=True)
    before = place[row, first, None] - torch.arange(count, 0, -1, device=numbers.device)

    spread = embedded.new_zeros(len(numbers), width, embedded.shape[2])
    spread[torch.arange(len(numbers), device=numbers.device)[:, None], place] = embedded
    spread[row[:, None], before] = prompt
    spread_numbers = numbers.new_zeros(len(numbers), width).scatter_(1, place, numbers)
    spread_numbers[row[:, None], before] = numbers[row, first, None]

    made = {key: value for key, value in batch.items() if key != "input_ids"}
    made |= {"inputs_embeds": spread, "segments" if "segments" in batch else "attention_mask": spread_numbers}
    if causal:
        labels = batch["labels"].masked_fill(begins, IGNORED)
        made["labels"] = labels.new_full((len(labels), width), IGNORED).scatter_(1, place, labels)
    return made


def _numbers(batch: Mapping[str, Tensor]) -> Tensor:
    """The segment number of every token, 0 on padding; in a batch that is not packed every row is number 1."""
    if batch.get("segments") is not None:
        return batch["segments"]
    mask = batch.get("attention_mask")
    return torch.ones_like(batch["input_ids"]) if mask is None else (mask != 0).long()
