"""Training and rolling out so that errors do not grow: for any module that advances fields.

A step maps (batch, frame * field + constant, *space), frames oldest first, to the next frame or
frames (batch, frame_out * field, *space), in one to three space axes.
"""

from wavelit_plugin.stability.band_noise import BandNoise, band_noise, band_power
from wavelit_plugin.stability.cycle_shift import cycle_offsets, cycle_shift
from wavelit_plugin.stability.push_forward import in_evaluation, push_forward

__all__ = [
    "BandNoise",
    "band_noise",
    "band_power",
    "cycle_offsets",
    "cycle_shift",
    "in_evaluation",
    "push_forward",
]
