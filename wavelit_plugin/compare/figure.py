"""The picture of a comparison: truth, every roll-out and every error map at a few times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from wavelit_plugin.errors import HostError
from wavelit_plugin.files import whole
from wavelit_plugin.metrics import vrmse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES = (1, 5, 10)
"""Roll-out steps that are shown."""

_PANEL = 2.3  # inches
_DPI = 110


def check_figure() -> None:
    """Raise HostError if figures cannot be drawn; ask before a long computation."""
    if find_spec("matplotlib") is None:
        raise HostError(
            "figures need matplotlib, which is not installed; install wavelit-plugin[report]"
        )


def rollout_figure(
    samples: Mapping[str, Mapping[str, Any]], *, trajectory: int = 0, channel: int = 0
) -> Figure:
    """Return a figure with a row a time and the columns truth, roll-outs, error maps.

    All fields of a row share one colour scale, symmetric about zero where the sign changes; all
    error maps of a row share another. The VRMSE of the shown field stands under each error map.

    Args:
        samples: of each operator to show, in order, by its name; see ``runs.samples_path``.
        trajectory: index of the test trajectory.
        channel: index of the field.

    Raises:
        HostError: matplotlib is not installed.
    """
    check_figure()
    from matplotlib.figure import Figure

    sample = next(iter(samples.values()))
    times = [time for time in TIMES if time < sample["truth"].shape[1]]
    columns = 1 + 2 * len(samples)
    figure = Figure(
        figsize=(_PANEL * (columns + 1), _PANEL * len(times) + 0.8), layout="constrained"
    )
    axes = figure.subplots(len(times), columns, squeeze=False)
    figure.suptitle(
        f"{sample['fields'][channel]} rolled out from step 0, test trajectory {trajectory}"
    )
    for row, time in zip(axes, times, strict=True):
        truth = sample["truth"][trajectory, time, channel]
        predictions = [one["prediction"][trajectory, time, channel] for one in samples.values()]
        _draw_row(figure, row, truth, predictions)
        row[0].set_ylabel(f"step {time}")
    titles = ["truth", *samples, *(f"|error| of {name}" for name in samples)]
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title)
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with whole(path) as draft:
        figure.savefig(draft, format="png", dpi=_DPI)


def field_scale(truth: Tensor) -> tuple[str, float, float]:
    """Return colours and limits for a field: symmetric about zero where its sign changes."""
    low, high = float(truth.min()), float(truth.max())
    if low < 0 < high:
        size = max(-low, high)
        return "RdBu_r", -size, size
    return "viridis", low, high if high > low else low + 1.0


def error_scale(maps: Sequence[Tensor]) -> float:
    """Return the largest 99.5 % point of error maps: single hot pixels would darken the rest."""
    points = [float(part.quantile(0.995)) for e in maps if (part := e[e.isfinite()]).numel()]
    return max(points, default=0.0) or 1.0


def draw_image(ax: Any, u: Tensor, *, cmap: str, low: float, high: float, **how: Any) -> Any:
    """Draw a plane without ticks: its first axis points right, its second up."""
    ax.set_xticks([])
    ax.set_yticks([])
    return ax.imshow(u.T.cpu().numpy(), cmap=cmap, vmin=low, vmax=high, origin="lower", **how)


def _draw_row(figure: Figure, row: Any, truth: Tensor, predictions: Sequence[Tensor]) -> None:
    """Draw truth, predictions and errors of one time, with one colour bar for each kind."""
    fields, errors = row[: len(predictions) + 1], row[len(predictions) + 1 :]
    cmap, low, high = field_scale(truth)
    for ax, u in zip(fields, (truth, *predictions), strict=True):
        image = draw_image(ax, u, cmap=cmap, low=low, high=high)
    figure.colorbar(image, ax=list(fields), fraction=0.05, pad=0.01)
    maps = [(prediction - truth).abs() for prediction in predictions]
    high = error_scale(maps)
    for ax, e, prediction in zip(errors, maps, predictions, strict=True):
        image = draw_image(ax, e, cmap="magma", low=0.0, high=high)
        ax.set_xlabel(f"VRMSE {float(vrmse(prediction[None, None], truth[None, None])):.2f}")
    figure.colorbar(image, ax=list(errors), fraction=0.05, pad=0.01, extend="max")
