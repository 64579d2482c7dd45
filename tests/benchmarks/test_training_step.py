"""What a benchmark of a step holds in a batch, and what it counts as an operation."""

import pytest
import torch

from benchmarks.harness import operations_count
from benchmarks.training_step import batch_of


@pytest.mark.parametrize(
    ("size", "ndim", "expected"), [(64, 2, 8), (256, 2, 8), (512, 2, 2), (1024, 2, 1), (128, 3, 1)]
)
def test_large_fields_come_in_small_batches(size: int, ndim: int, expected: int) -> None:
    assert batch_of(size, ndim, most=8) == expected


def test_views_and_allocations_are_no_operations() -> None:
    u, place = torch.ones(2, 3), torch.zeros(3, 2)

    def call() -> None:
        torch.empty(4)
        place.copy_(u.T).add_(1.0)

    assert operations_count(call) == 2
