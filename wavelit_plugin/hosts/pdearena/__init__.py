"""PDEArena 0.2."""

from importlib import import_module

_NAMES = ("ConditionedWaveLiTFields", "WaveLiTFields")


def __getattr__(name: str) -> object:  # what configurations name is loaded when it is asked for
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.model"), name)
