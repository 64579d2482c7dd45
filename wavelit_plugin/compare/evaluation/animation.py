"""The roll-out as an animated GIF: truth, roll-out and error of every field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from wavelit_plugin.compare.evaluation.shown import Shown
from wavelit_plugin.compare.figure import draw_image, error_scale, field_scale
from wavelit_plugin.compare.report.canvas import drawing_style
from wavelit_plugin.files import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANIMATION = "rollout.gif"

_MOST_FRAMES = 100
_MOST_FIELDS = 4
_PER_SECOND = 8
_PANEL = 1.7  # inches
_DPI = 80
_POINTS = 2**20
_COLUMNS = ("truth", "roll-out", "|error|")


def write_animation(folder: Path, shown: Shown) -> Path:
    """Write the GIF, whole or not at all; of a long roll-out every second, third ... step."""
    from matplotlib.animation import PillowWriter

    steps = len(shown.truth)
    stride = -(-steps // _MOST_FRAMES)
    path = folder / ANIMATION
    with drawing_style(), whole(path) as draft:
        figure, panels = _set_up(shown)
        writer = PillowWriter(fps=_PER_SECOND)
        with writer.saving(figure, str(draft), _DPI):
            for step in range(0, steps, stride):
                for (field, column), panel in panels.items():
                    panel.show(_values(shown, step, field)[column])
                figure.suptitle(f"step {step + 1} of {steps}")
                writer.grab_frame(facecolor="#ffffff")
    return path


class _Panel:
    """A field as an image, or as a line where there is one space axis."""

    def __init__(self, ax: Any, first: Tensor, scale: tuple[str, float, float]) -> None:
        cmap, low, high = scale
        self._line = first.ndim == 1
        if self._line:
            (self._artist,) = ax.plot(first.numpy(), lw=1.0)
            ax.set_ylim(low, high)
            ax.set_xticks([])
        else:
            ax.grid(visible=False)
            ax.spines[:].set_visible(False)
            self._artist = draw_image(ax, first, cmap=cmap, low=low, high=high)

    def show(self, values: Tensor) -> None:
        """Show the values of another step."""
        if self._line:
            self._artist.set_ydata(values.numpy())
        else:
            self._artist.set_data(values.T.numpy())


def _set_up(shown: Shown) -> tuple[Figure, dict[tuple[int, int], _Panel]]:
    """Return the figure with a row a field, and its panels by field and column."""
    from matplotlib.figure import Figure

    rows = min(len(shown.fields), _MOST_FIELDS)
    figure = Figure(figsize=(_PANEL * 3 + 0.4, _PANEL * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, len(_COLUMNS), squeeze=False)
    panels = {}
    for field in range(rows):
        truth, error = shown.truth[:, field], (shown.prediction - shown.truth)[:, field].abs()
        scale = field_scale(truth)
        scales = (scale, scale, ("magma", 0.0, error_scale([_thinned(error)])))
        for column, values in enumerate(_values(shown, 0, field)):
            panels[field, column] = _Panel(axes[field, column], values, scales[column])
        axes[field, 0].set_ylabel(shown.fields[field])
    for ax, title in zip(axes[0], _COLUMNS, strict=True):
        ax.set_title(title)
    return figure, panels


def _values(shown: Shown, step: int, field: int) -> tuple[Tensor, Tensor, Tensor]:
    truth, rolled = (_cut(u[step, field]) for u in (shown.truth, shown.prediction))
    return truth, rolled, (rolled - truth).abs()


def _cut(u: Tensor) -> Tensor:
    """Of three axes the middle plane."""
    return u[..., u.shape[-1] // 2] if u.ndim == 3 else u


def _thinned(u: Tensor) -> Tensor:
    """Return points enough for a quantile; an odd stride meets every column of a grid."""
    flat = u.flatten()
    return flat[:: max(1, len(flat) // _POINTS) | 1]
