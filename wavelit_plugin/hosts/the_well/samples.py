"""The Well's samples, looked at before its formatter puts 0 in the place of NaN."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor

from wavelit_plugin.errors import DataError, unknown_name


class FiniteSamples:
    """A ``transform`` for the host's WellDataset: changes nothing, and reports NaN and Inf.

    Args:
        on_nan: ``error``, or ``warn`` where they are meant, as outside of a domain. One warning a
            file and field.

    Raises:
        ConfigError: another ``on_nan``.
    """

    def __init__(self, on_nan: str = "error") -> None:
        if on_nan not in ("error", "warn"):
            raise unknown_name("on_nan", on_nan, ("error", "warn"))
        self.on_nan = on_nan
        self._told: set[tuple[str, str]] = set()

    def __call__(self, data: dict[str, Any], metadata: Any) -> dict[str, Any]:
        """Return ``data``, the host's TrajectoryData, as it is.

        Raises:
            DataError: a field holds NaN or Inf; says which, and where.
        """
        for kind, varies in (("variable_fields", True), ("constant_fields", False)):
            for fields in data[kind].values():
                for name, field in fields.items():
                    self._check(name, field, metadata, varies=varies)
        return data

    def _check(self, name: str, field: Tensor, metadata: Any, *, varies: bool) -> None:
        bad = ~field.isfinite()
        if not bool(bad.any()):
            return
        path = str(metadata.dataset.files_paths[metadata.file_idx])
        frame = metadata.time_idx + metadata.time_stride * int(bad.nonzero()[0, 0])
        where = f"trajectory {metadata.sample_idx}" + (f", frame {frame}" if varies else "")
        self._report(
            (path, name),
            f"{path} holds {int(bad.sum())} NaN or infinite values of {name} in a sample, the "
            f"first in {where} (counted from 0), and The Well's formatter would put numbers in "
            "their place; ",
        )

    def _report(self, place: tuple[str, str], message: str) -> None:
        if self.on_nan == "error":
            raise DataError(f"{message}repair the file or, if they are meant, set on_nan to warn")
        if place not in self._told:
            self._told.add(place)
            warnings.warn(f"{message}is that meant?", stacklevel=2)
