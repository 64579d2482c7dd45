"""The package's Trainer, as a program of one's own calls it; and its metric against ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from integration_tests.the_well.conftest import Data
from wavelit_plugin.hosts.the_well import WaveletMetric, WaveLiTModel
from wavelit_plugin.metrics import vrmse

# the host warns about its own options, and PyTorch of a machine without an accelerator
pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "acoustic_scattering_maze"


def built(path: Path) -> tuple[Any, WaveLiTModel]:
    from the_well.data import WellDataModule
    from the_well.data.normalization import ZScoreNormalization

    data = WellDataModule(
        str(path),
        NAME,
        batch_size=3,
        n_steps_input=2,
        data_workers=0,
        use_normalization=True,
        normalization_type=ZScoreNormalization,
    )
    facts = data.train_dataset.metadata
    torch.manual_seed(0)
    model = WaveLiTModel(
        dim_in=2 * facts.n_fields + facts.n_constant_fields,
        dim_out=facts.n_fields,
        n_spatial_dims=facts.n_spatial_dims,
        spatial_resolution=facts.spatial_resolution,
        n_steps_input=2,
        dataset={"well_base_path": str(path), "well_dataset_name": NAME},
        width=8,
        heads=1,
        depth=1,
        levels=1,
    )
    return data, model


def trainer(path: Path, out: Path, epochs: int, **more: Any) -> Any:
    from the_well.benchmark.trainer import Trainer

    data, model = built(path)
    for name in ("checkpoints", "artifacts", "viz"):
        (out / name).mkdir(exist_ok=True)
    return Trainer(
        checkpoint_folder=str(out / "checkpoints"),
        artifact_folder=str(out / "artifacts"),
        viz_folder=str(out / "viz"),
        formatter="channels_first_default",
        model=model,
        datamodule=data,
        optimizer=torch.optim.AdamW(model.parameters(), lr=2e-3),
        loss_fn=WaveletMetric(),
        epochs=epochs,
        checkpoint_frequency=0,
        val_frequency=1,
        rollout_val_frequency=1,
        max_rollout_steps=10,
        short_validation_length=2,
        make_rollout_videos=False,
        num_time_intervals=3,
        device=torch.device("cpu"),
        **more,
    )


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the host would send to its logger."""
    import wandb

    records: list[dict[str, Any]] = []
    monkeypatch.setattr(wandb, "log", lambda record, **_: records.append(record))
    return records


@pytest.mark.slow
def test_it_fits_rolls_out_saves_and_resumes(
    data: Data, tmp_path: Path, logged: list[dict[str, Any]]
) -> None:
    path = data(NAME)
    run = trainer(path, tmp_path, 2)
    assert run.model.core.config.axes == ("open", "open")
    run.train()
    merged = {name: value for record in logged for name, value in record.items()}
    assert merged["rollout_valid_acoustics/full_VRMSE_T=all"] > 0
    assert merged["valid_acoustics/full_WaveletMetric_T=all"] > 0
    training = [record["train"] for record in logged if "train" in record]
    assert training[1] < training[0]
    again = trainer(path, tmp_path, 3, checkpoint_path=str(tmp_path / "checkpoints" / "recent.pt"))
    assert again.starting_epoch == 3
    for name, tensor in run.model.state_dict().items():
        assert_close(again.model.state_dict()[name], tensor, rtol=0.0, atol=0.0)
    again.train()
    assert int(again.model.core.normalizer.inputs.samples) == 36


def test_a_roll_out_is_the_model_applied_to_its_own_frames(data: Data, tmp_path: Path) -> None:
    from the_well.data import WellDataset

    run = trainer(data(NAME), tmp_path, 1)
    model, norm = run.model.eval(), run.dset_norm
    # 1.2.0 has it in physical units, 1.2.1 normalised
    batch = next(iter(run.datamodule.rollout_test_dataloader()))
    physical = WellDataset(
        well_base_path=str(data(NAME)), well_dataset_name=NAME, well_split_name="test",
        n_steps_input=2, full_trajectory_mode=True,
    )[0]  # fmt: skip
    with torch.inference_mode():
        predicted, reference = run.rollout_model(model, batch, run.formatter, train=False)
        frames = list(norm.normalize_flattened(physical["input_fields"], "variable"))
        constants = norm.normalize_flattened(physical["constant_fields"], "constant")
        for _ in range(reference.shape[1]):
            u = torch.cat([part.movedim(-1, 0) for part in (*frames[-2:], constants)])
            frames.append(model(u[None])[0].movedim(0, -1))
    expected = norm.denormalize_flattened(torch.stack(frames[2:]), "variable")
    assert predicted.shape == (1, 4, 16, 16, 3)
    assert_close(reference[0], physical["output_fields"])
    # the host goes to physical units and back between the steps
    assert_close(predicted[0], expected, rtol=1e-4, atol=1e-4)


def test_our_vrmse_is_the_hosts(data: Data) -> None:
    from the_well.benchmark.metrics import VRMSE

    held, _ = built(data(NAME))
    rng = torch.Generator().manual_seed(0)
    pair = [torch.randn(2, 4, 16, 16, 3, generator=rng) for _ in range(2)]
    theirs = VRMSE()(*pair, held.train_dataset.metadata)
    channels_first = [u.movedim(-1, 2).flatten(1, 2) for u in pair]
    assert_close(vrmse(*channels_first).unflatten(1, (4, 3)), theirs)
