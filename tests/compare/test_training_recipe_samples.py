"""The samples of a recipe: how states are moved, where they lead, and what error is measured."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.compare.batches import PerturbedBatches, PlainBatches
from wavelit_plugin.compare.grid_data import Units, predecessors, units_of
from wavelit_plugin.compare.request import PLAIN, Recipe, Spend
from wavelit_plugin.compare.training import Training, train
from wavelit_plugin.data.readers import GridData, Pairs
from wavelit_plugin.rollout import rollout
from wavelit_plugin.stability import band_power

TARGETS = ("state", "change")


def units(data: GridData, target: Any) -> Units:
    return units_of(data, target, "cpu")


def samples_of(data: GridData, known: Units) -> PlainBatches:
    x, y = data.train
    samples = (known.encode(x), known.encode_target(x, y))
    return PlainBatches(*samples, F.mse_loss, batch_size=4, seed=5)


class Drift(nn.Module):
    """A wrong model: answers with a fixed share of the state, and remembers its inputs."""

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.fields = fields
        self.share = nn.Parameter(torch.tensor(0.3))
        self.seen: list[tuple[bool, Tensor]] = []

    def forward(self, u: Tensor) -> Tensor:
        self.seen.append((self.training, u))
        return self.share * u[:, : self.fields]


def moved_of(data: GridData, target: Any, recipe: Recipe, model: nn.Module) -> PerturbedBatches:
    known = units(data, target)
    plain = samples_of(data, known)
    return PerturbedBatches(
        plain.x,
        plain.y,
        F.mse_loss,
        batch_size=4,
        earlier=predecessors(data.train),
        units=known,
        recipe=recipe,
        boundary=data.boundary,
        model=model,
        seed=5,
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_state_is_advanced_in_normalised_units_as_in_physical_ones(
    wave_data: GridData, target: str
) -> None:
    known, (x, _) = units(wave_data, target), wave_data.train
    answer = torch.randn(len(x), 3, 16, 16)
    physical = known.decode(x, answer)
    expected = known.encode(torch.cat([physical, x[:, 3:]], dim=1))[:, :3]
    assert_close(known.advance(known.encode(x), answer), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_the_answer_to_a_moved_state_leads_where_the_true_one_leads(
    wave_data: GridData, target: str
) -> None:
    known, (x, y) = units(wave_data, target), wave_data.train
    given, wanted = known.encode(x), known.encode_target(x, y)
    moved = torch.cat([given[:, :3] + torch.randn(len(x), 3, 16, 16), given[:, 3:]], dim=1)
    again = known.same_goal(given, wanted, moved)
    physical = moved * known.x_std + known.x_mean
    # float32, and changes are smaller than states
    assert_close(known.decode(physical, again), y, rtol=1e-4, atol=1e-4)
    assert_close(known.same_goal(given, wanted, given), wanted)


@pytest.mark.parametrize("target", TARGETS)
def test_an_error_in_units_of_the_state_is_that_of_where_the_answer_leads(
    wave_data: GridData, target: str
) -> None:
    known, (x, _) = units(wave_data, target), wave_data.train
    given, (one, two) = known.encode(x), torch.randn(2, len(x), 3, 16, 16).unbind(0)
    apart = known.advance(given, one) - known.advance(given, two)
    assert_close(known.in_state(one - two), apart, rtol=1e-4, atol=1e-5)


def test_the_sample_before_is_found_within_trajectories_only(wave_data: GridData) -> None:
    found = predecessors(wave_data.train)
    # four trajectories of six frames train, so of five samples
    expected = [index if index % 5 == 0 else index - 1 for index in range(20)]
    assert found.tolist() == expected


def test_a_constant_that_differs_begins_a_trajectory() -> None:
    x = torch.zeros(3, 2, 8)
    x[2, 1] = 1.0
    assert predecessors(Pairs(x, x[:, :1])).tolist() == [0, 0, 2]


@pytest.mark.parametrize("target", TARGETS)
def test_noise_moves_every_second_state_and_nothing_else(wave_data: GridData, target: str) -> None:
    moved = moved_of(wave_data, target, Recipe(noise=1.0), Drift(3))
    true = samples_of(wave_data, moved.units)
    for number in range(4):
        index = torch.arange(3) + number
        given, wanted = moved.batch(index, progress=0.9)
        x, y = true.batch(index)
        was_moved = [not torch.equal(*pair) for pair in zip(given, x, strict=True)]
        # none before the first error is known; of batches of three, two of one are noisy in turn
        noisy = [number > 0 and (3 * number + place) % 2 == 1 for place in range(3)]
        assert was_moved == noisy
        assert torch.equal(given[:, 3:], x[:, 3:])
        assert_close(wanted, moved.units.same_goal(x, y, given))
        moved.update(torch.zeros_like(wanted), wanted)


@pytest.mark.parametrize("target", TARGETS)
def test_the_error_is_measured_on_true_states_alone(wave_data: GridData, target: str) -> None:
    moved = moved_of(wave_data, target, Recipe(noise=1.0), Drift(3))
    moved.noise.decay = 0.0
    index, error = torch.arange(6), torch.randn(6, 3, 16, 16)
    for _ in range(2):
        _, wanted = moved.batch(index, progress=0.0)
        # what is answered to noisy states, the odd ones here, is far off
        answer = wanted + error + 1e3 * (torch.arange(6) % 2).view(-1, 1, 1, 1)
        moved.update(answer, wanted)
        expected = band_power(moved.units.in_state(error[::2]), boundary=wave_data.boundary)
        assert_close(moved.noise.power, expected, rtol=1e-3, atol=1e-5)


def test_noise_has_the_amplitude_of_the_recipe(wave_data: GridData) -> None:
    moved = moved_of(wave_data, "change", Recipe(noise=0.5), Drift(3))
    index = torch.arange(20).repeat(30)
    for _ in range(2):
        given, wanted = moved.batch(index, progress=0.0)
        moved.update(wanted + torch.randn_like(wanted), wanted)
    noise = (given - samples_of(wave_data, moved.units).batch(index)[0])[1::2, :3]
    # the variance of 230400 numbers is within 0.3 %, up to five of these, and so is the estimate's
    expected = 0.25 * moved.units.in_state(torch.ones(1, 3, 1, 1)).square().flatten()
    assert_close(noise.var(dim=(0, 2, 3)), expected, rtol=0.03, atol=0.0)


@pytest.mark.parametrize("target", TARGETS)
def test_pushed_states_are_the_models_own_predictions_and_lead_to_the_truth(
    wave_data: GridData, target: str
) -> None:
    model = Drift(3)
    moved = moved_of(wave_data, target, Recipe(push_forward=0.25), model)
    index = torch.tensor([0, 1, 4, 5, 7])
    given, wanted = moved.batch(index, progress=0.75)
    x, y = wave_data.train
    known = moved.units
    for place, sample in enumerate(index.tolist()):
        # 0 and 5 are first frames
        before = None if sample % 5 == 0 else x[sample - 1][None]
        state = x[sample][None, :3]
        if before is not None:
            state = known.decode(before, model(known.encode(before)))
        physical = torch.cat([state, x[sample][None, 3:]], dim=1).detach()
        assert_close(given[place][None], known.encode(physical), rtol=1e-4, atol=1e-4)
        reached = known.decode(physical, wanted[place][None])
        assert_close(reached, y[sample][None], rtol=1e-4, atol=1e-4)
    assert not given.requires_grad
    assert model.seen[0][0] is False
    assert model.training


def test_push_forward_begins_with_its_share_and_noise_goes_on_with_the_last_estimate(
    wave_data: GridData,
) -> None:
    index = torch.tensor([1, 2, 3, 4])
    both, push = (
        moved_of(wave_data, "change", Recipe(noise=noise, push_forward=0.1), Drift(3))
        for noise in (1.0, 0.0)
    )
    true, wanted = samples_of(wave_data, both.units).batch(index)
    both.batch(index, progress=0.0)
    both.update(wanted + 1.0, wanted)
    before, _ = both.batch(index, progress=0.89)
    assert torch.equal(before[0::2], true[0::2])
    assert torch.equal(push.batch(index, progress=0.89)[0], true)
    after, goal = both.batch(index, progress=0.9)
    pushed, _ = push.batch(index, progress=0.9)
    assert all(not torch.equal(*pair) for pair in zip(pushed, true, strict=True))
    assert torch.equal(after[0::2], pushed[0::2])
    assert all(not torch.equal(*pair) for pair in zip(after[1::2], pushed[1::2], strict=True))
    power = both.noise.power
    both.update(goal + 100.0, goal)
    assert torch.equal(both.noise.power, power)


@pytest.mark.parametrize("target", TARGETS)
def test_the_last_step_learns_from_the_input_of_a_roll_out(
    wave_data: GridData, target: str
) -> None:
    """Independent of the units' algebra: the roll-out is that of a comparison."""
    model = Drift(3)
    moved = moved_of(wave_data, target, Recipe(push_forward=0.5), model)
    known, x = moved.units, wave_data.train.x

    def step(u: Tensor) -> Tensor:
        return known.decode(u, model(known.encode(u)))

    rolled = rollout(step, x[:1, None, :3], x[:1, 3:], steps=1)[:, 0]
    given, _ = moved.batch(torch.tensor([1]), progress=1.0)
    expected = known.encode(torch.cat([rolled, x[1:2, 3:]], dim=1))
    assert_close(given, expected, rtol=1e-4, atol=1e-4)


