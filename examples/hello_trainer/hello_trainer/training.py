"""The training loop."""

from torch import Tensor
from torch.optim import Adam

from hello_trainer.registry import CRITERIA, MODELS


def train(name: str, frames: Tensor, *, steps: int, criterion: str = "mse") -> list[float]:
    """Train the model ``name`` to predict the next frame; return the loss of every step.

    Args:
        name: a key of MODELS.
        frames: (frame, x, y, field).
        steps: optimizer steps, each on all frames.
        criterion: a key of CRITERIA.
    """
    model, loss_of = MODELS[name](frames.shape[-1]), CRITERIA[criterion]()
    optimizer = Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        loss = loss_of(model(frames[:-1]), frames[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
