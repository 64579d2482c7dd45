"""The last linear map of a residual branch, and how far the branch steps."""

import torch.nn.functional as F  # noqa: N812  (torch's own idiom)
from torch import Tensor, nn

from wavelit_plugin.shapes import Tokens


class StepLinear(nn.Linear):
    """A linear map whose result is multiplied by a step of each feature.

    The weights are multiplied, which are small, not the tokens. Only a step that differs from
    sample to sample has to wait for the result.
    """

    def forward(self, x: Tokens, step: Tensor) -> Tokens:  # type: ignore[override]
        """Map (..., features), given a step (features,) or one that broadcasts to the result."""
        if step.ndim == 1:
            return F.linear(x, self.weight * step[:, None], self.bias * step)
        return super().forward(x) * step
