#!/bin/sh
# One waveliT-10M of eight 2-D data sets of The Well, which are in the folder named first:
#     transfer_eight.sh /data/datasets --device cuda
# They are 1.65 TB as published, so batches are read from the files. Of the ten 2-D data sets,
# euler_multi_quadrants (5.2 TB) and viscoelastic_instability (trajectories of several lengths) are
# left out.
#
# GPU budget, an estimate that nobody has measured:
#   arithmetic  2.95 MFLOP for a grid point forward and backward, as torch counts the products of
#               waveliT-10M with 3 levels; a sample has 98,304 points on average over the eight
#               (five of 65,536 or less, planetswe and shear_flow 131,072, helmholtz_staircase 262,144)
#   a step      8 samples * 98,304 * 2.95e6 = 2.3 TFLOP; at 20 TFLOP/s, 30 % of what an H100 has in
#               float32, 0.12 s; twice that, 0.23 s, for what is bound by memory and not counted
#   steps       bespoke 8 * 50,000; joint 400,000; tuned 8 * 10,000 for each of four columns; waves
#               2 * 50,000; flows 4 * 50,000: 1,420,000
#   in all      1,420,000 * 0.23 s = 91 h of one H100, of which the joint model takes 26 h.
#               The Well's own baselines had 12 h each, 96 h for eight data sets.
#   left-out    8 * 350,000 steps more and 8 * 10,000 to tune: 184 h, so it is not among the columns
#   reading     8 pairs of 2 frames of some 4 fields: 25 MB a step, 109 MB/s
set -e
well=$1
shift
data=
for name in acoustic_scattering_maze active_matter gray_scott_reaction_diffusion \
    helmholtz_staircase planetswe rayleigh_benard shear_flow turbulent_radiative_layer_2D; do
    data="$data$well/$name,"
done
exec wavelit transfer --data "$data" --out transfer_eight --preset waveliT-10M --stream \
    --steps 50000 --fine-tune-steps 10000 --batch-size 8 --learning-rate 1e-3 \
    --fine-tune-rate 3e-4 --save-every 1000 \
    --columns persistence,bespoke,bespoke+tuned,joint,joint+tuned,waves+tuned,flows+tuned \
    --waves acoustic_scattering_maze,helmholtz_staircase \
    --flows planetswe,rayleigh_benard,shear_flow,turbulent_radiative_layer_2D "$@"
