"""Ways of training that were reported to break other models; above each what, and where."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.data import DataLoader

from wavelit_plugin.loss import WaveletLoss
from wavelit_plugin.model import WaveLiT, WaveLiTConfig

# sizes that are no powers of two
SPACE = {1: (20,), 2: (20, 12), 3: (10, 6, 12)}
FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}


def model(**changes: Any) -> WaveLiT:
    torch.manual_seed(0)
    small = {"width": 8, "heads": 1, "depth": 1, "pyramid_scales": 2}
    return WaveLiT(WaveLiTConfig(in_channels=3, out_channels=2, **{**small, **changes}))


def batches(count: int, size: int = 4, ndim: int = 2) -> list[tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(1)
    found = []
    for _ in range(count):
        u = torch.randn(size, 3, *SPACE[ndim], generator=rng).cumsum(-1)
        found.append((u, 0.9 * u[:, :2] + 0.1 * u[:, :2].roll(1, -1)))
    return found


def trained(
    net: nn.Module,
    data: Iterable[tuple[Tensor, Tensor]],
    lr: float = 1e-3,
    *,
    sgd: bool = False,
) -> list[float]:
    """Take a step a batch; return the losses."""
    kind = torch.optim.SGD if sgd else torch.optim.AdamW
    optimizer, losses = kind(net.parameters(), lr=lr), []
    for u, after in data:
        loss = WaveletLoss(boundary="open")(net.train()(u, target=after), after)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


# neuraloperator/neuraloperator#322: half precision fails on grids that are no powers of two
# fbcotter/pytorch_wavelets#63: under autocast the two halves of a transform have different dtypes
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_mixed_precision_on_any_grid(dtype: torch.dtype, ndim: int) -> None:
    whole, mixed = model(ndim=ndim), model(ndim=ndim)
    data = batches(6, ndim=ndim)
    plain = trained(whole, data)
    with torch.autocast("cpu", dtype=dtype):
        half = trained(mixed, data)
    assert {weight.dtype for weight in mixed.parameters()} == {torch.float32}
    # bfloat16 has 8 bits, and a loss sums over many products
    assert_close(torch.tensor(half), torch.tensor(plain), rtol=0.05, atol=0.0)


# davidtvs/pytorch-lr-finder#11, Lightning-AI/pytorch-lightning#6675: a search for the learning rate
# leaves the model changed
def test_a_search_for_the_learning_rate_leaves_no_trace() -> None:
    data = batches(10)
    searched, plain = model(), model()
    before = io.BytesIO()
    torch.save(searched.state_dict(), before)
    for exponent in range(8):
        # other fields than those of training, up to a rate that destroys the weights
        trained(
            searched, [(100 * u, 100 * after) for u, after in data[:3]], lr=10.0 ** (exponent - 6)
        )
    before.seek(0)
    searched.load_state_dict(torch.load(before, weights_only=True))
    assert trained(searched, data) == trained(plain, data)
    for ours, theirs in zip(
        searched.state_dict().values(), plain.state_dict().values(), strict=True
    ):
        assert_close(ours, theirs, rtol=0.0, atol=0.0)


# pytorch/pytorch#12013, #38108: layers refuse a batch of no sample, or their statistics become NaN
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_batch_of_no_sample(ndim: int) -> None:
    net, plain, data = model(ndim=ndim), model(ndim=ndim), batches(2, ndim=ndim)
    empty = [(u[:0], after[:0]) for u, after in data[:1]]
    # without momentum a step on nothing is no step; its loss is a mean over nothing
    losses = [*trained(net, data, sgd=True), *trained(net, empty, sgd=True)]
    assert losses[:2] == trained(plain, data, sgd=True)
    for ours, theirs in zip(net.state_dict().values(), plain.state_dict().values(), strict=True):
        assert_close(ours, theirs, rtol=0.0, atol=0.0)
    assert net.eval()(empty[0][0]).shape == (0, 2, *SPACE[ndim])


# denisyarats/drq#27, pytorch/pytorch#124154: views fail on tensors in the layout channels-last
@pytest.mark.parametrize("ndim", [2, 3])
def test_channels_last(ndim: int) -> None:
    plain, data = model(ndim=ndim), batches(3, ndim=ndim)
    last = copy.deepcopy(plain)
    if ndim == 2:  # in 3-D PyTorch refuses a module that has any tensor of four axes
        last = last.to(memory_format=FORMATS[ndim])  # type: ignore[call-overload]
    moved = [tuple(u.to(memory_format=FORMATS[ndim]) for u in pair) for pair in data]
    # convolutions of another layout add up in another order
    assert_close(
        torch.tensor(trained(last, moved)),  # type: ignore[arg-type]
        torch.tensor(trained(plain, data)),
        rtol=1e-4,
        atol=1e-6,
    )


class Samples(torch.utils.data.Dataset[dict[str, Tensor]]):
    """As neuraloperator's data sets have them: a scalar and what it becomes, much larger."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(index)
        x = torch.randn(1, 24, 24, generator=rng).cumsum(-1)
        return {"x": x, "y": 50 + 30 * x.roll(1, -1)}


def in_neuraloperator(epochs: int, processor: Any = None, **options: Any) -> tuple[Any, Any]:
    """Train with the host's own Trainer; return it and the errors of its last epoch."""
    pytest.importorskip("neuralop")
    from neuralop import LpLoss, Trainer, get_model
    from zencfg.bunch import Bunch

    torch.manual_seed(0)
    sizes = {"data_channels": 1, "out_channels": 1, "width": 8, "heads": 1, "depth": 1}
    levels = options.pop("levels", 0)
    chosen = {"model": {"model_arch": "waveliT", **sizes}, "patching": {"levels": levels}}
    net = get_model(Bunch(chosen))
    optimizer, l2 = torch.optim.AdamW(net.parameters(), lr=3e-3), LpLoss(d=2, p=2)
    held = processor(net) if processor else None
    trainer = Trainer(model=net, n_epochs=epochs, data_processor=held, **options)
    errors = trainer.train(
        DataLoader(Samples(), batch_size=4),
        {"test": DataLoader(Samples(), batch_size=4)},
        optimizer,
        torch.optim.lr_scheduler.StepLR(optimizer, step_size=100),
        training_loss=l2,
        eval_losses={"l2": l2},
    )
    return trainer, errors


HOST = pytest.mark.filterwarnings("ignore:.*received unexpected keyword arguments")


# fbcotter/pytorch_wavelets#45: a wavelet model cannot be trained with mixed precision
@HOST
@pytest.mark.host
def test_mixed_precision_in_neuraloperators_trainer() -> None:
    plain, mixed = (in_neuraloperator(4, mixed_precision=on)[1]["test_l2"] for on in (False, True))
    assert float(mixed) == pytest.approx(float(plain), rel=0.05)


# a model of the host is handed patches with their neighbours, coarser levels as further channels,
# and the target of the whole (MultigridPatching2D), which says nothing to a model of other shapes
@HOST
@pytest.mark.host
def test_multigrid_patches_in_neuraloperators_trainer() -> None:
    from neuralop.data.transforms.data_processors import MGPatchingDataProcessor

    def patches(net: nn.Module) -> Any:
        return MGPatchingDataProcessor(net, levels=1, padding_fraction=0.1, stitching=True)

    trainer, errors = in_neuraloperator(4, patches, levels=1)
    assert trainer.model.core.config.in_channels == 2
    # of a field of mean 50 and deviation 90: repeating its mean errs 0.9
    assert float(errors["test_l2"]) < 0.8
