"""What PDEArena's pipes could not read, or would read by mistake, is refused in one error."""

from pathlib import Path

import pytest

from wavelit_plugin.data import DataRequest, Problem, make_dataset
from wavelit_plugin.errors import ConfigError, DataError, HostError
from wavelit_plugin.hosts.pdearena import writer as pdearena

pytest.importorskip("h5py")


def request(out: Path, problem: str = "kolmogorov", **changes: object) -> DataRequest:
    values: dict[str, object] = {"size": 16, "trajectories": 5, "frames": 14, "oversample": 1}
    return DataRequest(out=out, problem=problem, host="pdearena", **{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("problem", "layout", "message"),
    [
        ("kolmogorov", "shallowwater2d", "holds the scalar pressure"),
        ("kolmogorov", "maxwell3d", "holds two vectors of 3 components"),
        ("kolmogorov", "navierstokes", "did you mean 'navierstokes2d'"),
        ("acoustics", "shallowwater2d", "constants density, speed"),
        ("bare", None, "no layout of pdearena can hold bare: .*parameters none"),
        ("light", "kuramotosivashinsky1d", "vectors of 3, 3 components"),
    ],
)
def test_a_problem_that_does_not_fit_is_refused(
    out: Path, invented: dict[str, Problem], problem: str, layout: str | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        request(out, problem, layout=layout)
    assert not out.exists()


def test_too_few_frames_for_a_pipe_are_refused(out: Path, invented: dict[str, Problem]) -> None:
    with pytest.raises(ConfigError, match=r"frames 4, 12, 20, .* only 12 frames"):
        request(out, "water", layout="shallowwater2d", frames=12)
    with pytest.raises(ConfigError, match="every fourth frame"):
        request(out, "chaos", frames=7)


@pytest.mark.parametrize(
    ("problem", "folder", "refused"),
    [
        ("kolmogorov", "latest/data", True),
        ("kolmogorov", "training", True),
        ("kolmogorov", "plain", False),
        # these pipes look for _test_ and test.zarr only
        ("chaos", "latest", False),
        ("chaos", "a_test_b", True),
        ("water", "latest", False),
        ("water", "test.zarr", True),
        ("constrained", "plain", False),  # train.zarr: the problem's name is not in it
    ],
)
def test_a_folder_with_the_name_of_a_split_is_refused(
    out: Path, invented: dict[str, Problem], problem: str, folder: str, *, refused: bool
) -> None:
    place = out / folder
    if not refused:
        make_dataset(request(place, problem))
        return
    with pytest.raises(ConfigError, match="use a folder whose whole path has none of them"):
        make_dataset(request(place, problem))
    assert not out.exists()


def test_a_problem_with_the_name_of_a_split_in_its_own_is_refused(
    out: Path, invented: dict[str, Problem]
) -> None:
    with pytest.raises(ConfigError, match="has 'train' and 'valid'"):
        make_dataset(request(out, "constrained", layout="navierstokes2d"))


def test_files_that_the_pipes_would_read_too_are_refused(out: Path) -> None:
    make_dataset(request(out))
    with pytest.raises(DataError, match=r"kolmogorov_test_16\.h5, .* use another folder"):
        make_dataset(request(out, size=18))
    with pytest.raises(DataError, match="kolmogorov_train_16"):
        make_dataset(request(out, "buoyant-flow"))


def test_what_no_pipe_reads_may_stay(out: Path, invented: dict[str, Problem]) -> None:
    out.mkdir()
    (out / "training-notes.txt").write_text("mine", encoding="utf-8")
    make_dataset(request(out))
    make_dataset(request(out, "water"))  # its pipes look at folders, the other at files
    assert make_dataset(request(out)).already_complete


def test_a_missing_package_is_named_with_its_remedy(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdearena, "find_spec", lambda _: None)
    with pytest.raises(HostError, match=r"h5py, .* pip install 'wavelit-plugin\[pdearena\]'"):
        make_dataset(request(out))
    assert not out.exists()