def test_noise_teaches_a_model_to_pull_back_from_where_no_true_state_is() -> None:
    """What the option is for: what never occurs in true states grows unless something damps it.

    True states are uniform and shrink by a tenth. The model has one weight for the mean of a field
    and one for all else, of which it makes a little in every step: nothing but noise trains that.
    """
    generator = torch.Generator().manual_seed(1)
    # eighths, whose mean is exact: AdamW would follow the sign of rounding
    level = torch.randn(64, 1, 1, generator=generator).mul(8).round() / 8
    x = level.expand(-1, -1, 16).contiguous()

    class Modes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean, self.rest = (nn.Parameter(torch.tensor(v)) for v in (0.5, 1.2))

        def forward(self, u: Tensor) -> Tensor:
            mean = u.mean(dim=-1, keepdim=True)
            return self.mean * mean + self.rest * (u - mean) + 0.1 * self.ripple

        ripple = torch.tensor([1.0, -1.0]).repeat(8)

    def rest_after(recipe: Recipe) -> float:
        one = torch.ones(1, 1, 1)
        known = Units(target="state", x_mean=0 * one, x_std=one, y_mean=0 * one, y_std=one)
        model = Modes()
        batches = PerturbedBatches(
            x,
            0.9 * x,
            F.mse_loss,
            batch_size=8,
            earlier=torch.arange(64),
            units=known,
            recipe=recipe,
            boundary=("periodic",),
            model=model,
            seed=0,
        )
        how = Training(spend=Spend(steps=150), learning_rate=0.05)
        train(model, batches, how, report=lambda *_: None)
        return float(model.rest.detach())

    assert rest_after(PLAIN) == pytest.approx(1.2, abs=0.02)  # weight decay alone
    assert abs(rest_after(Recipe(noise=1.0))) < 0.2
