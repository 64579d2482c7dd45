"""The WaveLiT model, to be read in this order.

The four components of the paper: ``tokenizer`` with ``embedding``, ``attention`` with ``block``,
``pyramid``, and the loss in ``wavelit_plugin.loss``. ``wavelit`` puts them together.

Beyond the paper: ``normalizer`` (statistics and persistence of the data), ``long_waves`` (the
positional kernel), ``texture``, ``resolution``, ``conditions``, ``input_noise``, ``joint``.
"""

from wavelit_plugin.model.config import PRESETS, WaveLiTConfig
from wavelit_plugin.model.joint import JointWaveLiT
from wavelit_plugin.model.layout import ChannelLayout
from wavelit_plugin.model.members import Member
from wavelit_plugin.model.wavelit import WaveLiT

__all__ = ["PRESETS", "ChannelLayout", "JointWaveLiT", "Member", "WaveLiT", "WaveLiTConfig"]
