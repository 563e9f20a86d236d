"""mtft: multitask prompt finetuning and zero-shot crosslingual evaluation for Hugging Face models."""

__version__ = "0.1.0"
