"""The push-forward input: what a roll-out would see, without a gradient, the model as it was."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, ShapeError
from wavelit_plugin.rollout import rollout
from wavelit_plugin.stability import push_forward


class TwoFrames(nn.Module):
    """Two frames of two fields and a constant to ``out`` frames, with dropout."""

    def __init__(self, out: int = 1) -> None:
        super().__init__()
        self.mix = nn.Conv1d(5, 2 * out, 3, padding=1)
        self.dropout = nn.Dropout(0.5)

    def forward(self, u: Tensor) -> Tensor:
        return self.dropout(self.mix(u))


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("out", [1, 2])
def test_the_input_is_that_of_a_roll_out_after_so_many_frames(steps: int, out: int) -> None:
    model = TwoFrames(out).eval()
    u = torch.randn(3, 5, 8)
    frames = rollout(model, u[:, :4].unflatten(1, (2, 2)), u[:, 4:], steps=steps)
    known = torch.cat([u[:, :4], frames.flatten(1, 2)], dim=1)
    moved = push_forward(model, u, fields=2, frames=2, steps=steps)
    assert_close(moved[:, :4], known[:, 2 * steps : 2 * steps + 4])
    assert torch.equal(moved[:, 4:], u[:, 4:])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_it_advances_exactly_where_the_step_is_exact(ndim: int) -> None:
    u = torch.randn(2, 2, *(8,) * ndim)
    truth = torch.stack([u[:, 0].roll(3, -1), u[:, 1]], dim=1)
    moved = push_forward(lambda u: u[:, :1].roll(1, -1), u, fields=1, steps=3)
    assert torch.equal(moved, truth)


def test_no_gradient_goes_through_the_prediction() -> None:
    model, u = TwoFrames(), torch.randn(1, 5, 8, requires_grad=True)
    moved = push_forward(model, u, fields=2, frames=2)
    assert not moved.requires_grad
    model(moved).sum().backward()
    assert u.grad is None


def test_a_module_predicts_as_in_evaluation_and_is_left_as_it_was() -> None:
    model = nn.Sequential(TwoFrames(), nn.Identity()).train()
    model[1].eval()  # a part that somebody froze
    modes = [part.training for part in model.modules()]
    u = torch.randn(2, 5, 8)
    first, again = (push_forward(model, u, fields=2, frames=2) for _ in range(2))
    assert torch.equal(first, again)
    assert [part.training for part in model.modules()] == modes
    assert len(set(modes)) == 2


def test_the_mode_returns_after_an_error_too() -> None:
    def fails(u: Tensor) -> Tensor:
        raise ValueError("stop")

    model = TwoFrames()
    model.mix.forward = fails  # type: ignore[assignment]
    with pytest.raises(ValueError, match="stop"):
        push_forward(model, torch.zeros(1, 5, 8), fields=2, frames=2)
    assert model.training
    assert model.dropout.training


def test_what_cannot_be_is_refused() -> None:
    u = torch.zeros(1, 3, 8)
    with pytest.raises(ShapeError, match="2 frames of 2 fields, so at least 4 channels, got 3"):
        push_forward(lambda u: u[:, :2], u, fields=2, frames=2)
    with pytest.raises(ShapeError, match="0 fields, so at least 1 channels"):
        push_forward(lambda u: u, u, fields=0)
    with pytest.raises(ShapeError, match="no whole number of frames"):
        push_forward(lambda u: u, u, fields=2)
    with pytest.raises(ConfigError, match="steps must be a whole number of at least 1, got 0"):
        push_forward(lambda u: u[:, :2], u, fields=2, steps=0)
