"""What a model knows of its data: means, scales, and the grid that it was trained on.

All of it is in buffers, which are the only home of these facts. They are learned from the first
training samples, then kept. What is learned is computed by pure functions: a training step computes
with it at once, and writes it when its gradient arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model.config import WaveLiTConfig
from wavelit_plugin.model.frames import differences_and_constants, last_state, step_in_history
from wavelit_plugin.model.layout import ChannelLayout
from wavelit_plugin.model.monitor import ROUNDING, SAMPLES, Monitor, learns_alone
from wavelit_plugin.model.tokenizer import Bands, tokenize
from wavelit_plugin.shapes import Field, full_precision

CONDITION_SAMPLES = 1024
"""Samples after which mean and scale of the conditions are frozen; SAMPLES for the fields."""

# least scale of a band over its field's own: smooth fields have bands at 1e-4 of it
_FLOOR = 0.02
# change over state that is assumed for one frame in and no target to look at
_ASSUMED_CHANGE = 0.3
# correlation from which residual="auto" takes the next frame for a continuation of the last
_CONTINUES = 0.5

_REENTRANT = (
    "the model is run by torch.utils.checkpoint with use_reentrant=True, which hides its training "
    "steps, so it learns no statistics; use use_reentrant=False or activation_checkpointing, or "
    "call fit_statistics(loader)"
)
_OTHER_GRID = (
    "the training grid was written since this evaluation was compiled; call model.eval() first"
)


class Moments(NamedTuple):
    """Means and second moments of one or several kinds of quantity, over samples and points.

    Attributes:
        samples: (), int64.
        mean: (kind, channel).
        products: (kind, kind, channel, band), mean over the coefficients of a band of the product
            of two kinds of field, each about its mean.
    """

    samples: Tensor
    mean: Tensor
    products: Tensor


class Scales(NamedTuple):
    """What inputs are divided by and outputs are multiplied by, in the units of the data.

    Attributes:
        input_mean: (channel,).
        input_scale: (channel, band).
        state_mean: (out,), of the field that each output continues.
        output_mean: (out,).
        output_scale: (out, band), of the update.
        persistence: (out,), the share of the state's deviation that stays, 0 to 1.
        condition_mean: (condition,).
        condition_scale: (condition,).
    """

    input_mean: Tensor
    input_scale: Tensor
    state_mean: Tensor
    output_mean: Tensor
    output_scale: Tensor
    persistence: Tensor
    condition_mean: Tensor
    condition_scale: Tensor


class Statistics(NamedTuple):
    """Everything that is learned: moments of inputs, of (state, target, change) and of conditions.

    Attributes:
        grid: (axis,), int64, points of the training grid; 0 before the first training step.
        scales: what follows from the moments.
    """

    inputs: Moments
    outputs: Moments
    conditions: Moments
    grid: Tensor
    scales: Scales

    def tensors(self) -> tuple[Tensor, ...]:
        """Return all of it, flat."""
        return (*self.inputs, *self.outputs, *self.conditions, self.grid, *self.scales)


class RunningMoments(nn.Module):
    """Moments in buffers: ``samples``, ``mean`` and ``products``.

    Args:
        channels: of each kind of field.
        bands: wavelet bands that products are kept of.
        kinds: fields that are observed together.
    """

    samples: Tensor
    mean: Tensor
    products: Tensor

    def __init__(self, channels: int, bands: int = 1, *, kinds: int = 1) -> None:
        super().__init__()
        self.register_buffer("samples", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(kinds, channels))
        self.register_buffer("products", torch.zeros(kinds, kinds, channels, bands))

    @property
    def value(self) -> Moments:
        """The buffers themselves, not copies."""
        return Moments(self.samples, self.mean, self.products)


def merged(now: Moments, batch: Moments, learn: Tensor, coefficients: int = 1) -> Moments:
    """Return the moments of both together where ``learn`` is true, else ``now``.

    Pairwise update (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115).

    Args:
        now: moments so far.
        batch: moments of other samples, which may be NaN where ``learn`` is false.
        learn: (), bool; a tensor, so that no GPU is waited for.
        coefficients: of a token, which a constant field has all in its first band.
    """
    total = (now.samples + batch.samples).clamp_min(1)
    share = batch.samples.to(now.mean.dtype) / total
    step = batch.mean - now.mean
    products = now.products + share * (batch.products - now.products)
    apart = share * (1 - share) * step[:, None] * step[None] * coefficients
    products = torch.cat([products[..., :1] + apart[..., None], products[..., 1:]], dim=-1)
    return Moments(
        torch.where(learn, now.samples + batch.samples, now.samples),
        torch.where(learn, now.mean + share * step, now.mean),
        torch.where(learn, products, now.products),
    )


class Normalizer(nn.Module):
    """Scales of inputs, conditions and the output's update, learned from the training data.

    Where fields correspond, the output is ``mean + a (u - mean_u) + update``. The persistence a is
    the regression of the next frame on the last, 1 - r^2/2 for a stationary field whose change has
    r times its standard deviation, and 0 where the output is another quantity.

    Buffers: those of ``Scales``; the ``RunningMoments`` that they follow from, ``inputs``,
    ``outputs`` (of state, target and change) and ``conditions``; ``training_grid``. From SAMPLES
    samples on (CONDITION_SAMPLES of the conditions) they are frozen.
    """

    input_mean: Tensor
    input_scale: Tensor
    state_mean: Tensor
    output_mean: Tensor
    output_scale: Tensor
    persistence: Tensor
    condition_mean: Tensor
    condition_scale: Tensor
    training_grid: Tensor

    def __init__(self, config: WaveLiTConfig) -> None:
        super().__init__()
        self.config, self.bands = config, Bands(config.ndim, config.levels)
        self.inputs = RunningMoments(config.in_channels, self.bands.count)
        self.outputs = RunningMoments(config.out_channels, self.bands.count, kinds=3)
        self.conditions = RunningMoments(config.conditions)
        self.register_buffer("training_grid", torch.zeros(config.ndim, dtype=torch.int64))
        sizes = {"input": config.in_channels, "output": config.out_channels}
        sizes |= {"state": config.out_channels, "condition": config.conditions}
        for name in Scales._fields:
            kind, _, what = name.partition("_")
            shape = [sizes.get(kind, config.out_channels)]
            if what == "scale" and kind != "condition":
                shape.append(self.bands.count)
            self.register_buffer(name, torch.full(shape, float(what == "scale")))
        self._monitor = Monitor()
        self.register_load_state_dict_post_hook(_start_again)  # type: ignore[no-untyped-call]

    @property
    def scales(self) -> Scales:
        """The buffers that a prediction needs, not copies."""
        return Scales(*(getattr(self, name) for name in Scales._fields))

    @property
    def value(self) -> Statistics:
        """All buffers, not copies."""
        return Statistics(
            self.inputs.value,
            self.outputs.value,
            self.conditions.value,
            self.training_grid,
            self.scales,
        )

    @property
    def frozen(self) -> bool:
        """Whether training leaves the statistics of the fields alone; a GPU is waited for."""
        return int(self.inputs.samples) >= SAMPLES

    @property
    def looking(self) -> bool:
        """Whether the next training step is looked at; to others it makes no odds."""
        return self._monitor.looking

    def forward(
        self, u: Field, condition: Tensor | None, target: Field | None
    ) -> tuple[Scales, Callable[[], None] | None]:
        """Return the scales to compute with, and what keeps them if this is a training step.

        The second is to be called when the gradient of the output arrives; None if there is
        nothing to keep.

        Raises:
            DataError: NaN or infinity in what is to be learned from.
            ShapeError: a target of another shape than the output.
        """
        now = self.value
        if not (self.training and torch.is_grad_enabled() and u.shape[0]):
            return now.scales, None
        if torch.compiler.is_compiling():  # a graph has no later
            found = self.learned(now, self.observe(u, condition, target))
            write(now, found)
            self._monitor.grid = self._monitor.grid or tuple(u.shape[2:])
            return found.scales, None
        if not (_is_readable(u) and self._is_first_pass()):
            return now.scales, None
        fresh = [tuple(u.shape)]
        if not self._monitor.looking:
            return now.scales, partial(self._count, fresh)
        batch = self.observe(u, condition, target)
        if int(now.inputs.samples) < SAMPLES:
            _check_learnable(u, target, condition, batch)
        # the very buffers of this call, which may not be the module's (functional_call)
        keep = partial(self._keep, now, batch, fresh, alone=learns_alone())
        return self.learned(now, batch).scales, keep

    def fit(
        self,
        loader: Iterable[object],
        check: Callable[[Field, Field | None], None],
        *,
        across_ranks: bool = False,
    ) -> None:
        """See ``WaveLiT.fit_statistics``."""
        if not _is_readable(self.training_grid):
            raise ConfigError("the model is on the meta device; make it real first by to_empty")
        total, failure = self.cleared(), None
        try:
            for batch in loader:
                u, target = (self._here(part) for part in _input_and_target(batch))
                check(u, target)
                if not len(u):
                    continue
                found = self.observe(u, None, target)
                _check_learnable(u, target, None, found)
                total = self.learned(total, found, frozen=False)
        except Exception as error:
            if not across_ranks:
                raise
            failure = error
        if across_ranks:
            total = self._of_all_ranks(total, failure)
        if int(total.inputs.samples) == 0:
            raise ConfigError(
                "the loader yields no batch in which a field varies; statistics need at least one"
            )
        now = self.value
        write(now, total._replace(conditions=now.conditions, grid=now.grid))
        self.freeze()

    def freeze(self) -> None:
        """Keep the statistics of the fields as they are from now on."""
        self.inputs.samples.clamp_(min=SAMPLES)
        self._monitor = Monitor()

    def clear(self) -> None:
        """Forget everything; the next training steps set it anew."""
        write(self.value, self.cleared())
        self._monitor = Monitor()

    def cleared(self) -> Statistics:
        """Return the statistics of no data: zeros, and scales of one."""
        inputs, outputs, conditions = (
            Moments(*[torch.zeros_like(tensor) for tensor in kept]) for kept in self.value[:3]
        )
        names = zip(Scales._fields, self.scales, strict=True)
        scales = [torch.full_like(t, float(name.endswith("scale"))) for name, t in names]
        grid = torch.zeros_like(self.training_grid)
        return Statistics(inputs, outputs, conditions, grid, Scales(*scales))

    def field_scales(self, known: Scales | None = None) -> tuple[Tensor, Tensor]:
        """Return the standard deviation of each input channel and of each output's update."""
        known = known or self.scales
        inner, outer = (
            self.bands.mean(s.square()) for s in (known.input_scale, known.output_scale)
        )
        return inner.sqrt(), outer.sqrt()

    @torch.no_grad()
    def observe(self, u: Field, condition: Tensor | None, target: Field | None) -> Statistics:
        """Return the statistics of one batch; ``samples`` are 0 of what teaches nothing.

        That is a batch with NaN or infinity, or one in which no field varies.
        """
        state, after = last_state(u, self.config), target
        if target is None and (step := step_in_history(u, self.config)) is not None:
            state, after = step
        outputs = self.outputs.value[1:]
        # products in half precision would make a persistence wrong by 0.4 % of the state
        with torch.autocast(u.device.type, enabled=False):
            inputs = self._moments([differences_and_constants(u, self.config)])
            if after is not None:
                change = full_precision(after) - full_precision(state)
                outputs = self._moments([state, after, change])
        varies = self._varies(inputs[0][0], inputs[1][0, 0])
        if after is not None:
            varies = torch.cat([varies, self._varies(outputs[0][1], outputs[1][1, 1])])
        finite = torch.isfinite(inputs[1]).all() & torch.isfinite(outputs[1]).all()
        samples = (finite & varies.any()) * len(u)
        seen = samples if after is not None else torch.zeros_like(samples)
        sizes = [torch.full_like(self.training_grid[0], size) for size in u.shape[2:]]
        return Statistics(
            Moments(samples, *inputs),
            Moments(seen, *outputs),
            self._of_conditions(condition),
            torch.stack(sizes),
            self.scales,
        )

    @torch.no_grad()
    def learned(self, now: Statistics, batch: Statistics, *, frozen: bool = True) -> Statistics:
        """Return the statistics after one more batch.

        Args:
            now: those before.
            batch: from ``observe``.
            frozen: leave statistics alone that are of enough samples.
        """
        counts = batch.inputs.samples > 0
        learn = counts & (now.inputs.samples < SAMPLES) if frozen else counts
        size = sum(self.bands.sizes)
        inputs = merged(now.inputs, batch.inputs, learn, size)
        outputs = merged(now.outputs, batch.outputs, learn & (batch.outputs.samples > 0), size)
        more = (batch.conditions.samples > 0) & (now.conditions.samples < CONDITION_SAMPLES)
        conditions = merged(now.conditions, batch.conditions, more)
        with torch.autocast(inputs.mean.device.type, enabled=False):
            found = self._derived(inputs, outputs, conditions, now.scales)
        masks = (*[learn] * 6, *[more] * 2)
        scales = (
            torch.where(mask, new, old)
            for mask, new, old in zip(masks, found, now.scales, strict=True)
        )
        grid = torch.where(counts & (now.grid == 0), batch.grid, now.grid)
        return Statistics(inputs, outputs, conditions, grid, Scales(*scales))

    def read_grid(self) -> tuple[int, ...] | None:
        """Return the training grid, or None before the first training step.

        It decides about shapes, so a GPU is waited for. A graph is compiled for the grid that was
        read last, and fails where the buffer holds another.
        """
        grid, monitor = self.training_grid, self._monitor
        if torch.compiler.is_compiling():
            sizes = monitor.grid or (0,) * self.config.ndim
            same = torch.stack([grid[axis] == size for axis, size in enumerate(sizes)]).all()
            torch._assert_async(same, _OTHER_GRID)  # noqa: SLF001  (torch._assert would wait)
        elif _is_readable(grid):
            monitor.grid = _sizes(grid)
        return monitor.grid

    def compare_in_evaluation(self, u: Field) -> None:
        """Warn where the first evaluated batch is in other units than what was learned."""
        if self._monitor.evaluated or torch.compiler.is_compiling() or _is_transformed():
            return
        if not (_is_readable(u) and _is_readable(self.training_grid) and int(self.inputs.samples)):
            return
        batch = self.observe(u, None, None)
        if int(batch.inputs.samples):
            self._monitor.see_evaluation(*self._deviations(batch, self.scales), self.config)

    def _here(self, part: Any) -> Any:
        device = self.training_grid.device
        movable = isinstance(part, Tensor) and not part.is_meta
        return part.to(device) if movable else part

    def _is_first_pass(self) -> bool:
        """Whether this is no step that is computed again, nor one that cannot write to buffers."""
        if torch._C._current_graph_task_id() != -1:  # noqa: SLF001  (inside of a backward pass)
            if not self._monitor.looked and not int(self.inputs.samples):
                self._monitor.say("reentrant", _REENTRANT)
            return False
        return not _is_transformed()

    def _count(self, fresh: list[tuple[int, ...]]) -> None:
        """Count a training step, once, whatever the number of gradients."""
        if fresh:
            samples, _, *space = fresh.pop()
            self._monitor.looked += samples
            self._monitor.see_grid(tuple(space), self.read_grid)

    def _keep(
        self, now: Statistics, batch: Statistics, fresh: list[tuple[int, ...]], *, alone: bool
    ) -> None:
        """Write what a step has learned into the buffers that it read, and warn of what it saw.

        Not after the last look: a step that was begun since needs the buffers as they are.
        """
        if not fresh or not self._monitor.looking:
            return
        count = fresh[0][0]
        self._count(fresh)
        totals = (
            now.inputs.samples,
            now.outputs.samples,
            batch.inputs.samples,
            batch.outputs.samples,
        )
        seen, seen_outputs, new, new_outputs = torch.stack(totals).tolist()
        if seen >= SAMPLES:
            self._monitor.see_training(count, *self._deviations(batch, now.scales), self.config)
        else:
            self._monitor.see_learning(
                constant=not seen + new,
                no_target=new > 0 and not seen_outputs + new_outputs,
                alone=alone,
            )
        write(now, self.learned(now, batch))
        if _is_readable(now.grid):
            self._monitor.grid = _sizes(now.grid)

    @torch.no_grad()
    def _deviations(self, batch: Statistics, known: Scales) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean squares of a batch about the known means, the known scales and means.

        Of inputs, updates and conditions; 0 of what the batch does not show.
        """
        inputs, outputs, conditions = batch[:3]
        inner, outer = self.field_scales(known)
        rest = 1 - known.persistence
        (uu, _, ud), _, (_, _, dd) = (row.unbind(0) for row in outputs.products.unbind(0))
        update = self.bands.mean(dd + 2 * rest[:, None] * ud + rest.square()[:, None] * uu)
        state, after, _ = outputs.mean.unbind(0)
        shift = after - known.output_mean - known.persistence * (state - known.state_mean)
        squares = (
            self.bands.mean(inputs.products[0, 0]) + (inputs.mean[0] - known.input_mean).square(),
            (outputs.samples > 0) * (update + shift.square()),
            (conditions.samples > 0)
            * (conditions.products[0, 0, :, 0] + (conditions.mean[0] - known.condition_mean) ** 2),
        )
        means = known.input_mean, known.output_mean, known.condition_mean
        return (
            torch.cat(squares),
            torch.cat([inner, outer, known.condition_scale]),
            torch.cat(means),
        )

    def _moments(self, fields: list[Field]) -> tuple[Tensor, Tensor]:
        mean = torch.stack([full_precision(u).mean(dim=(0, *range(2, u.ndim))) for u in fields])
        shape = (1, -1, *(1,) * self.config.ndim)
        centred = [full_precision(u) - m.view(shape) for u, m in zip(fields, mean, strict=True)]
        levels = self.config.levels_on(fields[0].shape[2:])
        tokens = [tokenize(u, self.config, levels) for u in centred]
        products = torch.stack(
            [torch.stack([self._mean_per_band(a * b) for b in tokens]) for a in tokens]
        )
        return mean, products

    def _of_conditions(self, condition: Tensor | None) -> Moments:
        now = self.conditions.value
        if condition is None:
            return Moments(*(torch.zeros_like(tensor) for tensor in now))
        condition = condition.detach().to(now.mean.dtype)
        mean = condition.mean(0)
        square = (condition - mean).square().mean(0)
        samples = (torch.isfinite(mean).all() & torch.isfinite(square).all()) * len(condition)
        return Moments(samples, mean[None], square[None, None, :, None])

    def _mean_per_band(self, product: Tensor) -> Tensor:
        mean = product.flatten(0, -2).mean(0).unflatten(0, (-1, sum(self.bands.sizes)))
        return torch.stack([part.mean(-1) for part in mean.split(self.bands.sizes, dim=-1)], dim=-1)

    def _varies(self, mean: Tensor, square: Tensor) -> Tensor:
        return self.bands.mean(square).sqrt() > ROUNDING * mean.abs()

    def _derived(
        self, inputs: Moments, outputs: Moments, conditions: Moments, now: Scales
    ) -> Scales:
        layout, mean = self.config.channels, inputs.mean[0]
        squares = shared_by_vectors(inputs.products, layout, layout.frames)[0, 0]
        products = shared_by_vectors(outputs.products, layout, layout.frames_out)
        measured = self._of_outputs(products, outputs.mean)
        # where no target was seen
        other: Sequence[Tensor] = now[2:6]
        if self.config.residual == "on":
            other = self._of_outputs(*self._assumed(inputs))
        seen = outputs.samples > 0
        chosen = [torch.where(seen, a, b) for a, b in zip(measured, other, strict=True)]
        deviation, middle = conditions.products[0, 0, :, 0].sqrt(), conditions.mean[0]
        spread = torch.where(deviation > ROUNDING * middle.abs(), deviation, 1.0)
        return Scales(*[mean, self._scale(squares, mean), *chosen, middle, spread])

    def _of_outputs(self, products: Tensor, mean: Tensor) -> tuple[Tensor, ...]:
        """From the products of state u, target t and change d, those of d + (1 - a) u."""
        (uu, ut, ud), (_, tt, _), (_, _, dd) = (row.unbind(0) for row in products.unbind(0))
        a = self._persistence(uu, ut, ud, tt)
        rest = (1 - a)[:, None]
        update = (dd + 2 * rest * ud + rest.square() * uu).clamp_min(0.0)
        # without persistence it is t itself, which rounding of a much larger u would drown
        update = torch.where(a[:, None] > 0, update, tt)
        return mean[0], mean[1], self._scale(update, mean[1]), a

    def _persistence(self, uu: Tensor, ut: Tensor, ud: Tensor, tt: Tensor) -> Tensor:
        u2, both, cross, t2 = (self.bands.mean(product) for product in (uu, ut, ud, tt))
        if self.config.residual == "off":
            return torch.zeros_like(u2)
        tiny = torch.finfo(u2.dtype).tiny
        slope = 1 + cross / u2.clamp_min(tiny)
        correlation = both / u2.clamp_min(tiny).sqrt() / t2.clamp_min(tiny).sqrt()
        least = _CONTINUES if self.config.residual == "auto" else 0.0
        return torch.where((u2 > 0) & (correlation >= least), slope.clamp(0.0, 1.0), 0.0)

    def _assumed(self, inputs: Moments) -> tuple[Tensor, Tensor]:
        layout, square = self.config.channels, _ASSUMED_CHANGE**2
        products = shared_by_vectors(inputs.products, layout, layout.frames)
        uu = products[0, 0, : layout.fields].repeat(layout.frames_out, 1)
        mean = inputs.mean[0, : layout.fields].repeat(layout.frames_out)
        ud, dd = -square / 2 * uu, square * uu
        rows = ((uu, uu + ud, ud), (uu + ud, uu, ud + dd), (ud, ud + dd, dd))
        products = torch.stack([torch.stack(row) for row in rows])
        return products, torch.stack([mean, mean, torch.zeros_like(mean)])

    def _scale(self, square: Tensor, mean: Tensor) -> Tensor:
        own = self.bands.mean(square).sqrt()[:, None]
        if not self.config.band_scales:
            square = own.square().expand_as(square)
        scale = torch.maximum(square.sqrt(), _FLOOR * own)
        return torch.where(own > ROUNDING * mean.abs()[:, None], scale, 1.0)

    def _of_all_ranks(self, own: Statistics, failure: Exception | None) -> Statistics:
        """Return the statistics of the samples of all processes of the default group.

        Every rank calls this once, whatever happened to it before, so that none waits for ever.
        """
        tensors = (*own.inputs, *own.outputs)
        parts = [tensor.flatten().to(own.inputs.mean.dtype) for tensor in tensors]
        sent = torch.cat([parts[0].new_full((1,), float(failure is not None)), *parts])
        received = [torch.empty_like(sent) for _ in range(dist.get_world_size())]
        dist.all_gather(received, sent)
        if failure is not None:
            raise failure
        failed = [str(rank) for rank, part in enumerate(received) if float(part[0])]
        if failed:
            raise ConfigError(
                f"rank {', '.join(failed)} could not measure its batches, so no statistics were "
                "set; see the error there"
            )
        total = self.cleared()
        for part in received:
            flat = zip(part[1:].split([t.numel() for t in tensors]), tensors, strict=True)
            found = [values.view(t.shape).to(t.dtype) for values, t in flat]
            batch = own._replace(inputs=Moments(*found[:3]), outputs=Moments(*found[3:]))
            total = self.learned(total, batch, frozen=False)
        return total


@torch.no_grad()
def write(buffers: Statistics, values: Statistics) -> None:
    """Copy values into buffers, in place."""
    for buffer, value in zip(buffers.tensors(), values.tensors(), strict=True):
        buffer.copy_(value)


def shared_by_vectors(products: Tensor, layout: ChannelLayout, frames: int) -> Tensor:
    """Average (..., channel, band) over the components of each vector.

    Channels are frames of all fields, and then others, which are left alone.
    """
    channels = list(products.unbind(-2))
    for frame in range(frames):
        for vector in layout.vectors:
            members = [field + frame * layout.fields for field in vector]
            mean = torch.stack([channels[index] for index in members]).mean(0)
            for index in members:
                channels[index] = mean
    return torch.stack(channels, dim=-2)


def check_finite(u: Tensor, name: str) -> None:
    """Raise DataError if a tensor (batch, channel, *space) holds NaN or infinity."""
    finite = torch.isfinite(u)
    if not finite.all():
        channels = (~finite).flatten(2).any(2).any(0).nonzero().flatten().tolist()
        raise DataError(
            f"the {name} holds {int((~finite).sum())} NaN or infinite values, in channels "
            f"{channels}; statistics need finite data, so repair or drop these samples"
        )


def _check_learnable(
    u: Field, target: Field | None, condition: Tensor | None, found: Statistics
) -> None:
    """Raise DataError unless a batch holds numbers that can be squared."""
    if condition is not None and not int(found.conditions.samples):
        raise DataError(
            "the conditions of a training batch hold NaN or infinity; repair or drop these samples"
        )
    if int(found.inputs.samples):
        return
    check_finite(u, "training input")
    if target is not None:
        check_finite(target, "training target")
    moments = (found.inputs.products, found.outputs.products)
    if not all(bool(torch.isfinite(products).all()) for products in moments):
        most = max(float(t.detach().abs().max()) for t in (u, target) if t is not None)
        raise DataError(
            f"the squares of the training data are beyond {u.dtype}: values reach {most:.1e}; give "
            "the data in larger units"
        )


def _input_and_target(batch: object) -> tuple[Tensor, Tensor | None]:
    """Return the parts of a batch; whether they are tensors is for others to check."""
    if isinstance(batch, Mapping) and "x" in batch:
        return batch["x"], batch.get("y")
    if isinstance(batch, Sequence) and not isinstance(batch, str) and len(batch):
        return batch[0], batch[1] if len(batch) > 1 else None
    if isinstance(batch, Tensor):
        return batch, None
    raise ConfigError(
        "the loader must yield tensors, (input, target) pairs or mappings with 'x' and 'y', got "
        f"{type(batch).__name__}"
    )


def _is_transformed() -> bool:
    """Whether torch.func or torch.jit.trace looks on."""
    inside = torch._C._functorch.peek_interpreter_stack() is not None  # noqa: SLF001
    return inside or torch._C._get_tracing_state() is not None  # noqa: SLF001


def _is_readable(tensor: Tensor) -> bool:
    """Whether there are values to look at, and a GPU may be waited for."""
    if tensor.is_meta or isinstance(tensor, FakeTensor):
        return False
    return not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())


def _sizes(grid: Tensor) -> tuple[int, ...] | None:
    ndim = grid.shape[-1]
    while torch._C._functorch.is_functorch_wrapped_tensor(grid):  # noqa: SLF001  (of torch.vmap)
        grid = torch._C._functorch.get_unwrapped(grid)  # noqa: SLF001
    found = {tuple(row) for row in grid.reshape(-1, ndim).tolist()}
    if len(found) > 1:
        raise ConfigError(
            f"models that are evaluated together need one training grid, got {sorted(found)}; "
            "evaluate them one by one"
        )
    sizes = found.pop()
    return sizes if all(sizes) else None


def _start_again(module: nn.Module, _keys: object) -> None:
    if isinstance(module, Normalizer):
        module._monitor = Monitor()  # noqa: SLF001  (a hook of this class)
        module.read_grid()
