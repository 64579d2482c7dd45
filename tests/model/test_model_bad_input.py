"""Input that the model cannot take: one clear error, and nothing is learnt from it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from wavelit_plugin.errors import ShapeError
from wavelit_plugin.model import WaveLiT, WaveLiTConfig

Tiny = Callable[..., WaveLiTConfig]
# the run-time shape check would answer before our own errors do
pytestmark = pytest.mark.usefixtures("without_shape_check")

BAD = [
    (torch.zeros(2, 4, 4), "with 2 space axes, that is 4 axes in all, got shape (2, 4, 4)"),
    (torch.zeros(1, 2, 4, 4, 4), "got shape (1, 2, 4, 4, 4)"),
    (torch.zeros(4), "got shape (4,)"),
    (torch.zeros(1, 3, 4, 4), "must have 2 channels on axis 1, got 3"),
    (torch.zeros(1, 2, 4, 0), "axis of input needs at least one point, got shape (1, 2, 4, 0)"),
    (torch.zeros(1, 2, 4, 4, dtype=torch.int64), "got torch.int64; call .float()"),
    (torch.zeros(1, 2, 4, 4, dtype=torch.bool), "got torch.bool; call .float()"),
    (torch.zeros(1, 2, 4, 4, dtype=torch.float64), "the input is torch.float64 and the model"),
    (torch.zeros(1, 2, 4, 4, dtype=torch.complex64), "got torch.complex64; pass real and"),
    (np.zeros((1, 2, 4, 4)), "input must be a torch tensor, got a numpy array"),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("u", "message"), BAD, ids=[message for _, message in BAD])
def test_an_input_that_does_not_fit_is_refused(
    u: Any, message: str, training: bool, tiny: Tiny
) -> None:
    model = WaveLiT(tiny()).train()
    model.fit_statistics([torch.randn(2, 2, 4, 4)])
    before = {name: value.clone() for name, value in model.named_buffers()}
    with pytest.raises(ShapeError) as caught:
        model.train(training)(u)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    for name, value in model.named_buffers():
        assert_close(value, before[name], rtol=0.0, atol=0.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_cast_to_half_precision_says_what_to_do_instead(
    dtype: torch.dtype, tiny: Tiny
) -> None:
    model = WaveLiT(tiny()).to(dtype).eval()
    for given in (dtype, torch.float32):
        with pytest.raises(ShapeError, match="its weights cannot be half precision"):
            model(torch.zeros(1, 2, 4, 4, dtype=given))


def test_an_empty_batch_gives_an_empty_prediction(tiny: Tiny) -> None:
    model = WaveLiT(tiny(pyramid_scales=2))
    assert model.eval()(torch.zeros(0, 2, 4, 4)).shape == (0, 1, 4, 4)
    assert model.train()(torch.zeros(0, 2, 4, 4)).shape == (0, 1, 4, 4)
    assert int(model.normalizer.inputs.samples) == 0
