"""The picture: which panels there are, and that their colours can be compared."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure
from torch import Tensor

from wavelit_plugin.compare import figure as module
from wavelit_plugin.compare.figure import rollout_figure, write_figure
from wavelit_plugin.errors import HostError

Sample = dict[str, Any]


@pytest.fixture
def truth() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 11, 3, 8, 6, generator=generator)


def off_by(truth: Tensor, amount: float) -> Sample:
    return {"fields": ["pressure", "u", "v"], "truth": truth, "prediction": truth + amount}


def panels(figure: Figure) -> dict[tuple[int, str], object]:
    """Images by row and column title; colour bars have no images of fields."""
    axes = [ax for ax in figure.axes if ax.images]
    titles = [ax.get_title() for ax in axes[:5]]
    return {(i // 5, titles[i % 5]): ax.images[0] for i, ax in enumerate(axes)}


def test_each_time_shows_truth_predictions_and_errors(truth: Tensor) -> None:
    samples = {"A": off_by(truth, 0.5), "B": off_by(truth, 2.0)}
    found = panels(rollout_figure(samples))
    columns = ("truth", "A", "B", "|error| of A", "|error| of B")
    assert list(found) == [(row, title) for row in range(3) for title in columns]


def test_panels_show_the_values_of_the_time_in_their_row(truth: Tensor) -> None:
    samples = {"A": off_by(truth, 0.5), "B": off_by(truth, 2.0)}
    found = panels(rollout_figure(samples))
    for row, time in enumerate((1, 5, 10)):
        shown = torch.as_tensor(found[row, "truth"].get_array())  # type: ignore[attr-defined]
        torch.testing.assert_close(shown, truth[0, time, 0].T, rtol=0, atol=0)
        error = torch.as_tensor(found[row, "|error| of B"].get_array())  # type: ignore[attr-defined]
        # rounding of truth + 2 - truth in float32
        torch.testing.assert_close(error, torch.full((6, 8), 2.0), rtol=0, atol=1e-6)


def test_a_row_has_one_scale_for_fields_and_one_for_errors(truth: Tensor) -> None:
    samples = {"A": off_by(truth, 0.5), "B": off_by(truth, 2.0)}
    found = panels(rollout_figure(samples))
    for row in range(3):
        fields = {found[row, name].get_clim() for name in ("truth", "A", "B")}  # type: ignore[attr-defined]
        errors = {found[row, f"|error| of {name}"].get_clim() for name in ("A", "B")}  # type: ignore[attr-defined]
        ((low, high),) = fields
        assert low == -high  # zero is the middle of the colours
        assert len(errors) == 1
        assert errors.pop()[0] == 0.0


def test_short_trajectories_show_the_times_they_have(truth: Tensor) -> None:
    figure = rollout_figure({"A": off_by(truth[:, :6], 1.0)})
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel().startswith("step")]
    assert labels == ["step 1", "step 5"]


def test_the_file_is_a_png_and_nothing_else_is_left(truth: Tensor, tmp_path: Path) -> None:
    write_figure(rollout_figure({"A": off_by(truth, 1.0)}), tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_error_names_the_extra(
    truth: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(HostError, match=r"install wavelit-plugin\[report\]"):
        rollout_figure({"A": off_by(truth, 1.0)})
