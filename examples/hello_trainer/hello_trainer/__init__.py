"""A toy trainer: looks models and criteria up by name and knows nothing of wavelit."""

from hello_trainer.registry import CRITERIA, MODELS
from hello_trainer.training import train

__all__ = ["CRITERIA", "MODELS", "train"]
