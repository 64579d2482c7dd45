"""Data as the comparison trains on them: normalised, on the device, the same for every operator."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from wavelit_plugin.data.readers import GridData, Pairs
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.plugins.types import GridTask
from wavelit_plugin.shapes import Field

PerChannel = Float[Tensor, "1 _channel *_space"]
Target = Literal["state", "change"]

# a channel that varies less than this against its mean is a constant and its variation rounding
_ROUNDING = 1e-6
_SEEN = 2**17  # numbers of a split that its fingerprint looks at


def task_of(data: GridData) -> GridTask:
    """Return what an operator has to learn."""
    return GridTask(
        in_channels=data.train.x.shape[1],
        out_channels=data.train.y.shape[1],
        size=data.size,
        boundary=data.boundary,
        continues=data.continues,
        fields=data.fields,
    )


@dataclass(frozen=True, kw_only=True)
class Units:
    """Between physical units and what operators see; every channel has mean 0 and deviation 1.

    Attributes:
        target: what is predicted: the next state (or another quantity), or the state's change.
        x_mean, x_std: of the inputs.
        y_mean, y_std: of what is predicted; a next state is in the units of the state.
    """

    target: Target
    x_mean: PerChannel
    x_std: PerChannel
    y_mean: PerChannel
    y_std: PerChannel

    def encode(self, x: Field) -> Field:
        """Return normalised inputs."""
        return (x - self.x_mean) / self.x_std

    def encode_target(self, x: Field, y: Field) -> Field:
        """Return what an operator should answer to ``encode(x)``."""
        wanted = y - x[:, : y.shape[1]] if self.target == "change" else y
        return (wanted - self.y_mean) / self.y_std

    def encode_state(self, y: Field) -> Field:
        """Return normalised outputs."""
        return (y - self.y_mean) / self.y_std

    def decode(self, x: Field, answer: Field) -> Field:
        """Return the prediction of ``y`` from physical inputs and an operator's answer."""
        y = answer * self.y_std + self.y_mean
        return y + x[:, : y.shape[1]] if self.target == "change" else y

    def advance(self, x: Field, answer: Field) -> Field:
        """Return the normalised state that an answer to normalised inputs leads to.

        It is in the units of the state in ``x``, for data that continue their inputs.
        """
        if self.target == "state":
            return answer
        state = x[:, : answer.shape[1]]
        return state + (answer * self.y_std + self.y_mean) / self.x_std[:, : answer.shape[1]]

    def same_goal(self, x: Field, y: Field, moved: Field) -> Field:
        """Return the answer to ``moved`` that leads where ``y`` leads from ``x``; all normalised.

        For data that continue their inputs. The next state is the same from anywhere; a change is
        what is left to go.
        """
        if self.target == "state":
            return y
        state = slice(y.shape[1])
        return y - (moved[:, state] - x[:, state]) * (self.x_std[:, state] / self.y_std)

    def in_state(self, error: Field) -> Field:
        """Return the error of an answer in the units of the normalised state it leads to."""
        return error * (self.y_std / self.x_std[:, : error.shape[1]])


def predecessors(pairs: Pairs) -> Int[Tensor, " sample"]:
    """Return for each sample the one before it in its trajectory; itself for a trajectory's first.

    Samples of a trajectory follow each other, so the one before is known by its target, which is
    this one's state, and by its constants.
    """
    x, y = pairs
    fields, found = y.shape[1], torch.arange(len(x))
    for sample in range(1, len(x)):
        continues = torch.equal(x[sample, :fields], y[sample - 1])
        if continues and torch.equal(x[sample, fields:], x[sample - 1, fields:]):
            found[sample] = sample - 1
    return found


def units_of(data: GridData, target: Target, device: str) -> Units:
    """Return the units, from training data alone.

    Raises:
        ConfigError: the change is asked for, but the data do not continue their inputs.
    """
    if target == "change" and not data.continues:
        raise ConfigError(
            f"{data.name} does not continue its inputs, so there is no change to predict; use "
            "--predict state"
        )
    x, y = data.train
    x_mean, x_std = _moments(x)
    if target == "change":
        y_mean, y_std = _moments(y - x[:, : y.shape[1]])
    elif data.continues:
        y_mean, y_std = x_mean[:, : y.shape[1]], x_std[:, : y.shape[1]]
    else:
        y_mean, y_std = _moments(y)
    moments = (x_mean, x_std, y_mean, y_std)
    x_mean, x_std, y_mean, y_std = (part.to(device) for part in moments)
    return Units(target=target, x_mean=x_mean, x_std=x_std, y_mean=y_mean, y_std=y_std)


def relative_change(data: GridData) -> float | None:
    """Return the deviation of the frames' change over that of the fields, mean over the fields."""
    if not data.continues:
        return None
    x, y = data.train
    (_, change), (_, state) = _moments(y - x[:, : y.shape[1]]), _moments(y)
    return float((change / state).mean())


def facts(data: GridData, source: Path) -> dict[str, Any]:
    """Return what the plan says of the data; ``fingerprint`` tells data apart that look alike."""
    return {
        "name": data.name,
        "fields": list(data.fields),
        "constants": list(data.constants),
        "ndim": len(data.size),
        "size": list(data.size),
        "boundary": list(data.boundary),
        "continues": data.continues,
        "frames": None if data.trajectories is None else data.trajectories.fields.shape[1],
        "train_samples": len(data.train.x),
        "valid_samples": len(data.valid.x),
        "test_samples": len(data.test.x),
        "test_trajectories": None if data.trajectories is None else len(data.trajectories.fields),
        "relative_change": relative_change(data),
        "source": source.name,
        "fingerprint": _fingerprint(data),
    }


def _moments(u: Field) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each channel, (1, channel, 1, ...); a constant's is 1."""
    # channel by channel, because float64 takes twice the memory; centred before it is squared,
    # because a large mean would drown the deviation
    pairs = [_mean_and_std(channel.double()) for channel in u.unbind(1)]
    mean, std = torch.tensor(pairs, dtype=torch.float32).reshape(-1, 2).unbind(1)
    view = (1, -1, *(1,) * (u.ndim - 2))
    return mean.view(view), std.view(view)


def _mean_and_std(values: Tensor) -> tuple[float, float]:
    mean = float(values.mean())
    std = float((values - mean).square().mean().sqrt())
    return mean, std if std > _ROUNDING * abs(mean) else 1.0


def _fingerprint(data: GridData) -> str:
    state = hashlib.sha256()
    for pairs in (data.train, data.valid, data.test):
        for part in pairs:
            flat = part.reshape(-1)
            # an odd stride meets every column of a grid
            seen = flat[:: max(1, len(flat) // _SEEN) | 1].contiguous()
            state.update(f"{tuple(part.shape)}".encode())
            state.update(seen.numpy().tobytes())
    return state.hexdigest()[:16]
