"""What differs between trajectories reaches the pairs for neuraloperator as channels."""

import json
from pathlib import Path

import torch

from wavelit_plugin.data import DataRequest, make_dataset, simulate_dataset


def test_parameters_are_uniform_channels_of_the_pairs(tmp_path: Path) -> None:
    report = make_dataset(
        DataRequest(out=tmp_path, problem="buoyant-flow", size=16, trajectories=5, frames=3, seed=4)
    )
    facts = json.loads((tmp_path / "buoyant-flow_16.json").read_text(encoding="utf-8"))
    assert facts["layout"]["x_channels"] == ["scalar", "velocity_x", "velocity_y", "buo_y"]
    fields, _, parameters = simulate_dataset(
        "buoyant-flow", size=16, trajectories=5, frames=3, seed=4
    )
    data = torch.load(report.folder / "buoyant-flow_train_16.pt", weights_only=True)
    for index in range(5):
        x = data["x"][2 * index + 1]
        assert torch.equal(x[:3], fields[index, 1])
        assert torch.equal(x[3], parameters[index, 0].expand(16, 16))
    held = torch.load(tmp_path / "buoyant-flow_test_16_trajectories.pt", weights_only=True)
    assert held["parameter_names"] == ["buo_y"]
    assert held["parameters"].shape == (1, 1)
