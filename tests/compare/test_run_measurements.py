"""Units, errors, spectra and costs of one run, against other ways to compute them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.compare.cost import forward_flops, inference_seconds, step_bytes
from wavelit_plugin.compare.evaluate import one_step_error
from wavelit_plugin.compare.evaluate import roll_out as roll_out_directly
from wavelit_plugin.compare.grid_data import Target, facts, relative_change, units_of
from wavelit_plugin.compare.measure import (
    one_step_errors,
    roll_out,
    rolled_trajectories,
    samples,
    validation_error,
)
from wavelit_plugin.compare.shells import Shells
from wavelit_plugin.data.readers import GridData, Pairs
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.metrics import relative_l2, vrmse
from wavelit_plugin.model import WaveLiT, WaveLiTConfig


def static(data: GridData) -> GridData:
    return replace(data, continues=False, trajectories=None)


def halved(u: Tensor) -> Tensor:
    """A predictor with fields as outputs."""
    return 0.5 * u[:, :3]


@pytest.mark.parametrize("target", ["state", "change"])
def test_decoding_undoes_encoding(wave_data: GridData, target: Target) -> None:
    units, (x, y) = units_of(wave_data, target, "cpu"), wave_data.test
    # float32, through a division and a multiplication by about the same number
    assert_close(units.decode(x, units.encode_target(x, y)), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["state", "change"])
def test_operators_see_channels_of_mean_0_and_deviation_1(
    wave_data: GridData, target: Target
) -> None:
    units, (x, y) = units_of(wave_data, target, "cpu"), wave_data.train
    seen = [units.encode(x)] + ([units.encode_target(x, y)] if target == "change" else [])
    for part in seen:
        std, mean = torch.std_mean(part.double(), dim=(0, 2, 3), correction=0)
        # the fourth, the density of this medium, is the same everywhere: it stays 0
        expected = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0])[: len(std)].double()
        assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)  # float32
        assert_close(std, expected, atol=1e-5, rtol=0)


def test_units_come_from_training_data_alone(wave_data: GridData) -> None:
    other = Pairs(wave_data.test.x * 100, wave_data.test.y * 100)
    changed = replace(wave_data, valid=other, test=other)
    for target in ("state", "change"):
        one, two = (units_of(data, target, "cpu") for data in (wave_data, changed))
        assert torch.equal(one.x_mean, two.x_mean)
        assert torch.equal(one.y_std, two.y_std)


def test_a_next_state_is_in_the_units_of_the_state_so_that_repeating_it_is_exact(
    wave_data: GridData,
) -> None:
    units, x = units_of(wave_data, "state", "cpu"), wave_data.test.x
    assert_close(units.decode(x, units.encode(x)[:, :3]), x[:, :3], rtol=1e-5, atol=1e-6)


def test_a_constant_channel_becomes_zero_and_not_nan(wave_data: GridData) -> None:
    x = wave_data.train.x.clone()
    x[:, 3] = 0.1
    units = units_of(replace(wave_data, train=Pairs(x, wave_data.train.y)), "state", "cpu")
    assert float(units.encode(x)[:, 3].abs().max()) < 1e-6


def test_static_data_have_no_change(wave_data: GridData) -> None:
    assert relative_change(static(wave_data)) is None
    with pytest.raises(ConfigError, match="no change to predict; use --predict state"):
        units_of(static(wave_data), "change", "cpu")


def test_data_that_differ_anywhere_have_another_fingerprint(
    wave_data: GridData, tmp_path: object
) -> None:
    from pathlib import Path

    source = Path("waves")
    before = facts(wave_data, source)["fingerprint"]
    assert facts(wave_data, Path("elsewhere/waves")) == facts(wave_data, source)
    y = wave_data.test.y.clone()
    y[-1, -1, -1, -1] += 1
    changed = replace(wave_data, test=Pairs(wave_data.test.x, y))
    assert facts(changed, source)["fingerprint"] != before


def test_one_step_errors_are_the_metrics_of_all_test_samples(wave_data: GridData) -> None:
    found = one_step_errors(halved, wave_data, lambda u: u, device="cpu")
    x, y = wave_data.test
    by_field = vrmse(halved(x), y).mean(dim=0)
    assert found["one_step"] == pytest.approx(float(by_field.mean()), rel=1e-5)
    assert list(found["fields"]) == ["pressure", "velocity_x", "velocity_y"]
    assert list(found["fields"].values()) == pytest.approx(by_field.tolist(), rel=1e-5)
    assert found["relative_l2"] == pytest.approx(float(relative_l2(halved(x), y).mean()), rel=1e-5)


def test_one_step_errors_and_rollouts_are_those_of_the_demonstration(wave_data: GridData) -> None:
    test = rolled_trajectories(wave_data)
    assert test is not None
    found = one_step_errors(halved, wave_data, lambda u: u, device="cpu")
    assert found["one_step"] == pytest.approx(one_step_error(halved, test), rel=1e-5)
    errors, shown = roll_out(halved, test, "cpu")
    assert len(errors) == 5
    assert_close(shown, roll_out_directly(halved, test))
    assert_close(shown[:, -1], test.truth[:, 0] * 0.5**5)


def test_validation_looks_at_validation_data_alone(wave_data: GridData) -> None:
    x, y = wave_data.valid
    expected = float(vrmse(halved(x), y).mean())
    assert validation_error(halved, wave_data.valid, "cpu") == pytest.approx(expected, rel=1e-5)


def test_an_error_that_is_not_finite_is_none(wave_data: GridData) -> None:
    def infinite(u: Tensor) -> Tensor:
        return u[:, :3] * math.inf

    found = one_step_errors(infinite, wave_data, lambda u: u, device="cpu")
    assert found["one_step"] is None
    assert set(found["fields"].values()) == {None}
    assert found["spectrum"]["truth"][1] is not None
    assert set(found["spectrum"]["prediction"]) == {None}


def test_shown_fields_begin_with_the_truth(wave_data: GridData) -> None:
    test = rolled_trajectories(wave_data)
    assert test is not None
    _, rolled = roll_out(halved, test, "cpu")
    kept = samples(halved, wave_data, rolled, device="cpu")
    truth, prediction = kept["truth"], kept["prediction"]
    assert isinstance(truth, Tensor)
    assert isinstance(prediction, Tensor)
    assert truth.shape == prediction.shape == (2, 6, 3, 16, 16)
    assert torch.equal(truth[:, 0], prediction[:, 0])


def test_shown_fields_of_static_data_are_samples(wave_data: GridData) -> None:
    kept = samples(halved, static(wave_data), None, device="cpu")
    assert {"input", "truth", "prediction"} < set(kept)
    assert len(kept["truth"]) == 2


@pytest.mark.parametrize(
    "boundary", [("periodic", "periodic"), ("open", "periodic"), ("wall", "wall")]
)
def test_the_shells_hold_the_energy_of_a_smooth_field(
    boundary: tuple[str, ...], rng: torch.Generator
) -> None:
    size = (12, 16)
    u = torch.randn(2, 3, *size, generator=rng, dtype=torch.float64)
    for axis, name in enumerate(boundary, start=2):
        # the waves that the axis has, cut off so that no corner is met
        u = _smooth(u, axis, mirrored=name != "periodic")
    energy = Shells(size, boundary, device="cpu").energy(u)
    assert_close(energy.sum(), u.square().mean(dim=(2, 3)).sum(), rtol=1e-10, atol=0)  # Parseval


def _smooth(u: Tensor, axis: int, *, mirrored: bool) -> Tensor:
    """Keep waves of number 3 and below along an axis."""
    points = u.shape[axis]
    whole = torch.cat([u, u.flip(axis)], dim=axis) if mirrored else u
    waves = torch.fft.rfft(whole, dim=axis)
    kept = 6 if mirrored else 3
    waves.narrow(axis, kept + 1, waves.shape[axis] - kept - 1).zero_()
    return torch.fft.irfft(waves, n=whole.shape[axis], dim=axis).narrow(axis, 0, points)


@pytest.mark.parametrize("waves", [0, 1, 3, 7])
def test_a_wave_is_in_the_shell_of_its_number(waves: int) -> None:
    x = torch.arange(16, dtype=torch.float64) / 16
    u = torch.cos(2 * torch.pi * waves * x)[None, None, :, None].expand(1, 1, 16, 16)
    energy = Shells((16, 16), ("periodic",) * 2, device="cpu").energy(u)
    assert int(energy.argmax()) == waves
    assert_close(energy[waves], u.square().mean())


def test_a_ramp_between_open_ends_has_no_short_waves() -> None:
    ramp = (torch.arange(32, dtype=torch.float64) / 32)[None, None]
    mirrored = Shells((32,), ("open",), device="cpu").energy(ramp)
    wrapped = Shells((32,), ("periodic",), device="cpu").energy(ramp)
    # a jump falls with 1/k^2, the kink of the mirror image with 1/k^4
    assert float(mirrored[12]) < 0.05 * float(wrapped[12])


def test_costs_of_a_convolution_are_those_that_are_known() -> None:
    model = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    x, y = torch.randn(4, 2, 8, 8), torch.randn(4, 3, 8, 8)
    assert forward_flops(model, x) == 2 * 8 * 8 * 3 * 2 * 9
    assert inference_seconds(model, x) > 0
    answer = 4 * y.numel()
    # at least the answer and its gradient, and not a hundred of them
    assert 2 * answer <= step_bytes(model, x, y, nn.functional.mse_loss) < 100 * answer
    assert all(parameter.grad is None for parameter in model.parameters())


def test_operations_of_wavelit_are_those_of_its_blocks_and_a_rest() -> None:
    def count(depth: int) -> float:
        config = WaveLiTConfig(in_channels=2, out_channels=1, width=8, heads=1, depth=depth)
        with torch.no_grad():  # as costs are measured
            return forward_flops(WaveLiT(config), torch.randn(1, 2, 16, 16)) or 0.0

    rest, block = count(1), count(2) - count(1)
    assert rest > block > 0
    assert count(4) == rest + 3 * block


def test_what_torch_counts_no_operations_of_has_none() -> None:
    assert forward_flops(nn.Identity(), torch.zeros(1, 1, 4)) is None
