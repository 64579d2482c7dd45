#!/bin/sh
# Darcy flow with neuraloperator's own script, unmodified: its FNO config with one word changed.
# Run it in the folder scripts/ of neuraloperator's repository; more options may follow.
exec python train_darcy.py --model.model_arch waveliT "$@"
