"""mtft: multitask prompt finetuning and zero-shot crosslingual evaluation for Hugging Face models."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtft.prompting import Template, TemplateCollection

__version__ = "0.1.0"
__all__ = ["Template", "TemplateCollection"]


def __getattr__(name: str) -> Any:
    # On first use: `import mtft` stays as light as this file.
    if name in __all__:
        import mtft.prompting

        return getattr(mtft.prompting, name)
    raise AttributeError(f"module `mtft` has no attribute `{name}`")
