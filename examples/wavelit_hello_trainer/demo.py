"""Train two steps in hello_trainer, which knows neither this model nor this criterion."""

import warnings

import hello_trainer
import torch

import wavelit_plugin

# hello_trainer shows a model no target; for two steps it does not matter
warnings.filterwarnings("ignore", "the scale of the output is not known")

time, x, y = torch.meshgrid(torch.arange(9) / 8, *[torch.arange(16) / 16] * 2, indexing="ij")
wave = torch.sin(2 * torch.pi * (x + y - time))
frames = torch.stack([wave, wave.roll(4, dims=1)], dim=-1)  # (frame, x, y, field)

print("models:", *hello_trainer.MODELS)
print("criteria:", *hello_trainer.CRITERIA)
print("waveliT:", *hello_trainer.train("waveliT", frames, steps=2, criterion="wavelet"))
print("waveliT-tiny:", *hello_trainer.train("waveliT-tiny", frames, steps=2, criterion="l1"))

wavelit_plugin.deactivate()
print("without us:", *hello_trainer.MODELS, *hello_trainer.CRITERIA)
