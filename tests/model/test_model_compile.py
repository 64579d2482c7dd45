"""torch.compile takes the evaluation forward as one graph and changes no value."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.model import ChannelLayout, WaveLiT

Build = Callable[..., WaveLiT]
pytestmark = pytest.mark.usefixtures("without_shape_check")

HISTORY = ChannelLayout(frames=2, fields=1)


def assert_compiles(model: WaveLiT, backend: str, rng: torch.Generator) -> None:
    torch.compiler.reset()
    config = model.config
    u = torch.randn(2, 2, *(8,) * config.ndim, dtype=torch.float64, generator=rng)
    condition = torch.ones(2, config.conditions).double() if config.conditions else None
    compiled: Callable[..., Tensor] = torch.compile(model, fullgraph=True, backend=backend)
    # the compiler may reorder sums: rounding only
    assert_close(compiled(u, condition), model(u, condition), rtol=0.0, atol=1e-11)


# the first call of the compiler in a process takes seconds, so there are few cases
@pytest.mark.parametrize(
    "knobs",
    [
        {
            "ndim": 2,
            "pyramid_scales": 2,
            "boundary": ("periodic", "open"),
            "conditions": 1,
            "layout": HISTORY,
        }
    ],
)
def test_the_forward_is_one_graph(
    knobs: dict[str, Any], build: Build, rng: torch.Generator
) -> None:
    assert_compiles(build(**knobs), "aot_eager", rng)


@pytest.mark.slow
@pytest.mark.parametrize("ndim", [1, 3])
def test_the_forward_is_one_graph_in_other_dimensions(
    ndim: int, build: Build, rng: torch.Generator
) -> None:
    assert_compiles(build(ndim=ndim, levels=2), "aot_eager", rng)


@pytest.mark.slow
def test_other_resolutions_are_one_graph(build: Build, rng: torch.Generator) -> None:
    model = build()
    model.train()(torch.zeros(1, 2, 4, 4, dtype=torch.float64))
    assert_compiles(model.eval(), "aot_eager", rng)


@pytest.mark.slow
def test_the_compiled_kernels_keep_the_values(
    build: Build,
    rng: torch.Generator,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # an empty cache, so that the kernels are those of this code
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
    assert_compiles(build(ndim=1, width=4, heads=1), "inductor", rng)
