"""torch.compile takes the transform as one graph and changes no value."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.wavelets import dwt, idwt

pytestmark = pytest.mark.usefixtures("without_shape_check")


def filtered(u: Tensor, wavelet: str) -> Tensor:
    """Damp the finest details: forward, inverse, padding and cropping in one function."""
    bands = dwt(u, wavelet=wavelet, levels=2)
    finest, *others = bands.details
    return idwt(replace(bands, details=(0.5 * finest, *others)))


def assert_compiles(space: tuple[int, ...], wavelet: str, backend: str) -> None:
    torch.compiler.reset()
    u = torch.randn(2, 1, *space, dtype=torch.float64, requires_grad=True)
    expected = filtered(u, wavelet)
    actual = torch.compile(filtered, fullgraph=True, backend=backend)(u, wavelet)
    # the compiler may reorder sums: rounding only
    assert_close(actual, expected, rtol=0.0, atol=1e-12)
    weight = torch.randn_like(expected)
    (want,) = torch.autograd.grad((expected * weight).sum(), u)
    (got,) = torch.autograd.grad((actual * weight).sum(), u)
    assert_close(got, want, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("wavelet", ["haar", "db4"])
@pytest.mark.parametrize("space", [(16,), (12, 9), (4, 5, 8)])
def test_the_transform_is_one_graph(space: tuple[int, ...], wavelet: str) -> None:
    assert_compiles(space, wavelet, "aot_eager")


@pytest.mark.slow
@pytest.mark.parametrize(("space", "wavelet"), [((12, 9), "haar"), ((9,), "db4")])
def test_the_compiled_kernels_keep_the_values(
    space: tuple[int, ...],
    wavelet: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # an empty cache, so that the kernels are those of this code
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
    assert_compiles(space, wavelet, "inductor")
