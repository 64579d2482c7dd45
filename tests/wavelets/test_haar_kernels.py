"""The GPU kernels are the Haar transform: interpreted on the CPU, and on a GPU."""

import importlib
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from packaging.version import Version
from torch import Tensor
from torch.testing import assert_close

from wavelit_plugin.wavelets import dwt, haar, idwt

SPACES = [(2,), (10,), (2050,), (4, 6), (2, 2), (64, 130), (4, 6, 8), (2, 2, 2)]
ROUNDING = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 2e-2, torch.float16: 2e-3}

# the interpreter is chosen when the kernels are imported, so they get a process of their own
INTERPRETED = """
import torch
from torch.testing import assert_close
from wavelit_plugin.wavelets import haar, haar_triton

for dtype, tolerance in {rounding}.items():
    for space in {spaces}:
        u = torch.randn(2, 3, *space, dtype=torch.float64).to(dtype)
        coarse, detail = haar_triton.analyse(u)
        exact = haar.haar_analysis(u.double())
        again = haar_triton.synthesise(coarse, detail)
        back = haar.haar_synthesis(coarse.double(), detail.double())
        assert coarse.dtype == detail.dtype == again.dtype == dtype
        for got, want in zip((coarse, detail, again), (*exact, back), strict=True):
            assert_close(got.double(), want, rtol=tolerance, atol=tolerance)
empty = haar_triton.analyse(torch.empty(0, 3, 4, 4))
assert [t.shape for t in empty] == [(0, 3, 2, 2), (0, 3, 3, 2, 2)]
print("equal")
"""


def interpreter_lacks() -> str:
    """Return why there is no interpreter, or nothing."""
    if find_spec("triton") is None:
        return "needs the package triton"
    # that of 3.1 leaves tensors on the CPU as they are, whatever the kernel; 3.9 is right
    return "needs triton 3.6" if Version(version("triton")) < Version("3.6") else ""


@pytest.mark.skipif(bool(interpreter_lacks()), reason=interpreter_lacks())
def test_interpreted_kernels_give_the_values_of_the_plain_form() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED.format(rounding=ROUNDING, spaces=SPACES)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "equal\n", done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", list(ROUNDING))
@pytest.mark.parametrize("space", SPACES)
def test_kernels_on_a_gpu_give_the_values_of_the_cpu(
    space: tuple[int, ...], dtype: torch.dtype, rng: torch.Generator
) -> None:
    assert haar._kernels(torch.device("cuda")) is not None  # else this tests the plain form
    u = torch.randn(2, 3, *space, dtype=torch.float64, generator=rng).to(dtype)
    got, want = ([*haar.haar_analysis(t)] for t in (u.cuda(), u.double()))
    got.append(haar.haar_synthesis(*got))
    want.append(haar.haar_synthesis(*(t.double().cpu() for t in got[:2])))
    for actual, expected in zip(got, want, strict=True):
        assert actual.dtype == dtype
        assert_close(actual.double().cpu(), expected, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


@pytest.mark.gpu
def test_views_and_gradients_on_a_gpu_are_those_of_the_cpu(rng: torch.Generator) -> None:
    u = torch.randn(2, 12, 8, 3, dtype=torch.float64, generator=rng).movedim(-1, 1)
    found = []
    for device in ("cuda", "cpu"):
        x = u.detach().to(device).requires_grad_()
        bands = dwt(x, levels=2)
        y = idwt(replace(bands, approximation=bands.approximation.flip(2)))
        (gradient,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), x)
        found.append([t.detach().cpu() for t in (y, gradient, second)])
    for got, want in zip(*found, strict=True):
        assert_close(got, want, rtol=1e-12, atol=1e-12)


@pytest.mark.gpu
@pytest.mark.slow
def test_more_points_than_32_bits_count_are_transformed() -> None:
    points = 2**31 + 2**12
    if torch.cuda.mem_get_info()[0] < 5 * 2 * points:
        pytest.skip("needs about 22 GB of free memory on the GPU")
    u = torch.ones(1, 1, points, dtype=torch.float16, device="cuda")
    u[..., -2] = 3.0
    coarse, detail = haar.haar_analysis(u)
    assert coarse[0, 0, [0, 2**29, -2, -1]].tolist() == pytest.approx([2**0.5] * 3 + [8**0.5], 1e-3)
    assert detail[0, 0, 0, [0, 2**30, -1]].tolist() == pytest.approx([0, 0, 2**0.5], abs=1e-3)
    assert torch.equal(haar.haar_synthesis(coarse, detail)[0, 0, -4:], u[0, 0, -4:])


def test_kernels_that_do_not_work_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_name: str) -> None:
        raise RuntimeError("no C compiler")

    monkeypatch.setattr(haar, "find_spec", lambda _name: True)
    monkeypatch.setattr(importlib, "import_module", fails)
    haar._kernels.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"does not work on meta \(RuntimeError: no C comp"):
            assert haar._kernels(torch.device("meta")) is None
    finally:
        haar._kernels.cache_clear()


def test_kernels_with_wrong_values_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: Any = SimpleNamespace(analyse=haar._analysis, synthesise=lambda coarse, _: 0 * coarse)
    monkeypatch.setattr(haar, "find_spec", lambda _name: True)
    monkeypatch.setattr(importlib, "import_module", lambda _name: wrong)
    haar._kernels.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="does not work on cpu"):
            assert haar._kernels(torch.device("cpu")) is None
        wrong.synthesise = haar._synthesis
        haar._kernels.cache_clear()
        assert haar._kernels(torch.device("cpu")) is wrong
    finally:
        haar._kernels.cache_clear()


class Wrapped(Tensor):
    """Looks like a tensor of a GPU and has no memory there."""

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True


def test_tensors_without_memory_of_their_own_are_left_to_the_plain_form() -> None:
    assert haar._kernels_for(torch.ones(1, 1, 4)) is None
    assert haar._kernels_for(torch.ones(1, 1, 4).as_subclass(Wrapped)) is None
