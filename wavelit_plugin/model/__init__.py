"""The WaveLiT model: configuration, tokenizer, blocks, pyramid, statistics and checkpoints."""

from wavelit_plugin.model.config import PRESETS, WaveLiTConfig
from wavelit_plugin.model.joint import JointWaveLiT
from wavelit_plugin.model.layout import ChannelLayout
from wavelit_plugin.model.members import Member
from wavelit_plugin.model.wavelit import WaveLiT

__all__ = ["PRESETS", "ChannelLayout", "JointWaveLiT", "Member", "WaveLiT", "WaveLiTConfig"]
