"""Memory for time: what is computed again on the way back is not kept until then."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def run(call: Callable[..., Tensor], *inputs: Any, again: bool) -> Tensor:
    """Return ``call(*inputs)``; ``again``: its intermediate results are not kept for the gradient.

    Weights that a joint model puts together for one call belong into ``inputs``: when the gradient
    is computed the module may see others.
    """
    # torch.func has no hooks on saved tensors, by which this is done
    hooked = not torch._C._are_functorch_transforms_active()  # noqa: SLF001  (nothing public)
    if again and hooked and torch.is_grad_enabled():
        # nothing is drawn at random in there
        kept: Tensor = checkpoint(call, *inputs, use_reentrant=False, preserve_rng_state=False)
        return kept
    return call(*inputs)
