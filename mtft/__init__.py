"""mtft: multitask prompt finetuning and zero-shot crosslingual evaluation for Hugging Face models."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtft.evaluation import load_results
    from mtft.prompting import Template, TemplateCollection

__version__ = "0.1.0"
__all__ = ["Template", "TemplateCollection", "load_results"]
_ROOMS = {"Template": "prompting", "TemplateCollection": "prompting", "load_results": "evaluation"}


def __getattr__(name: str) -> Any:
    # On first use: `import mtft` stays as light as this file.
    if name in _ROOMS:
        from importlib import import_module

        return getattr(import_module(f"mtft.{_ROOMS[name]}"), name)
    raise AttributeError(f"module `mtft` has no attribute `{name}`")
