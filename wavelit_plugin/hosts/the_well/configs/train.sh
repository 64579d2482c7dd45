#!/bin/sh
# The Well's own script, unmodified, on an acoustic maze that is made first. Run it where the
# repository the_well is; more options may follow, such as model.width=96 or trainer.epochs=20.
wavelit data make acoustics --medium maze --host the_well --out well &&
    exec python the_well/the_well/benchmark/train.py experiment=wavelit server=local \
        data=acoustic_scattering_maze data.well_base_path=well data.batch_size=8 data_workers=1 "$@"
