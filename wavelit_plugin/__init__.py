"""WaveLiT, a small wavelet neural PDE solver, for the trainers people already use.

Importing this package imports nothing else: every public name is loaded when it is first used.
"""

__version__ = "0.1.0"

_PUBLIC = {
    "WaveLiT": "wavelit_plugin.model",
    "WaveLiTConfig": "wavelit_plugin.model",
    "WaveletLoss": "wavelit_plugin.loss",
    "dwt": "wavelit_plugin.wavelets",
    "idwt": "wavelit_plugin.wavelets",
    "activate": "wavelit_plugin.plugins",
    "deactivate": "wavelit_plugin.plugins",
    "report": "wavelit_plugin.plugins",
}
__all__ = [*_PUBLIC, "__version__"]  # noqa: PLE0604  (the keys are the names)


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
