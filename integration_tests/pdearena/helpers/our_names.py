"""A pytest plugin: PDEArena's tests/test_pdemodel.py with our models, a criterion of ours among.

Its lists of names, criteria, histories and roll-outs are written out in the file; here they are
replaced, on the way to pytest, by a part that takes a minute instead of hours. In 2-D: every
criterion and kind of field, with the shortest history and roll-out and with the longest. In 3-D
the longest of both with a criterion of ours: 24 calls of the model on eight 32x32x32 boxes.
The functions run as they are, without gradients: they never go backwards, and so many graphs do
not fit into the memory of a small machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

OURS = {
    "test_2d_pde_model": ["waveliT"],
    "test_3d_pde_model": ["waveliT-Maxwell3D"],
}
CRITERIA = ["mse", "scaledl2", "wavelet", "wavelet+scaledl2"]


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Replace the lists of the host's marks."""
    names = OURS.get(metafunc.function.__name__)
    if names is None:
        return
    replaced = {"name": names, "train_criterion": CRITERIA}
    marks = [mark for mark in metafunc.definition.own_markers if mark.name == "parametrize"]
    for mark in marks:
        values = replaced.get(mark.args[0])
        if values is not None:
            mark.args[1][:] = values


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the part that is named above, and of 3-D the longest history only."""
    items[:] = [item for item in items if _kept(item)]


def _kept(item: pytest.Item) -> bool:
    values = item.callspec.params  # type: ignore[attr-defined]  # all are parametrised
    sizes = (values["time_history"], values["max_num_steps"])
    if item.originalname == "test_2d_pde_model":  # type: ignore[attr-defined]
        return sizes in {(1, 4), (4, 8)}
    ours = values["train_criterion"] == "wavelet+scaledl2"
    return item.originalname in OURS and ours and sizes == (4, 8)  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with torch.no_grad():
        return (yield)
