"""Roll-out: a prediction becomes the newest frame of the next input."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.model import WaveLiT
from wavelit_plugin.rollout import rollout

SPACES = [(5,), (3, 4), (2, 3, 4)]
without_shape_check = pytest.mark.usefixtures("without_shape_check")


def start(frames: int, fields: int, space: tuple[int, ...], rng: torch.Generator) -> Tensor:
    return torch.randn(2, frames, fields, *space, dtype=torch.float64, generator=rng)


@pytest.mark.parametrize("space", SPACES)
def test_the_identity_repeats_the_first_frame(space: tuple[int, ...], rng: torch.Generator) -> None:
    u = start(1, 3, space, rng)
    out = rollout(lambda x: x, u, steps=4)
    assert_close(out, u.expand(2, 4, 3, *space), rtol=0.0, atol=0.0)


@pytest.mark.parametrize("space", SPACES)
def test_a_linear_step_gives_the_powers_of_its_matrix(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    matrix = 0.5 * torch.randn(3, 3, dtype=torch.float64, generator=rng)
    u = start(1, 3, space, rng)
    out = rollout(lambda x: torch.einsum("ij,bj...->bi...", matrix, x), u, steps=5)
    for n in range(5):
        power = torch.linalg.matrix_power(matrix, n + 1)
        assert_close(out[:, n], torch.einsum("ij,bj...->bi...", power, u[:, 0]))


def test_several_frames_slide_oldest_first(rng: torch.Generator) -> None:
    """u_(n+1) = 2 u_n - u_(n-1) on two frames continues a straight line."""
    u = start(2, 1, (4,), rng)
    out = rollout(lambda x: 2 * x[:, 1:] - x[:, :1], u, steps=6)
    change = u[:, 1] - u[:, 0]
    for n in range(6):
        assert_close(out[:, n], u[:, 1] + (n + 1) * change)


def test_several_frames_of_several_fields_are_time_major(rng: torch.Generator) -> None:
    u, seen = start(3, 2, (4,), rng), []

    def newest(x: Tensor) -> Tensor:
        seen.append(x)
        return x[:, -2:] + 1

    out = rollout(newest, u, steps=2)
    assert_close(seen[0], u.flatten(1, 2), rtol=0.0, atol=0.0)
    expected = torch.cat([u[:, 1], u[:, 2], u[:, 2] + 1], dim=1)
    assert_close(seen[1], expected, rtol=0.0, atol=0.0)
    assert_close(out[:, 1], u[:, 2] + 2)


@pytest.mark.parametrize("space", SPACES)
def test_constants_are_appended_to_every_input_unchanged(
    space: tuple[int, ...], rng: torch.Generator
) -> None:
    constants = torch.randn(2, 2, *space, dtype=torch.float64, generator=rng)

    def step(x: Tensor) -> Tensor:
        assert_close(x[:, -2:], constants, rtol=0.0, atol=0.0)
        return x[:, :1] + x[:, 1:2]

    u = start(1, 1, space, rng)
    out = rollout(step, u, constants, steps=3)
    for n in range(3):
        assert_close(out[:, n], u[:, 0] + (n + 1) * constants[:, :1])


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_several_predicted_frames_a_call_make_as_many_steps_as_asked(
    steps: int, rng: torch.Generator
) -> None:
    calls: list[Tensor] = []

    def two(x: Tensor) -> Tensor:
        calls.append(x)
        return torch.cat([x[:, -1:] + 1, x[:, -1:] + 2], dim=1)

    u = start(3, 1, (4,), rng)
    out = rollout(two, u, steps=steps)
    assert len(calls) == -(-steps // 2)
    assert_close(out, u[:, -1:] + torch.arange(1.0, steps + 1).double().view(1, -1, 1, 1))


def test_more_predicted_frames_than_the_model_takes(rng: torch.Generator) -> None:
    u = start(1, 1, (4,), rng)
    out = rollout(lambda x: torch.cat([x + 1, x + 2, x + 3], dim=1), u, steps=7)
    assert_close(out, u + torch.arange(1.0, 8.0).double().view(1, -1, 1, 1))


def test_no_graph_is_kept(rng: torch.Generator) -> None:
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    assert not rollout(lambda x: weight * x, start(1, 1, (4,), rng), steps=2).requires_grad


def test_the_start_is_not_changed(rng: torch.Generator) -> None:
    u = start(2, 1, (4,), rng)
    before = u.clone()
    rollout(lambda x: x[:, 1:], u, steps=3)
    assert_close(u, before, rtol=0.0, atol=0.0)


def test_our_own_model_rolls_out_on_several_frames(rng: torch.Generator) -> None:
    from wavelit_plugin.model import ChannelLayout, WaveLiTConfig

    layout = ChannelLayout(frames=2, fields=1, constants=1, frames_out=2)
    config = WaveLiTConfig(
        in_channels=3, out_channels=2, ndim=1, width=4, heads=1, depth=1, layout=layout
    )
    model = WaveLiT(config).double().eval()
    constants = torch.randn(2, 1, 8, dtype=torch.float64, generator=rng)
    u = start(2, 1, (8,), rng)
    first = model(torch.cat([u.flatten(1, 2), constants], dim=1))
    second = model(torch.cat([first, constants], dim=1))
    expected = torch.cat([first, second], dim=1).unsqueeze(2)[:, :3].detach()
    assert_close(rollout(model, u, constants, steps=3), expected)


@without_shape_check
@pytest.mark.parametrize("steps", [0, -1, 1.0, "2", None])
def test_no_step_is_no_roll_out(steps: Any, rng: torch.Generator) -> None:
    with pytest.raises(ConfigError, match=f"steps must be a whole number .*, got {steps!r}"):
        rollout(lambda x: x, start(1, 1, (4,), rng), steps=steps)


@pytest.mark.parametrize(("fields", "returned"), [(2, 3), (2, 1), (1, 0), (0, 2)])
def test_a_model_that_returns_no_whole_frames_is_refused(
    fields: int, returned: int, rng: torch.Generator
) -> None:
    u = start(1, fields, (4,), rng)
    message = f"returned {returned} channels, no whole number of frames of the {fields} fields"
    with pytest.raises(ShapeError, match=message):
        rollout(lambda x: x.new_zeros(2, returned, 4), u, steps=2)


@without_shape_check
@pytest.mark.parametrize(
    ("u", "message"),
    [
        (np.zeros((2, 1, 1, 4)), "start must be a torch tensor, got a numpy array"),
        (torch.zeros(2, 1, 1, 4, dtype=torch.int64), "start must have a floating dtype"),
        (torch.zeros(2, 1, 4), r"start must be \(batch, frame, field, \*space\)"),
        (torch.zeros(2, 1, 1, 4, 4, 4, 4), r"got shape \(2, 1, 1, 4, 4, 4, 4\)"),
        (torch.zeros(2, 0, 1, 4), "with at least one frame"),
        (torch.zeros(2, 1, 1, 0), "axis of start, .* needs at least one point"),
    ],
)
def test_a_start_that_holds_no_frames_is_refused(u: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        rollout(lambda x: x, u, steps=1)


@without_shape_check
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.zeros((2, 1, 4)), "must be a torch tensor, got a numpy array"),
        ((torch.zeros(2, 1, 4),), "must be a torch tensor, got tuple"),
        (None, "must be a torch tensor, got NoneType"),
        (torch.zeros(3, 1, 4), r"so shape \(2, 1, 4\) on cpu, got \(3, 1, 4\) on cpu"),
        (torch.zeros(2, 1, 5), r"so shape \(2, 1, 4\) on cpu, got \(2, 1, 5\)"),
        (torch.zeros(2, 1, 4, 1), r"so shape \(2, 1, 4\) on cpu, got \(2, 1, 4, 1\)"),
        (torch.zeros(2, 1, 4, device="meta"), r"on cpu, got \(2, 1, 4\) on meta"),
    ],
)
def test_what_does_not_go_with_the_frames_is_refused(other: Any, message: str) -> None:
    u = torch.zeros(2, 1, 1, 4)
    with pytest.raises(ShapeError, match=f"output of the model .*{message}"):
        rollout(lambda _: other, u, steps=1)
    if other is not None:
        with pytest.raises(ShapeError, match=f"constants .*{message}"):
            rollout(lambda x: x[:, :1], u, other, steps=1)


@without_shape_check
def test_what_cannot_be_called_is_no_model() -> None:
    model: Any = "model.safetensors"
    with pytest.raises(ConfigError, match="step must be a model or a function, got str"):
        rollout(model, torch.zeros(2, 1, 1, 4), steps=1)
