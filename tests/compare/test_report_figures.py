"""The figures: what is drawn is what was recorded, and it stays apart."""

import math
import runpy
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from wavelit_plugin.compare.report.canvas import Picture, drawing_style, log_ticks
from wavelit_plugin.compare.report.figures import DRAWERS, draw
from wavelit_plugin.compare.report.labels import Box, beside, spread
from wavelit_plugin.compare.report.palette import DARK, LIGHT, looks
from wavelit_plugin.compare.report.panels import cut
from wavelit_plugin.compare.report.scene import Scene, load_scene
from wavelit_plugin.compare.report.vector import render
from wavelit_plugin.compare.runs import samples_path

MADE = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("made_up_comparison.py"))))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return load_scene(MADE.five_operators(tmp_path_factory.mktemp("comparison")))


def scene_of(folder: Path, *made: Any, steps: int | None = 20) -> Scene:
    runs = [run for one in made for run in MADE.runs_of(one, seeds=3, steps=steps)]
    return load_scene(MADE.write_comparison(folder, runs))


def named(pictures: Sequence[Picture], name: str) -> Any:
    (found,) = (picture for picture in pictures if picture.name == name)
    return found.figure


def drawn_lines(figure: Any, colour: str) -> list[tuple[Any, Any]]:
    """Data of the lines of a colour in the first axes, without connectors of names."""
    (ax, *_) = figure.axes
    lines = [line for line in ax.lines if line.get_color() == colour]
    lines = [line for line in lines if line.get_transform() == ax.transData]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in lines]


def test_the_roll_out_is_the_mean_over_the_seeds(scene: Scene) -> None:
    figure = named(DRAWERS["rollouts"](scene), "rollout")
    for row in scene.rows:
        seeds = [run.metrics["rollout"] for run in row.runs]
        mean = [sum(step) / len(step) for step in zip(*seeds, strict=True)]
        look = scene.looks[row.label]
        assert (list(range(1, 21)), pytest.approx(mean)) in drawn_lines(figure, look.colour)


def test_spectra_are_those_of_seed_zero_without_the_mean_of_the_field(scene: Scene) -> None:
    pictures = DRAWERS["spectra"](scene)
    for row in scene.rows:
        spectrum = row.runs[0].metrics["spectrum"]
        assert spectrum is not None
        energy = list(spectrum["prediction"][1:])
        error = [e / t for e, t in zip(spectrum["error"][1:], spectrum["truth"][1:], strict=True)]
        colour = scene.looks[row.label].colour
        for name, values in (("spectrum-energy", energy), ("spectrum-error", error)):
            found = drawn_lines(named(pictures, name), colour)
            assert (list(spectrum["wavenumber"][1:]), pytest.approx(values)) in found


def test_every_trained_operator_stands_at_its_cost_and_error(scene: Scene) -> None:
    pictures = DRAWERS["costs"](scene)
    for row in scene.trained:
        point = ([row.parameters], [row.windows["1-10"].mean])  # type: ignore[union-attr]
        colour = scene.looks[row.label].colour
        assert point in drawn_lines(named(pictures, "rollout-parameters"), colour)
        times = ([row.training_seconds], [row.one_step.mean])  # type: ignore[union-attr]
        assert times in drawn_lines(named(pictures, "one-step-training"), colour)


def test_rates_that_diverged_are_left_out_of_the_line(scene: Scene) -> None:
    figure = named(DRAWERS["training"](scene), "rates")
    rates = [x for xs, _ in drawn_lines(figure, scene.looks["UNO"].colour) for x in xs]
    assert set(rates) == {5e-4, 2e-3}


def test_every_line_figure_names_every_operator(scene: Scene) -> None:
    pictures = [p for name in ("rollouts", "spectra") for p in DRAWERS[name](scene)]
    for picture in pictures:
        texts = {text.get_text() for text in picture.figure.axes[0].texts}
        assert {"waveliT", "FNO", "UNO", "Unetmod-64", "persistence"} <= texts


def test_an_operator_has_one_look_and_no_two_share_one(tmp_path: Path) -> None:
    many = [replace(MADE.FNO, label=f"operator {i}") for i in range(20)]
    scene = scene_of(tmp_path, MADE.WAVELIT, *many, MADE.PERSISTENCE)
    found = [(look.name, look.marker, look.dash) for look in scene.looks.values()]
    assert len(set(found)) == len(found) == 22
    assert scene.looks["waveliT"].name == "accent"
    assert scene.looks["persistence"].name == "quiet"
    assert looks(scene.rows) == scene.looks


@pytest.mark.parametrize(("colours", "ground"), [(LIGHT, "#ffffff"), (DARK, "#171c23")])
def test_colours_stand_out_from_the_ground(colours: dict[str, str], ground: str) -> None:
    """WCAG 2.1, 1.4.11: 3 to 1 for graphics; 4.5 to 1 for text that is not in a figure."""
    for name, colour in colours.items():
        if name != "grid":
            least = 4.5 if name in {"ink", "muted"} else 3.0
            assert contrast(colour, ground) >= least, name


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_frames_show_truth_predictions_and_their_difference(scene: Scene) -> None:
    pictures = DRAWERS["frames"](scene)
    sample = scene.samples["FNO"]
    truth, guess = sample["truth"][0, :, 1], sample["prediction"][0, :, 1]
    images = [ax.images[0] for ax in named(pictures, "frames-velocity--x-").axes if ax.images]
    errors = [ax.images[0] for ax in named(pictures, "errors-velocity--x-").axes if ax.images]
    # truth, waveliT, the U-Net, FNO, UNO at three times
    assert len(images) == 15
    assert len(errors) == 15
    for column, time in enumerate((1, 5, 10)):
        shown = torch.as_tensor(images[9 + column].get_array())
        torch.testing.assert_close(shown, guess[time].T, rtol=0, atol=0)
        missed = torch.as_tensor(errors[9 + column].get_array())
        torch.testing.assert_close(missed, (guess[time] - truth[time]).abs().T, rtol=0, atol=0)
        scales = {errors[3 * row + column].get_clim() for row in range(1, 5)}
        assert len(scales) == 1  # errors of a time can be compared


