"""The package's Trainer, as a program of one's own calls it; and its metric against ours."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils.data import DataLoader

from integration_tests.the_well.conftest import Data
from wavelit_plugin.hosts.criterion import EpochTerm
from wavelit_plugin.hosts.the_well.model import WaveletMetric, WaveLiTModel
from wavelit_plugin.hosts.the_well.samples import FiniteSamples
from wavelit_plugin.hosts.the_well.training import register_criterion
from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.metrics import vrmse

# the host warns about its own options, and PyTorch of a machine without an accelerator
pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "acoustic_scattering_maze"


def built(path: Path, *, frames: int = 2, changes: bool = False) -> tuple[Any, WaveLiTModel]:
    """Return data and a model for so many input frames, which predicts the fields or changes."""
    from the_well.data import DeltaWellDataset, WellDataModule, WellDataset
    from the_well.data.normalization import ZScoreNormalization

    kind = DeltaWellDataset if changes else WellDataset
    data = WellDataModule(
        str(path),
        NAME,
        batch_size=3,
        n_steps_input=frames,
        data_workers=0,
        use_normalization=True,
        normalization_type=ZScoreNormalization,
        train_dataset=kind,
    )
    facts = data.train_dataset.metadata
    torch.manual_seed(0)
    model = WaveLiTModel(
        dim_in=frames * facts.n_fields + facts.n_constant_fields,
        dim_out=facts.n_fields,
        n_spatial_dims=facts.n_spatial_dims,
        spatial_resolution=facts.spatial_resolution,
        n_steps_input=frames,
        train_dataset=kind.__name__,
        dataset={"well_base_path": str(path), "well_dataset_name": NAME},
        width=8,
        heads=1,
        depth=1,
        levels=1,
    )
    return data, model


def trainer(
    path: Path, out: Path, epochs: int, *, frames: int = 2, changes: bool = False, **more: Any
) -> Any:
    from the_well.benchmark.trainer import Trainer

    data, model = built(path, frames=frames, changes=changes)
    folders = {f"{name}_folder": out / name for name in ("checkpoint", "artifact", "viz")}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    asked: dict[str, Any] = {
        **{name: str(folder) for name, folder in folders.items()},
        "formatter": "channels_first_default",
        "model": model,
        "datamodule": data,
        "optimizer": torch.optim.AdamW(model.parameters(), lr=2e-3),
        "loss_fn": WaveletMetric(),
        "epochs": epochs,
        "checkpoint_frequency": 0,
        "val_frequency": 1,
        "rollout_val_frequency": 1,
        "max_rollout_steps": 10,
        "short_validation_length": 2,
        "make_rollout_videos": False,
        "num_time_intervals": 3,
        "device": torch.device("cpu"),
    }
    return Trainer(**{**asked, **more})


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
    again = trainer(path, tmp_path, 3, checkpoint_path=str(tmp_path / "checkpoint" / "recent.pt"))
    assert again.starting_epoch == 3
    for name, tensor in run.model.state_dict().items():
        assert_close(again.model.state_dict()[name], tensor, rtol=0.0, atol=0.0)
    again.train()
    assert int(again.model.core.normalizer.inputs.samples) == 36


@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize("frames", [1, 2])
def test_training_shows_the_model_its_target(
    data: Data, tmp_path: Path, frames: int, *, changes: bool
) -> None:
    run = trainer(data(NAME), tmp_path, 1, frames=frames, changes=changes)
    loader = run.datamodule.train_dataloader()
    learned = copy.deepcopy(run.model.core)
    # the host's own inputs and targets of an epoch, frames folded by hand
    pairs = [run.formatter.process_input(batch) for batch in loader]
    learned.fit_statistics((x, y[:, 0].movedim(-1, 1)) for (x,), y in pairs)
    run.train_one_epoch(1, loader)
    for name in ("persistence", "output_mean", "output_scale", "input_scale"):
        ours, expected = (getattr(m.normalizer, name) for m in (run.model.core, learned))
        # in another order of the samples: rounding of float32, which sums of squares double
        assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_a_resumed_training_has_the_weights_of_one_that_was_not_interrupted(
    data: Data, tmp_path: Path, logged: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from the_well.benchmark.trainer import training

    weights: dict[int, list[float]] = {}
    call = EpochTerm.__call__

    def recorded(self: EpochTerm, prediction: Tensor, target: Tensor) -> Tensor:
        value = call(self, prediction, target)
        weights.setdefault(self.epoch + 1, []).append(cast("WaveletLoss", self.term).weight)
        return value

    monkeypatch.setattr(EpochTerm, "__call__", recorded)
    monkeypatch.setattr(training.Trainer, "validation_loop", lambda *_a, **_k: (0.0, {}))
    (registration,) = register_criterion(training)
    path, recent = data(NAME), str(tmp_path / "checkpoint" / "recent.pt")
    try:
        trainer(path, tmp_path, 10).train()
        whole = {epoch: weights.pop(epoch) for epoch in range(1, 11)}
        interrupted = trainer(path, tmp_path, 10)
        monkeypatch.setattr(interrupted, "save_model", stop_after(7, interrupted.save_model))
        with pytest.raises(KeyboardInterrupt):
            interrupted.train()
        weights.clear()
        trainer(path, tmp_path, 10, checkpoint_path=recent).train()
    finally:
        registration.undo()
    assert weights == {epoch: whole[epoch] for epoch in range(8, 11)}
    assert whole[9] == [pytest.approx(0.1)] * 4
    assert whole[10] == [pytest.approx(0.1 - 0.08 * batch / 4) for batch in range(4)]


def stop_after(last: int, save: Any) -> Any:
    """A run that is interrupted when it has saved that epoch."""

    def saved(epoch: int, *more: Any) -> None:
        save(epoch, *more)
        if epoch == last:
            raise KeyboardInterrupt

    return saved


def test_the_whole_model_and_the_data_go_to_spawned_workers(data: Data, tmp_path: Path) -> None:
    from the_well.data import WellDataset

    run = trainer(data(NAME), tmp_path, 1)
    run.train_one_epoch(1, run.datamodule.train_dataloader())
    again = pickle.loads(pickle.dumps(run.model)).eval()  # noqa: S301  (our own)
    assert again.core.config == run.model.core.config
    checked = WellDataset(
        well_base_path=str(data(NAME)),
        well_dataset_name=NAME,
        well_split_name="train",
        n_steps_input=2,
        transform=FiniteSamples(),
    )
    loader = DataLoader(checked, batch_size=2, num_workers=1, multiprocessing_context="spawn")
    (x,), _ = run.formatter.process_input(next(iter(loader)))
    assert_close(again(x), run.model.eval()(x), rtol=0.0, atol=0.0)


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
