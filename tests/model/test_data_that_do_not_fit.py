"""Data that do not fit what a model has learned are noticed: one warning, which says what to do."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from wavelit_plugin.metrics import vrmse
from wavelit_plugin.model import WaveLiT, WaveLiTConfig
from wavelit_plugin.model.monitor import Monitor

Step = Callable[..., WaveLiT]
Tiny = Callable[..., WaveLiTConfig]
Batch = tuple[Tensor, Tensor]
BATCH, STEPS = 32, 8  # 256 samples


def data(rng: torch.Generator, scale: float = 1.0, offset: float = 0.0) -> list[Batch]:
    u, change = torch.randn(2, STEPS, BATCH, 1, 16, generator=rng)
    return [
        (scale * v + offset, scale * (0.9 * v + 0.3 * w) + offset)
        for v, w in zip(u, change, strict=True)
    ]


def train(model: WaveLiT, step: Step, batches: list[Batch]) -> None:
    for u, target in batches:
        step(model, u, target=target)


@pytest.fixture
def model(tiny: Tiny) -> WaveLiT:
    return WaveLiT(tiny(in_channels=1, ndim=1))


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (1000.0, 0.0, "input channel 0 is 9.8e+02 off"),
        (1.0, 5e4, "input channel 0 is 5e+04 off"),
        (1e-3, 0.0, "input channel 0 is 0.0"),
    ],
)
def test_data_in_other_units_are_said_once(
    scale: float, offset: float, expected: str, model: WaveLiT, step: Step, rng: torch.Generator
) -> None:
    train(model, step, data(rng))
    other = data(rng, scale, offset)
    with pytest.warns(UserWarning, match=r"the training data do not fit .*") as caught:
        train(model, step, other)
    (said,) = [str(one.message) for one in caught]
    assert expected in said
    assert "call reset_running_stats() before training or fit_statistics(loader)" in said
    train(model, step, other)  # a second warning would be an error


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_data_of_about_the_same_size_are_not(
    scale: float, model: WaveLiT, step: Step, rng: torch.Generator
) -> None:
    train(model, step, data(rng))
    train(model, step, data(rng, scale, 1.0))  # a warning would be an error, here and below
    model.eval()(data(rng, scale)[0][0])


def test_a_loaded_model_is_compared_as_a_trained_one(
    model: WaveLiT, step: Step, rng: torch.Generator
) -> None:
    train(model, step, data(rng))
    loaded = WaveLiT(model.config)
    loaded.load_state_dict(model.state_dict())
    with pytest.warns(UserWarning, match="the training data do not fit"):
        train(loaded, step, data(rng, 100.0))


def test_sorted_data_are_noticed(model: WaveLiT, step: Step, rng: torch.Generator) -> None:
    """Its statistics are those of the first 256 samples, and the later ones are far larger."""
    train(model, step, data(rng))
    later = [batch for scale in (2.0, 20.0, 200.0, 200.0, 200.0) for batch in data(rng, scale)]
    with pytest.warns(UserWarning, match="the training data do not fit"):
        train(model, step, later)


def test_the_change_of_the_output_is_compared_too(
    model: WaveLiT, step: Step, rng: torch.Generator
) -> None:
    train(model, step, data(rng))
    with pytest.warns(UserWarning, match="do not fit .*: change of output channel 0 is"):
        train(model, step, [(u, u + 100 * torch.randn_like(u)) for u, _ in data(rng)])


def test_conditions_in_other_units_are_noticed(
    tiny: Tiny, step: Step, rng: torch.Generator
) -> None:
    model = WaveLiT(tiny(in_channels=1, ndim=1, conditions=1))
    for factor, batches in ((1.0, data(rng) * 5), (1e3, data(rng))):
        if factor > 1:
            model.normalizer._monitor = Monitor()  # a later look
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for u, target in batches:
                condition = factor * torch.randn(len(u), 1, generator=rng)
                step(model, u, condition, target=target)
        said = [str(one.message) for one in caught]
        assert [("condition 0 is 1e+03 off" in one) for one in said] == [True] * (factor > 1)


def test_a_beginning_of_zeros_teaches_nothing_and_is_said(
    model: WaveLiT, step: Step, rng: torch.Generator
) -> None:
    zeros = [(torch.zeros(BATCH, 1, 16), torch.zeros(BATCH, 1, 16))] * STEPS
    with pytest.warns(UserWarning, match="nothing varies in the first 256 training samples"):
        train(model, step, zeros)
    assert int(model.normalizer.inputs.samples) == 0
    train(model, step, data(rng, 5.0))
    assert float(model.normalizer.input_scale[0, 0]) == pytest.approx(5.0, rel=0.1)


@pytest.mark.parametrize("scale", [1e3, 1e-3])
def test_an_evaluation_in_other_units_is_noticed(
    scale: float, model: WaveLiT, step: Step, rng: torch.Generator
) -> None:
    model.eval()(data(rng, scale)[0][0])  # nothing is known yet
    train(model, step, data(rng))
    with pytest.warns(UserWarning, match="the evaluated data do not fit"):
        model.eval()(data(rng, scale)[0][0])
    model(data(rng, scale)[0][0])


def test_a_first_frame_that_is_quiet_in_one_field_fits(
    tiny: Tiny, step: Step, rng: torch.Generator
) -> None:
    """As waves begin with a pressure and no velocity."""
    model = WaveLiT(tiny(in_channels=2, out_channels=2, ndim=1))
    u = torch.randn(256, 2, 16, generator=rng)
    step(model, u, target=0.9 * u + 0.3 * torch.randn(u.shape, generator=rng))
    model.eval()(u[:1] * torch.tensor([[1.0], [1e-4]]))  # a warning would be an error


def test_an_unknown_scale_of_the_output_is_said_once(
    model: WaveLiT, step: Step, rng: torch.Generator
) -> None:
    (u, target), *_ = data(rng)
    with pytest.warns(UserWarning, match="the scale of the output is not known"):
        step(model, u)
    step(model, u)
    fitted = WaveLiT(model.config)
    fitted.fit_statistics([(u, target)])
    step(fitted, u)


def test_looks_become_rare(model: WaveLiT) -> None:
    """Each makes a GPU wait: 4 blocks of the first 8, and one in each doubling from then on."""
    monitor, blocks = Monitor(), []
    for block in range(64):
        monitor.looked = 256 * block
        if monitor.looking:
            blocks.append(block)
    assert blocks == [0, 1, 2, 4, 8, 16, 32]


def test_after_forgetting_other_units_are_learned_as_well_as_from_scratch(
    tiny: Tiny, rng: torch.Generator
) -> None:
    torch.manual_seed(0)
    model = WaveLiT(tiny(in_channels=1, ndim=1, width=16))
    u = torch.randn(64, 1, 32, generator=rng).cumsum(-1)
    target = u.roll(1, -1)
    first = trained(model, u, target)
    with pytest.warns(UserWarning, match="the training data do not fit"):
        wrong = trained(copy_of(model), 1000 * u + 5e4, 1000 * target + 5e4)
    model.reset_running_stats()
    right = trained(model, 1000 * u + 5e4, 1000 * target + 5e4)
    assert right < first < wrong


def copy_of(model: WaveLiT) -> WaveLiT:
    copied = WaveLiT(model.config)
    copied.load_state_dict(model.state_dict())
    return copied


def trained(model: WaveLiT, u: Tensor, target: Tensor) -> float:
    optimizer = torch.optim.AdamW(model.train().parameters(), 3e-3)
    for index in range(40):
        part = slice(8 * (index % 7), 8 * (index % 7) + 8)
        optimizer.zero_grad()
        vrmse(model(u[part], target=target[part]), target[part]).mean().backward()
        optimizer.step()
    with torch.no_grad():
        return float(vrmse(model.eval()(u[56:]), target[56:]).mean())
