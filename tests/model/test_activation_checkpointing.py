"""Blocks that are computed again on the way back: the same gradients from less memory."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.compare.cost import step_bytes
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.block import Trunk
from wavelit_plugin.model.texture import Texture

KNOBS: dict[str, Any] = {"depth": 3, "pyramid_scales": 2, "conditions": 1}


def gradients(model: WaveLiT, u: Tensor, *, autocast: bool = False) -> list[Tensor]:
    condition = torch.linspace(-1, 1, len(u), dtype=u.dtype)[:, None]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = model(u, condition).square().mean()
    return list(torch.autograd.grad(loss, list(model.parameters())))


def pair(build: Callable[..., WaveLiT]) -> tuple[WaveLiT, WaveLiT]:
    plain = build(**KNOBS)
    again = WaveLiT(plain.config.changed(activation_checkpointing=True)).double()
    again.load_state_dict(plain.state_dict())
    return plain.train(), again.train()


def kept_bytes(part: nn.Module, *inputs: Any) -> int:
    """Bytes of all tensors that autograd keeps from the forward to the backward."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = part(*inputs)
    del output
    return sum(kept.values())


@pytest.mark.parametrize("autocast", [False, True])
def test_the_gradients_are_the_same(
    autocast: bool, build: Callable[..., WaveLiT], rng: torch.Generator
) -> None:
    plain, again = pair(build)
    u = torch.randn(3, 2, 8, 8, dtype=torch.float64, generator=rng)
    if autocast:
        plain, again, u = plain.float(), again.float(), u.float()
    expected, actual = (gradients(m, u, autocast=autocast) for m in (plain, again))
    assert_close(actual, expected, rtol=0.0, atol=0.0)


def test_only_what_enters_a_block_is_kept(
    tiny: Callable[..., WaveLiTConfig], rng: torch.Generator
) -> None:
    tokens = torch.randn(2, 16, 16, 8, generator=rng, requires_grad=True)
    configs = [tiny(depth=3, activation_checkpointing=again) for again in (False, True)]
    plain, again = (kept_bytes(Trunk(config), tokens) for config in configs)
    # plain: about 20 tensors of the size of the tokens a block; again: one, and the rotation
    assert again < 0.15 * plain


def test_of_the_texture_only_the_fields_are_kept(
    tiny: Callable[..., WaveLiTConfig], rng: torch.Generator
) -> None:
    u = torch.randn(2, 2, 32, 32, generator=rng)
    configs = [tiny(levels=2, activation_checkpointing=again) for again in (False, True)]
    plain, again = (Texture(config) for config in configs)
    weights = sum(parameter.nbytes for parameter in again.parameters())
    assert kept_bytes(again, u, 2) <= u.nbytes + weights
    # the cells with their edges, and the answers of eight filters on a quarter as many places
    assert kept_bytes(plain, u, 2) >= 2 * u.nbytes


@pytest.mark.parametrize(("ndim", "size"), [(2, 128), (3, 32)])
def test_a_step_of_a_million_parameters_needs_less_than_0_6_of_the_memory(
    ndim: int, size: int, rng: torch.Generator
) -> None:
    u = torch.randn(4, 5, *(size,) * ndim, generator=rng)
    sizes: dict[str, Any] = {"in_channels": 5, "out_channels": 3, "ndim": ndim}
    peaks = []
    for again in (False, True):
        config = WaveLiTConfig.preset("waveliT-1M", **sizes, activation_checkpointing=again)
        model = WaveLiT(config)
        model.normalizer.freeze()
        peaks.append(step_bytes(model, u, u[:, :3], nn.MSELoss()))
    assert peaks[1] < 0.6 * peaks[0]


def test_a_configuration_from_before_the_knob_means_what_it_did() -> None:
    plain = WaveLiTConfig(in_channels=1, out_channels=1).as_dict()
    del plain["activation_checkpointing"]
    assert WaveLiTConfig.from_dict(plain) == WaveLiTConfig(in_channels=1, out_channels=1)
