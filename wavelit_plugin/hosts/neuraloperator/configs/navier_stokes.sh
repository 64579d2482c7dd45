#!/bin/sh
# Forced Navier-Stokes on a periodic square with neuraloperator's own script, unmodified, and the
# wavelet-domain loss beside the script's own.
# Run it in the folder scripts/ of neuraloperator's repository; more options may follow.
exec wavelit run --criterion wavelet train_navier_stokes.py \
    --model wavelit_small2d --model.model_arch waveliT --model.boundary periodic "$@"
