"""What the model knows about its data: means, and one scale per field, level and orientation.

All of it is estimated on the first training batches, then frozen, identical on all ranks, and
part of the checkpoint. Nothing here is trained.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavelit_plugin.errors import DataError
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.layout import ChannelLayout
from wavelit_plugin.model.moments import Moments
from wavelit_plugin.model.tokenizer import Bands
from wavelit_plugin.shapes import Field, full_precision

SAMPLES = 256
"""Samples after which the estimate is frozen."""

# least scale of a band over its field's own: smooth fields have bands at 1e-4 of it
_FLOOR = 0.02
# change over state that is assumed for one frame in and no target to look at
_ASSUMED_CHANGE = 0.3
# correlation from which residual="auto" takes the next frame for a continuation of the last
_CONTINUES = 0.5
# a field that varies less than this against its mean is a constant and its variation rounding
_ROUNDING = 1e-6


class FieldStatistics(nn.Module):
    """Scales of the input's bands; mean, persistence and scales of the output's update.

    Where fields correspond, the output is ``mean + a (u - mean_u) + update``. The persistence a is
    the regression of the next frame on the last, 1 - r^2/2 for a stationary field whose change has
    r times its standard deviation, and 0 where the output is another quantity.

    Buffers: ``input_mean`` (channel), ``input_scale`` (channel, band), ``state_mean`` and
    ``output_mean`` (out), ``output_scale`` (out, band), ``persistence`` (out), ``frozen`` ().
    """

    input_mean: Tensor
    input_scale: Tensor
    state_mean: Tensor
    output_mean: Tensor
    output_scale: Tensor
    persistence: Tensor
    frozen: Tensor

    def __init__(self, config: WaveLiTConfig, channels: int) -> None:
        super().__init__()
        self.config, self.bands = config, Bands(config.ndim, config.levels)
        self.inputs = Moments(channels, self.bands, kinds=1)
        self.outputs = Moments(config.out_channels, self.bands, kinds=3)
        outputs, layout = config.out_channels, config.channels
        self._shared_in = shared_by_vectors(layout, layout.frames, channels)
        self._shared_out = shared_by_vectors(layout, layout.frames_out, outputs)
        for name, value in (
            ("input_mean", torch.zeros(channels)),
            ("input_scale", torch.ones(channels, self.bands.count)),
            ("state_mean", torch.zeros(outputs)),
            ("output_mean", torch.zeros(outputs)),
            ("output_scale", torch.ones(outputs, self.bands.count)),
            ("persistence", torch.zeros(outputs)),
            ("frozen", torch.zeros((), dtype=torch.bool)),
        ):
            self.register_buffer(name, value)
        # a plain bool beside the buffer: reading a tensor in every forward would stall a GPU
        self.learning = True
        self.register_load_state_dict_post_hook(_restore)  # type: ignore[no-untyped-call]

    def observe(self, inputs: Field, state: Field, after: Field | None) -> None:
        """Learn from one training batch; freeze once enough samples were seen.

        Args:
            inputs: (batch, channel, *space) as they enter the tokenizer.
            state: (batch, out, *space), the field that each output continues; zero where none.
            after: what ``state`` became one step later, if that is known.

        Raises:
            DataError: NaN or infinity in the batch.
        """
        check_finite(inputs, "training input")
        if after is not None:
            check_finite(after, "training target")
        # products in half precision would make a persistence wrong by 0.4 % of the state
        with torch.autocast(inputs.device.type, enabled=False):
            self.inputs.update([inputs], self.config)
            if after is not None:
                change = full_precision(after) - full_precision(state)
                self.outputs.update([state, after, change], self.config)
            self._derive()
        if int(self.inputs.samples) >= SAMPLES:
            self.freeze()

    def field_scales(self) -> tuple[Tensor, Tensor]:
        """Return the standard deviation of each input channel and of each output's update."""
        inner, outer = (self.bands.mean(s.square()) for s in (self.input_scale, self.output_scale))
        return inner.sqrt(), outer.sqrt()

    def freeze(self) -> None:
        """Keep the estimate as it is from now on."""
        self.frozen.fill_(True)
        self.learning = False

    def clear(self) -> None:
        """Forget everything and learn anew."""
        self.inputs.clear()
        self.outputs.clear()
        self.frozen.fill_(False)
        self.learning = True

    def _derive(self) -> None:
        self.input_mean.copy_(self.inputs.mean[0])
        products = _mixed(self._shared_in, self.inputs.products)
        self.input_scale.copy_(self._scale(products[0, 0], self.input_mean))
        if self.outputs.samples > 0:
            products = _mixed(self._shared_out, self.outputs.products)
            self._derive_outputs(products, self.outputs.mean)
        elif self.config.residual == "on":
            self._derive_outputs(*self._assumed())

    def _derive_outputs(self, products: Tensor, mean: Tensor) -> None:
        """From the products of state u, target t and change d, those of d + (1 - a) u."""
        (uu, ut, ud), (_, tt, _), (_, _, dd) = products.unbind(0)
        a = self._persistence(uu, ut, ud, tt)
        rest = (1 - a)[:, None]
        update = (dd + 2 * rest * ud + rest.square() * uu).clamp_min(0.0)
        # without persistence it is t itself, which rounding of a much larger u would drown
        update = torch.where(a[:, None] > 0, update, tt)
        self.persistence.copy_(a)
        self.state_mean.copy_(mean[0])
        self.output_mean.copy_(mean[1])
        self.output_scale.copy_(self._scale(update, self.output_mean))

    def _persistence(self, uu: Tensor, ut: Tensor, ud: Tensor, tt: Tensor) -> Tensor:
        u2, both, cross, t2 = (self.bands.mean(product) for product in (uu, ut, ud, tt))
        if self.config.residual == "off":
            return torch.zeros_like(u2)
        tiny = torch.finfo(u2.dtype).tiny
        slope = 1 + cross / u2.clamp_min(tiny)
        correlation = both / u2.clamp_min(tiny).sqrt() / t2.clamp_min(tiny).sqrt()
        least = _CONTINUES if self.config.residual == "auto" else 0.0
        return torch.where((u2 > 0) & (correlation >= least), slope.clamp(0.0, 1.0), 0.0)

    def _assumed(self) -> tuple[Tensor, Tensor]:
        layout, square = self.config.channels, _ASSUMED_CHANGE**2
        products = _mixed(self._shared_in, self.inputs.products)
        uu = products[0, 0, : layout.fields].repeat(layout.frames_out, 1)
        mean = self.inputs.mean[0, : layout.fields].repeat(layout.frames_out)
        ud, dd = -square / 2 * uu, square * uu
        rows = ((uu, uu + ud, ud), (uu + ud, uu, ud + dd), (ud, ud + dd, dd))
        products = torch.stack([torch.stack(row) for row in rows])
        return products, torch.stack([mean, mean, torch.zeros_like(mean)])

    def _scale(self, square: Tensor, mean: Tensor) -> Tensor:
        own = self.bands.mean(square).sqrt()[:, None]
        scale = torch.maximum(square.sqrt(), _FLOOR * own)
        return torch.where(own > _ROUNDING * mean.abs()[:, None], scale, 1.0)


def shared_by_vectors(layout: ChannelLayout, frames: int, channels: int) -> Tensor:
    """Return the (channel, channel) matrix that averages over the components of each vector.

    Channels are frames of all fields, and then others, which are left alone.
    """
    matrix = torch.eye(channels)
    for frame in range(frames):
        for vector in layout.vectors:
            members = torch.tensor(vector) + frame * layout.fields
            matrix[members[:, None], members] = 1 / len(vector)
    return matrix


def _mixed(shared: Tensor, products: Tensor) -> Tensor:
    """Apply a matrix over the channels of products (kind, kind, channel, band)."""
    return shared.to(products) @ products


def check_finite(u: Tensor, name: str) -> None:
    """Raise DataError if a tensor (batch, channel, *space) holds NaN or infinity."""
    finite = torch.isfinite(u)
    if not finite.all():
        channels = (~finite).flatten(2).any(2).any(0).nonzero().flatten().tolist()
        raise DataError(
            f"the {name} holds {int((~finite).sum())} NaN or infinite values, in channels "
            f"{channels}; statistics need finite data, so repair or drop these samples"
        )


def _restore(module: nn.Module, _keys: object) -> None:
    if isinstance(module, FieldStatistics):
        module.learning = not bool(module.frozen)
