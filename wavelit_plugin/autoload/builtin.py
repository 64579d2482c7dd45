"""The hosts that come with this package: data only. A new host is a new record.

A module that is watched here is also named in ``wavelit_plugin.WATCHED``, so that
nothing but names is in memory until a host is imported.
"""

from functools import partial

from wavelit_plugin.autoload.records import HostRecord
from wavelit_plugin.autoload.switches import CRITERION

_NEURALOPERATOR = partial(
    HostRecord,
    host="neuraloperator",
    distribution="neuraloperator",
    versions=">=2.0,<3",
    package="neuralop",
)

_PDEARENA = partial(
    HostRecord,
    host="pdearena",
    distribution="pdearena",
    versions=">=0.2,<0.3",
    package="pdearena.version",
    # its shipped files need 1.7, its epoch-end hooks less than 2
    needs=(("pytorch-lightning", ">=1.7,<2"),),
)

# its models and losses are classes that its configurations name: only what its Trainer does not
# tell them needs a registration
_THE_WELL = partial(
    HostRecord,
    host="the_well",
    distribution="the_well",
    versions=">=1.2,<1.3",
    package="the_well",
)

BUILTIN: tuple[HostRecord, ...] = (
    _NEURALOPERATOR(
        watched="neuralop.models.base_model",
        adapter="wavelit_plugin.hosts.neuraloperator.model:register_models",
    ),
    _NEURALOPERATOR(
        watched="config.models",
        adapter="wavelit_plugin.hosts.neuraloperator.registration:register_configs",
        beside=("zencfg",),  # any project may call a module config.models
    ),
    _NEURALOPERATOR(
        watched="neuralop.training.trainer",
        adapter="wavelit_plugin.hosts.neuraloperator.registration:register_criterion",
        only_if=(CRITERION, "no criterion asked for"),
        training="Trainer.train",
    ),
    _PDEARENA(
        watched="pdearena.models.registry",
        adapter="wavelit_plugin.hosts.pdearena.model:register_models",
    ),
    _PDEARENA(
        watched="pdearena.models.pdemodel",
        adapter="wavelit_plugin.hosts.pdearena.training:register_training",
        training="PDEModel.__init__",
    ),
    _PDEARENA(
        watched="pdearena.models.cond_pdemodel",
        adapter="wavelit_plugin.hosts.pdearena.training:register_training",
        training="CondPDEModel.__init__",
    ),
    _THE_WELL(
        watched="the_well.benchmark.trainer.training",
        adapter="wavelit_plugin.hosts.the_well.training:register_targets",
    ),
    _THE_WELL(
        watched="the_well.benchmark.trainer.training",
        adapter="wavelit_plugin.hosts.the_well.training:register_criterion",
        only_if=(CRITERION, "no criterion asked for"),
        training="Trainer.train",
    ),
)
