"""The test trajectories, checked for what an evaluation needs."""

from __future__ import annotations

from pathlib import Path

from wavelit_plugin.data.readers import GridData
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.plugins.datasets import Trajectories


def checked_trajectories(data: GridData, path: Path) -> Trajectories:
    """Return the test trajectories; their constants have the parameters among them.

    Raises:
        DataError: static data, or no trajectory.
    """
    if data.trajectories is None:
        raise DataError(
            f"{path} holds pairs of static quantities and no trajectories, so there is nothing to "
            "roll out; give data of a problem that evolves"
        )
    if not len(data.trajectories.fields):
        raise DataError(f"the test split of {path} is empty; make the data again")
    return data.trajectories


def rollout_steps(trajectories: Trajectories, frames: int, wanted: int | None) -> int:
    """Return how many steps are rolled out.

    Raises:
        ConfigError: more are wanted than the reference has, or it is as short as the history.
    """
    whole = trajectories.fields.shape[1]
    most = whole - frames
    if most < 1:
        raise ConfigError(
            f"the model takes {frames} frames (n_steps_input) and the test trajectories have "
            f"{whole}, which leaves none to predict; use longer trajectories"
        )
    if wanted is not None and wanted > most:
        raise ConfigError(
            f"a roll-out of {wanted} steps is longer than the reference: the test trajectories "
            f"have {whole} frames, of which the model takes {frames}; give --steps {most} or less"
        )
    return most if wanted is None else wanted
