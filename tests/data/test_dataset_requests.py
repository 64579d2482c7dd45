"""What a request refuses, and what its key says."""

from pathlib import Path

import pytest

from wavelit_plugin.data import PROBLEMS, DataRequest
from wavelit_plugin.errors import ConfigError


def request(out: Path, **changes: object) -> DataRequest:
    values: dict[str, object] = {"size": 16, "trajectories": 5, "frames": 3, "seed": 4}
    return DataRequest(out=out, **{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problem": "acoustic"}, "did you mean 'acoustics'"),
        ({"host": "neuralop"}, "did you mean 'neuraloperator'"),
        ({"layout": "pair"}, "did you mean 'pairs'"),
        ({"layout": "nsforcing", "size": 64}, "read at sizes 128, 1024 only, got 64"),
        ({"medium": "layer"}, "did you mean 'layers'"),
        ({"boundary": "walls"}, "did you mean 'wall'"),
        ({"size": 17}, "use 16 or 18"),
        ({"trajectories": 0}, "trajectories must be"),
        ({"test_trajectories": 0}, "test_trajectories must be"),
        ({"frames": True}, "frames must be"),
        ({"seed": -1}, "seed must be"),
        ({"device": "cuda:99"}, "cannot be used"),
    ],
)
def test_a_bad_request_gives_one_config_error(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        request(tmp_path / "never", **changes)
    assert not (tmp_path / "never").exists()


def test_the_key_covers_what_changes_the_numbers_and_nothing_else(tmp_path: Path) -> None:
    base = request(tmp_path)
    for change in (
        {"seed": 5}, {"size": 18}, {"frames": 4}, {"interval": 0.05}, {"medium": "maze"},
        {"boundary": "wall"}, {"oversample": 3}, {"trajectories": 6}, {"test_trajectories": 2},
        {"dtype": "float64"}, {"layout": "darcy"},
    ):  # fmt: skip
        assert request(tmp_path, **change).key() != base.key(), change
    same = request(tmp_path / "x", overwrite=True, test_trajectories=1, medium="inclusions")
    assert same.key() == base.key()
    assert base.parameters()["interval"] == PROBLEMS["acoustics"].interval
