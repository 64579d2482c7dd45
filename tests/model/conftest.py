"""Models small enough for exact laws: float64, every parameter away from its starting value."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wavelit_plugin.model import WaveLiT, WaveLiTConfig


@pytest.fixture
def tiny() -> Callable[..., WaveLiTConfig]:
    """Build the smallest configuration with two heads; any knob may be changed."""

    def tiny(**knobs: Any) -> WaveLiTConfig:
        small = {"in_channels": 2, "out_channels": 1, "width": 8, "heads": 2, "depth": 1}
        small |= {"features": 4, "pyramid_scales": 1}
        return WaveLiTConfig(**{**small, **knobs})

    return tiny


@pytest.fixture
def step() -> Callable[..., WaveLiT]:
    """Do a training step without an optimizer: what a model learns of its data, it learns then."""

    def step(
        model: WaveLiT, u: Tensor, condition: Tensor | None = None, *, target: Tensor | None = None
    ) -> WaveLiT:
        model.train()(u, condition, target=target).square().mean().backward()
        model.zero_grad()
        return model

    return step


@pytest.fixture
def awake(rng: torch.Generator) -> Callable[[nn.Module], nn.Module]:
    """Move every parameter off its starting value: what starts as zero would hide mistakes."""

    @torch.no_grad()
    def awake(module: nn.Module) -> nn.Module:
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, dtype=torch.float64, generator=rng)
            parameter.add_(0.2 * noise.to(parameter.dtype))
        return module

    return awake


@pytest.fixture
def build(
    tiny: Callable[..., WaveLiTConfig],
    awake: Callable[[nn.Module], nn.Module],
    rng: torch.Generator,
) -> Callable[..., WaveLiT]:
    """Build a float64 model in evaluation mode, its statistics frozen at random values."""

    def build(**knobs: Any) -> WaveLiT:
        model = WaveLiT(tiny(**knobs)).double()
        awake(model)
        config = model.config
        space = (8,) * config.ndim
        u, target = (
            torch.randn(4, channels, *space, dtype=torch.float64, generator=rng)
            for channels in (config.in_channels, config.out_channels)
        )
        model.fit_statistics([(1.0 + 3.0 * u, 2.0 * target - 1.0)])
        return model.eval()

    return build
