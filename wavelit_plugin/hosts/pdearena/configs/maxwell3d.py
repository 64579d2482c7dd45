"""PDEArena's scripts/train.py for Maxwell's equations: its 3-D module, and no test afterwards.

python maxwell3d.py -c maxwell3d.yaml --data.data_dir DATA
"""

from pdearena.data.datamodule import PDEDataModule
from pdearena.models.pdemodel import Maxwell3DPDEModel
from pdearena.utils import PDECLI


def main() -> None:
    """Train as the configuration says."""
    cli = PDECLI(
        Maxwell3DPDEModel,
        datamodule_class=PDEDataModule,
        seed_everything_default=42,
        save_config_kwargs={"overwrite": True},
        run=False,
        parser_kwargs={"parser_mode": "omegaconf"},
    )
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


if __name__ == "__main__":
    main()
