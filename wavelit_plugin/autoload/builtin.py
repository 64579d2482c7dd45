"""The hosts that come with this package: data only. A new host is a new record.

A module that is watched here is also named in ``wavelit_plugin.WATCHED``, so that
nothing but names is in memory until a host is imported.
"""

from wavelit_plugin.autoload.records import HostRecord

BUILTIN: tuple[HostRecord, ...] = (
    HostRecord(
        host="neuraloperator",
        distribution="neuraloperator",
        versions=">=2.0,<3",
        watched="neuralop.models.base_model",
        adapter="wavelit_plugin.hosts.neuraloperator:register_models",
        package="neuralop",
    ),
    HostRecord(
        host="neuraloperator",
        distribution="neuraloperator",
        versions=">=2.0,<3",
        watched="config.models",
        adapter="wavelit_plugin.hosts.neuraloperator:register_configs",
        package="neuralop",
        beside=("zencfg",),  # any project may call a module config.models
    ),
    HostRecord(
        host="neuraloperator",
        distribution="neuraloperator",
        versions=">=2.0,<3",
        watched="neuralop.training.trainer",
        adapter="wavelit_plugin.hosts.neuraloperator:register_criterion",
        package="neuralop",
        only_if=("WAVELIT_CRITERION", "no criterion asked for"),
    ),
    *(
        HostRecord(
            host="pdearena",
            distribution="pdearena",
            versions=">=0.2,<0.3",
            watched=f"pdearena.models.{module}",
            adapter=f"wavelit_plugin.hosts.{adapter}",
            package="pdearena.version",
            needs=(("pytorch-lightning", ">=1.7,<2"),),
        )
        for module, adapter in (
            ("registry", "pdearena:register_models"),
            ("pdemodel", "pdearena_training:register_training"),
            ("cond_pdemodel", "pdearena_training:register_training"),
        )
    ),
)