@pytest.mark.parametrize(
    ("sizes", "planes", "shape"),
    [((12,), 2, (12, 11)), ((8, 6), 3, (8, 6)), ((6, 5, 4), 3, (6, 5))],
)
def test_any_number_of_space_axes_is_cut_to_planes(
    tmp_path: Path, sizes: tuple[int, ...], planes: int, shape: tuple[int, int]
) -> None:
    scene = scene_of(tmp_path, MADE.WAVELIT)
    MADE.write_samples(tmp_path, [MADE.WAVELIT], sizes)
    found = cut(scene.samples["waveliT"], "truth", 0)
    assert [tuple(plane.shape) for plane in found.planes] == [shape] * planes
    assert len(DRAWERS["frames"](scene)) == 4


def test_large_planes_are_averaged_before_they_are_stored(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, MADE.WAVELIT)
    MADE.write_samples(tmp_path, [MADE.WAVELIT], (256, 192), frames=2)
    figure = named(DRAWERS["frames"](scene), "frames-pressure")
    truth = scene.samples["waveliT"]["truth"][0, 1, 0]
    shown = torch.as_tensor(figure.axes[0].images[0].get_array())
    assert tuple(shown.shape) == (96, 96)
    # means over as many points each do not change the mean; rounding of float32
    torch.testing.assert_close(shown.mean(), truth.mean(), rtol=0, atol=1e-5)


def test_static_data_have_inputs_and_no_roll_out(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, MADE.WAVELIT, MADE.FNO, steps=None)
    MADE.write_static_samples(tmp_path, [MADE.WAVELIT, MADE.FNO])
    pictures = draw(scene)
    assert pictures["rollouts"] == []
    assert [p.name for p in pictures["ranking"]] == ["ranking-error", "ranking-relative-l2"]
    figure = named(pictures["frames"], "errors-pressure")
    assert "input: permeability" in {text.get_text() for text in figure.texts}


def test_what_was_not_measured_is_not_drawn(tmp_path: Path) -> None:
    """One operator, one rate, one seed, a short roll-out, no sample, no spectrum, all diverged."""
    one = replace(MADE.WAVELIT, rates=(2e-3,), best=0, peak_bytes=None, flops=None)
    runs = [MADE.diverged(run) for run in MADE.runs_of(one, seeds=1, steps=2)]
    scene = load_scene(MADE.write_comparison(tmp_path, [replace(runs[0], curve=())], seeds=1))
    names = {name: [p.name for p in pictures] for name, pictures in draw(scene).items()}
    assert names == {
        "ranking": [], "frames": [], "rollouts": ["rollout"], "spectra": [], "costs": [],
        "training": [],
    }  # fmt: skip


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=12),
    st.floats(0.01, 0.2),
)
def test_names_are_apart_in_order_and_inside(wanted: list[float], gap: float) -> None:
    found = spread(wanted, gap, 0.0, 1.0)
    room = min(gap, 1.0 / max(len(wanted) - 1, 1))
    ordered = sorted(found)
    assert all(b - a >= room - 1e-9 for a, b in pairwise(ordered))
    assert ordered[0] >= -1e-9
    assert ordered[-1] <= 1 + 1e-9
    for i, first in enumerate(wanted):
        for j, second in enumerate(wanted):
            if first < second:
                assert found[i] < found[j]


def test_names_that_are_apart_already_stay() -> None:
    assert spread([0.1, 0.9, 0.5], 0.2, 0.0, 1.0) == pytest.approx([0.1, 0.9, 0.5])


def test_a_name_avoids_points_other_names_and_the_edge() -> None:
    room = Box(left=0, bottom=0, width=200, height=100)
    points = [(50.0, 50.0), (60.0, 50.0), (195.0, 50.0)]
    boxes = beside(points, ["first", "second", "third"], 10.0, room)
    marks = [Box(left=x - 4, bottom=y - 4, width=8, height=8) for x, y in points]
    for i, box in enumerate(boxes):
        assert all(box.shared(mark) == 0 for mark in marks)
        assert all(box.shared(other) == 0 for other in boxes[:i])
        assert box.shared(room) == pytest.approx(box.width * box.height)


@given(st.floats(-8, 6), st.floats(0.35, 9))
def test_ticks_are_inside_ascending_and_few(start: float, decades: float) -> None:
    low, high = 10**start, 10 ** (start + decades)
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)
    shares = [math.log(b / a) / math.log(high / low) for a, b in pairwise(ticks)]
    assert all(share > 0.1 for share in shares)


def test_the_same_drawing_gives_the_same_file(scene: Scene) -> None:
    with drawing_style():
        first, second = (render(DRAWERS["rollouts"](scene)[0]) for _ in range(2))
    assert first == second


def test_samples_are_of_the_best_rate(scene: Scene) -> None:
    row = next(row for row in scene.rows if row.label == "FNO")
    assert samples_path(scene.folder, "FNO", row.learning_rate).name == "FNO@0.008.pt"
    assert set(scene.samples) == {row.label for row in scene.rows}
