"""What of an evaluation is on disk: its plan, and the scores of finished trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wavelit_plugin.compare.evaluation.scores import Scores
from wavelit_plugin.compare.notebook import append_line, read_lines, read_whole, write_whole
from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.files import content_errors, disk_errors

PLAN, LINES = "evaluation.json", "trajectories.jsonl"

# what the numbers depend on; the rest of a plan is told, not compared
_DECIDES = ("format", "checkpoint", "data", "device", "frames", "steps", "predictors")

Found = Mapping[str, Scores]


class Ledger:
    """The results of one evaluation in one folder.

    Args:
        folder: that the caller has locked.
        plan: plain facts; the ones in ``_DECIDES`` must be those of the results that are there.
        overwrite: throw away what is there.

    Raises:
        ConfigError: the folder holds results of another evaluation.
        DataError: what it holds is damaged.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any], *, overwrite: bool) -> None:
        self._lines = folder / LINES
        if overwrite:
            with disk_errors(self._lines):
                self._lines.unlink(missing_ok=True)
        elif (folder / PLAN).exists():
            _check_same(folder, read_whole(folder / PLAN), plan)
        elif self._lines.exists():
            raise DataError(
                f"{folder} holds {LINES} without {PLAN}; use another folder, or --overwrite"
            )
        write_whole(folder / PLAN, plan)

    def append(self, trajectory: int, found: Found) -> None:
        """Keep the scores of a trajectory."""
        scores = {name: one.as_plain() for name, one in found.items()}
        append_line(self._lines, {"trajectory": trajectory, "predictors": scores})

    def read(self) -> dict[int, Found]:
        """Return the scores of finished trajectories, by their number."""
        with content_errors(self._lines, "start again with --overwrite"):
            return {
                int(line["trajectory"]): {
                    name: Scores.from_plain(values) for name, values in line["predictors"].items()
                }
                for line in read_lines(self._lines)
            }


def _check_same(folder: Path, there: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    other = [name for name in _DECIDES if there.get(name) != plan[name]]
    if other:
        raise ConfigError(
            f"{folder} holds an evaluation with another {' and '.join(other)}; use another folder, "
            "or --overwrite to start again"
        )
