"""What the hand-written gradients share.

A Function here states its formula as a pure ``forward``, what it keeps in ``setup_context``, and a
``backward`` that may itself be differentiated. The compiler is given the formula alone: it derives
and fuses the gradient itself.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def evaluate(function: type[torch.autograd.Function], *inputs: Any) -> Any:
    """Apply a Function, or under the compiler its formula."""
    if torch.compiler.is_compiling():
        return function.forward(*inputs)
    return function.apply(*inputs)


def write(place: Tensor, operation: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Set ``place``, a view of a buffer, to ``operation(*inputs)``.

    Without a temporary that is copied, except where operations are recorded: autograd refuses
    ``out=``, and the compiler does without.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        place.copy_(operation(*inputs))
    else:
        operation(*inputs, out=place)
