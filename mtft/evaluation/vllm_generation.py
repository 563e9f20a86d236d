"""Generation through vLLM, an engine of its own for GPUs, in place of the library's.

Only generation: for log-likelihoods of a prompt, vLLM leaves its prefix cache aside and would run every prompt once per
choice (its pull request #17251). Greedy texts may differ from the library's where two tokens are nearly as likely.

Source: https://docs.vllm.ai/en/stable/models/generative_models.html (`LLM.generate`) and
https://docs.vllm.ai/en/stable/api/vllm/sampling_params.html (`SamplingParams`).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from accelerate import PartialState

from mtft.errors import MissingExtraError, ModelError
from mtft.evaluation.harness import TokenIds
from mtft.evaluation.requests import GenerationIds

BACKENDS = ("transformers", "vllm")
PURPOSE = "`--generation_backend vllm`"
_SHARE = 0.5  # of the GPU's memory: the other half holds the model that ranks choices
_BATCH = 4096


def vllm_library() -> Any:
    """The package.

    Raises:
        MissingExtraError: It is not installed.
        ModelError: Several processes were launched; vLLM starts its own.
    """
    try:
        library = import_module("vllm")
    except ImportError as error:
        raise MissingExtraError("vllm", extra="vllm", purpose=PURPOSE) from error
    if PartialState().num_processes > 1:
        raise ModelError(
            f"{PURPOSE} must run in one process.",
            found=f"{PartialState().num_processes} processes",
            remedy="Launch it with python instead of accelerate.",
        )
    return library


class VllmGenerator:
    """Greedy continuations by a saved causal model.

    Args:
        model: Folder or Hub id with whole weights; an adapter has to be merged into its base first.
        revision: Of a Hub model.
        eos: Id that ends a text.
        dtype: Of the weights, `bfloat16`.
        family: What `mtft.modeling.load_model` said of the model.

    Raises:
        MissingExtraError: vLLM is not installed.
        ModelError: The model is an adapter or an encoder-decoder, or several processes were launched.
    """

    def __init__(self, model: str | Path, *, revision: str | None, eos: int, dtype: str, family: str) -> None:
        library = vllm_library()
        found = "an adapter" if (Path(model) / "adapter_config.json").is_file() else ""
        found = "an encoder-decoder" if family in ("mt5", "seq2seq") else found
        if found:
            raise ModelError(
                f"{PURPOSE} must be given a causal model with all its weights.",
                found=found,
                where=str(model),
                remedy="Leave the flag out, or merge the adapter first (`mtft model merge`).",
            )
        self._params: Any = library.SamplingParams
        self._eos = eos
        self._engine: Any = library.LLM(
            model=str(model),
            revision=revision,
            dtype=dtype,
            seed=0,
            trust_remote_code=False,
            gpu_memory_utilization=_SHARE,
        )

    def batches(self, items: Sequence[GenerationIds]) -> list[list[GenerationIds]]:
        """The items in large parts, longest first; vLLM makes batches by itself."""
        ordered = sorted(items, key=lambda i: (i.max_new_tokens, len(i.inputs), i.key), reverse=True)
        return [ordered[start : start + _BATCH] for start in range(0, len(ordered), _BATCH)]

    def generate(self, batch: Sequence[GenerationIds]) -> list[TokenIds | None]:
        """New ids of every item without the end token."""
        params = [
            self._params(
                temperature=0.0,
                max_tokens=item.max_new_tokens,
                min_tokens=item.min_new_tokens,
                stop_token_ids=[self._eos],
                detokenize=False,
            )
            for item in batch
        ]
        prompts = [{"prompt_token_ids": list(item.inputs)} for item in batch]
        outputs = self._engine.generate(prompts, params, use_tqdm=False)
        made = [tuple(output.outputs[0].token_ids) for output in outputs]
        return [ids[: ids.index(self._eos)] if self._eos in ids else ids for ids in made]
