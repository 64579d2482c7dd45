#!/bin/sh
# Darcy flow 16x16 with at most the parameters of the host's small FNO (191,881): the config class
# that the plugin adds, at the better of two learning rates.
# Run it in the folder scripts/ of neuraloperator's repository; more options may follow.
exec python train_darcy.py --model wavelit_small2d --model.width 44 --model.depth 3 \
    --model.levels 1 --model.heads 1 --opt.learning_rate 4e-3 "$@"
