"""What a host's training step knows and its call of the model does not say: the target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class TargetShown(nn.Module):
    """A model that can be shown the targets of its next calls, which set the output's scales."""

    _targets: tuple[Tensor, ...] = ()

    @contextmanager
    def shown(self, *targets: Tensor) -> Iterator[None]:
        """Show the target of each of the next calls, in the model's layout, while this lasts."""
        self._targets = targets
        try:
            yield
        finally:
            self._targets = ()

    def _next_target(self) -> Tensor | None:
        target, self._targets = next(iter(self._targets), None), self._targets[1:]
        return target
