#!/bin/sh
# One model of six small data sets, and the matrix that says what it is worth on each. The data are
# made first: two of waves, one that reacts and diffuses, three of flow, of two to three fields.
# More options may follow, such as --steps 4000, --seeds 3 or --device cuda.
set -e
made="--host the_well --out well --size 64 --frames 21"
wavelit data make acoustics --medium maze $made
wavelit data make acoustics --medium inclusions --boundary periodic $made
wavelit data make gray-scott $made
wavelit data make kolmogorov $made
wavelit data make buoyant-flow $made
wavelit data make shallow-water $made
exec wavelit transfer --data well --out transfer --preset waveliT --steps 1000 --fine-tune-steps 250 \
    --waves acoustic_scattering_maze,acoustic_scattering_inclusions \
    --flows shear_flow,rayleigh_benard,planetswe "$@"
