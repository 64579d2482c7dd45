"""All figures of a report, by what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wavelit_plugin.compare.report.canvas import Picture
from wavelit_plugin.compare.report.costs import cost_pictures
from wavelit_plugin.compare.report.frames import frame_pictures
from wavelit_plugin.compare.report.intervals import ranking_pictures
from wavelit_plugin.compare.report.rollouts import rollout_pictures
from wavelit_plugin.compare.report.scene import Scene
from wavelit_plugin.compare.report.spectra import spectrum_pictures
from wavelit_plugin.compare.report.training import training_pictures

DRAWERS: Mapping[str, Callable[[Scene], list[Picture]]] = {
    "ranking": ranking_pictures,
    "frames": frame_pictures,
    "rollouts": rollout_pictures,
    "spectra": spectrum_pictures,
    "costs": cost_pictures,
    "training": training_pictures,
}


def draw(scene: Scene) -> dict[str, list[Picture]]:
    """Draw everything that the records have numbers for."""
    return {name: drawer(scene) for name, drawer in DRAWERS.items()}
