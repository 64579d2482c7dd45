"""What somebody asks for when a data set is to be written, and what they get back."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from wavelit_plugin.data.problems import find_problem
from wavelit_plugin.data.simulation import check_seed, problem_setup
from wavelit_plugin.plugins import find_writer
from wavelit_plugin.plugins.datasets import Problem, Setup, Writer, check_at_least

GENERATOR_VERSION = 2
"""Raised when the same request gives other numbers than before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataRequest:
    """A data set to be written; what is None is a default of the problem or the host.

    Args:
        out: folder; made when missing.
        problem: a key of PROBLEMS.
        host: the name of a writer.
        layout: one of the host's layouts.
        size: points per axis of the stored fields.
        trajectories: training trajectories.
        test_trajectories: default a quarter of ``trajectories``, at least 1; as many for
            validation where the host has such a split.
        frames: frames per trajectory, the initial state included.
        interval: time between frames, in the problem's unit of time.
        boundary: boundary condition.
        medium: family of random media or initial states.
        seed: 0 to 2^63 - 1; trajectory i of a split depends on (seed, split, i) only.
        oversample: the simulation's grid is finer by this factor.
        device: where to simulate.
        dtype: precision of the simulation; files hold float32.
        overwrite: replace existing files of the same names.

    Raises:
        ConfigError: a name is unknown or a value out of range; one error, the first found.
    """

    out: Path
    problem: str = "acoustics"
    host: str = "neuraloperator"
    layout: str | None = None
    size: int = 64
    trajectories: int = 64
    test_trajectories: int | None = None
    frames: int | None = None
    interval: float | None = None
    boundary: str | None = None
    medium: str | None = None
    seed: int = 0
    oversample: int = 2
    device: str = "cpu"
    dtype: str = "float32"
    overwrite: bool = False

    def __post_init__(self) -> None:
        check_at_least("trajectories", self.trajectories, 1)
        check_at_least("test_trajectories", self.count("test"), 1)
        check_seed(self.seed)
        setup, writer = self.setup(), self.writer()
        writer.check(self.problem_record(), setup, self.layout_name())

    def problem_record(self) -> Problem:
        """Return the problem's record."""
        return find_problem(self.problem)

    def writer(self) -> Writer:
        """Return the host's writer."""
        return find_writer(self.host)

    def layout_name(self) -> str:
        """Return the layout; the host's first that holds the problem when none was asked for."""
        if self.layout is not None:
            return self.layout
        return self.writer().default_layout(self.problem_record(), self.setup())

    def setup(self) -> Setup:
        """Return how the problem is simulated."""
        return problem_setup(
            self.problem_record(),
            size=self.size,
            frames=self.frames,
            interval=self.interval,
            boundary=self.boundary,
            medium=self.medium,
            oversample=self.oversample,
            device=self.device,
            dtype=self.dtype,
        )

    def count(self, split: str) -> int:
        """Return the number of trajectories of a split."""
        if split == "train":
            return self.trajectories
        if self.test_trajectories is None:
            return max(1, self.trajectories // 4)
        return self.test_trajectories

    def counts(self) -> dict[str, int]:
        """Return the number of trajectories of every split that the host has."""
        return {split: self.count(split) for split in self.writer().splits}

    def parameters(self) -> dict[str, str | int | float]:
        """Return everything that the written numbers depend on, with the defaults filled in.

        The device is left out: it changes them by rounding only.
        """
        setup = self.setup()
        return {
            "generator_version": GENERATOR_VERSION,
            "problem": self.problem,
            "host": self.host,
            "layout": self.layout_name(),
            "size": setup.size,
            "trajectories": self.count("train"),
            "test_trajectories": self.count("test"),
            "frames": setup.frames,
            "interval": float(setup.interval),
            "boundary": setup.boundary,
            "medium": setup.medium,
            "seed": self.seed,
            "oversample": setup.oversample,
            "dtype": setup.dtype,
        }

    def key(self) -> str:
        """Return 16 hexadecimal digits that name the request's parameters."""
        text = json.dumps(self.parameters(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataReport:
    """What was written.

    Args:
        folder: where.
        files: the data files, and the metadata file last.
        trajectories: number per split.
        samples: input-output pairs per split.
        frame_change: per field std(frame t+1 - frame t) / std(frame), over the training split;
            empty where nothing evolves.
        bytes: size of all files.
        seconds: time taken.
        already_complete: nothing was done because the same request was finished before.
        left_out: constant fields that the host's layout has no place for.
    """

    folder: Path
    files: tuple[str, ...]
    trajectories: dict[str, int]
    samples: dict[str, int]
    frame_change: dict[str, float]
    bytes: int
    seconds: float
    already_complete: bool
    left_out: tuple[str, ...] = ()
