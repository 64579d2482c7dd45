"""The knob ``compile``: training runs the compiled network, and nothing else changes."""

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig
from wavelit_plugin.model.members import Member

pytestmark = pytest.mark.usefixtures("without_shape_check")

Build = Callable[..., WaveLiT]


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was compiled; by the backend that runs the graph as it is, which takes no minute."""
    found: list[Any] = []
    compile_ = torch.compile

    def watched(function: Any) -> Any:
        found.append(function)
        return compile_(function, backend="aot_eager")

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", watched)
    return found


def gradients(model: WaveLiT, u: Tensor) -> list[Tensor]:
    condition = torch.ones(len(u), 1, dtype=u.dtype)
    loss = model(u, condition).square().mean()
    return [loss, *torch.autograd.grad(loss, list(model.parameters()))]


# torch's own, of the checkpoints that it traces
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_a_training_step_is_compiled_once_and_keeps_its_values(
    build: Build, rng: torch.Generator, compilations: list[Any]
) -> None:
    model = build(
        compile=True, pyramid_scales=2, conditions=1, activation_checkpointing=True
    ).train()
    plain = WaveLiT(model.config.changed(compile=False)).double()
    plain.load_state_dict(model.state_dict())
    for _ in range(2):
        u = torch.randn(3, 2, 9, 8, dtype=torch.float64, generator=rng)
        assert_close(gradients(model, u), gradients(plain.train(), u), rtol=0.0, atol=1e-11)
    assert len(compilations) == 1


def test_evaluation_is_not_compiled(
    build: Build, rng: torch.Generator, compilations: list[Any]
) -> None:
    build(compile=True)(torch.randn(1, 2, 8, 8, dtype=torch.float64, generator=rng))
    assert not compilations


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],  # noqa: S301
)
def test_a_copy_trains_its_own_weights(
    copied: Callable[[WaveLiT], WaveLiT],
    build: Build,
    rng: torch.Generator,
    compilations: list[Any],
) -> None:
    model, u = build(compile=True).train(), torch.randn(1, 2, 8, 8, generator=rng).double()
    model(u)
    other = copied(model)
    with torch.no_grad():
        other.head.linear.weight.mul_(2.0)
    expected = copy.deepcopy(other).eval()(u)
    assert_close(other(u), expected)
    assert len(compilations) == 2


def test_a_joint_model_refuses_it() -> None:
    config = partial(WaveLiTConfig, in_channels=1, out_channels=1, width=8, heads=1)
    layout = ChannelLayout(fields=1, names=("pressure",))
    with pytest.raises(ConfigError, match="compile=True; leave it out"):
        Member(config=config(layout=layout, compile=True))
