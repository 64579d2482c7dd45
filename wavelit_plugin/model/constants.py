"""Buffers that follow from a module's arguments and are in no checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


class ModuleWithConstants(nn.Module):
    """A module whose constants are made anew whenever it is moved.

    So they have their values after ``to_empty``, which leaves every buffer without, and which no
    checkpoint would give back.
    """

    def __init__(self) -> None:
        super().__init__()
        self._makers: dict[str, Callable[[], Tensor]] = {}

    def register_constant(self, name: str, make: Callable[[], Tensor]) -> None:
        """Add a constant; ``make`` returns it and can be pickled."""
        self._makers[name] = make
        self.register_buffer(name, make(), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, make in self._makers.items():
            held = getattr(self, name)
            if not held.is_meta:
                with torch.device("cpu"):
                    setattr(self, name, make().to(held))
        return self
