"""Errors of predictors whose errors are known beforehand."""

import torch
from torch.testing import assert_close

from wavelit_plugin.compare.evaluate import evaluate, one_step_error, persistence
from wavelit_plugin.compare.records import Trajectories
from wavelit_plugin.shapes import Field


def decaying_trajectories() -> Trajectories:
    """Fields that lose half of themselves each step; the constants are all 0.5."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 1, 2, 8, 8, dtype=torch.float64, generator=generator)
    powers = 0.5 ** torch.arange(6, dtype=torch.float64)
    constants = torch.full((3, 1, 8, 8), 0.5, dtype=torch.float64)
    return Trajectories(
        fields=("a", "b"), truth=start * powers[:, None, None, None], constants=constants
    )


def decay(u: Field) -> Field:
    """The exact step; right only if fields come first and the constant last."""
    return u[:, :2] * u[:, 2:]


def test_the_exact_step_has_no_error() -> None:
    errors, prediction = evaluate(decay, decaying_trajectories())
    assert prediction.shape == (3, 5, 2, 8, 8)
    # products with 0.5 are exact in binary
    assert errors["one_step"] == 0.0
    assert errors["rollout"] == (0.0,) * 5


def test_persistence_errs_by_what_changed() -> None:
    """Frame t is 2^-t u, so predicting u errs by (1 - 2^-t) u against the deviation 2^-t std(u)."""
    test = decaying_trajectories()
    errors, _ = evaluate(persistence(2), test)
    u = test.truth[:, 0].flatten(2)
    one = (u.square().mean(2).sqrt() / u.std(2)).mean()  # the error of one whole field
    expected = [float(one) * (2**t - 1) for t in range(1, 6)]
    # 1e-5: the floor 1e-7 in the variance, which falls to 1e-3 here
    assert_close(torch.tensor(errors["rollout"]), torch.tensor(expected), rtol=1e-4, atol=0.0)
    assert_close(errors["one_step"], float(one), rtol=1e-4, atol=0.0)


def test_the_one_step_error_does_not_depend_on_the_batch() -> None:
    """120 inputs are predicted in batches of 32, the last one shorter."""
    test = decaying_trajectories()
    many = Trajectories(
        fields=test.fields,
        truth=test.truth.repeat(8, 1, 1, 1, 1),
        constants=test.constants.repeat(8, 1, 1, 1),
    )
    step = persistence(2)
    # 1e-12: only the order of the sums differs
    assert_close(one_step_error(step, many), one_step_error(step, test), rtol=1e-12, atol=0.0)
