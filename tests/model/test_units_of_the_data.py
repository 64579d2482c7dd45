"""The model does not know in which units its data come: the statistics take them out and back."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.model import WaveLiT

KNOBS: list[dict[str, Any]] = [
    {"ndim": 1, "levels": 2},
    {"ndim": 2, "pyramid_scales": 2},
    {"ndim": 3, "boundary": "periodic"},
]


@pytest.mark.parametrize("residual", ["off", "on"])
@pytest.mark.parametrize("knobs", KNOBS)
def test_other_units_give_the_same_prediction_in_these_units(
    knobs: dict[str, Any],
    residual: str,
    build: Callable[..., WaveLiT],
    rng: torch.Generator,
) -> None:
    """Every channel gets a factor and an offset, the output's own, or the field's it continues."""
    model = build(residual=residual, **knobs)
    space = (8,) * knobs["ndim"]
    u = torch.randn(4, 2, *space, dtype=torch.float64, generator=rng)
    target = 0.8 * u[:, :1] + 0.3 * torch.randn(4, 1, *space, dtype=torch.float64, generator=rng)
    view = (1, 2, *(1,) * knobs["ndim"])
    factor = torch.tensor([300.0, 0.01], dtype=torch.float64).view(view)
    offset = torch.tensor([-50.0, 0.5], dtype=torch.float64).view(view)
    out_factor, out_offset = (2e-3, 7.0) if residual == "off" else (300.0, -50.0)

    other = WaveLiT(model.config).double().eval()
    other.load_state_dict(model.state_dict())
    model.fit_statistics([(u, target)])
    other.fit_statistics([(factor * u + offset, out_factor * target + out_offset)])
    expected = out_factor * model(u) + out_offset
    # rounding; the floor of no statistic is an absolute one
    assert_close(other(factor * u + offset), expected, rtol=1e-9, atol=1e-9)
