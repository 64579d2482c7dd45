"""What a name stands for. All tensors are (batch, x, y, field)."""

from collections.abc import Callable

from torch import nn


def linear(fields: int) -> nn.Module:
    """Return a model that mixes the fields of each point."""
    return nn.Linear(fields, fields)


MODELS: dict[str, Callable[[int], nn.Module]] = {"linear": linear}
CRITERIA: dict[str, Callable[[], nn.Module]] = {"mse": nn.MSELoss}
