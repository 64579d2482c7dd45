"""Train a model of wavelit in hello_trainer on frames of your own."""

import hello_trainer
import torch

frames = torch.load("frames.pt")  # (frame, x, y, field)
print(*hello_trainer.train("waveliT", frames, steps=100, criterion="wavelet"))
