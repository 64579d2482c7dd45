"""Running means and per-band second moments of fields, merged batch by batch and rank by rank."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.tokenizer import Bands, tokenize
from wavelit_plugin.shapes import Field, full_precision


class Moments(nn.Module):
    """Mean, and products per wavelet band, of one or several fields observed together.

    Buffers: ``samples`` (), ``mean`` (kind, channel) and ``products`` (kind, kind, channel, band),
    the mean over coefficients of a band of the product of two kinds of field, about their means.
    """

    samples: Tensor
    mean: Tensor
    products: Tensor

    def __init__(self, channels: int, bands: Bands, *, kinds: int) -> None:
        super().__init__()
        self.bands = bands
        self.register_buffer("samples", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(kinds, channels))
        self.register_buffer("products", torch.zeros(kinds, kinds, channels, bands.count))

    @torch.no_grad()
    def update(self, fields: list[Field], config: WaveLiTConfig) -> None:
        """Merge one batch of every kind; with a process group, the batches of all ranks."""
        mean = torch.stack([full_precision(u).mean(dim=(0, *range(2, u.ndim))) for u in fields])
        shape = (1, -1, *(1,) * config.ndim)
        centred = [full_precision(u) - m.view(shape) for u, m in zip(fields, mean, strict=True)]
        levels = config.levels_on(fields[0].shape[2:])
        tokens = [tokenize(u, config, levels) for u in centred]
        products = torch.stack(
            [torch.stack([self._mean_per_band(a * b) for b in tokens]) for a in tokens]
        )
        count = mean.new_tensor([float(len(fields[0]))])
        for part in from_all_ranks(torch.cat([count, mean.flatten(), products.flatten()])):
            counted, means, seconds = part.split([1, mean.numel(), products.numel()])
            self._merge(int(counted), means.view_as(mean), seconds.view_as(products))

    def clear(self) -> None:
        """Forget everything observed."""
        for buffer in (self.samples, self.mean, self.products):
            buffer.zero_()

    def _mean_per_band(self, product: Tensor) -> Tensor:
        mean = product.flatten(0, -2).mean(0).unflatten(0, (-1, sum(self.bands.sizes)))
        return torch.stack([part.mean(-1) for part in mean.split(self.bands.sizes, dim=-1)], dim=-1)

    def _merge(self, count: int, mean: Tensor, products: Tensor) -> None:
        if count == 0:  # an empty shard: its mean is NaN
            return
        share = count / (int(self.samples) + count)
        step = mean - self.mean
        self.mean += share * step
        self.products.lerp_(products, share)
        # what the means of the two parts differ by belongs to the approximation band
        # (pairwise update, Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115)
        apart = share * (1 - share) * step[:, None] * step[None]
        self.products[..., 0] += apart * sum(self.bands.sizes)
        self.samples += count


def from_all_ranks(part: Tensor) -> list[Tensor]:
    """Return this tensor of every rank of the process group, or of the only process."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return [part]
    gathered = [torch.empty_like(part) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, part)
    return gathered
