"""The runnable files of ``configs/``, found in the installed package or in the checkout."""

from __future__ import annotations

import re
from pathlib import Path

import wavelit_plugin
from wavelit_plugin.errors import ConfigError, unknown_name

_WORD = re.compile(r"\bwaveliT\b(?!-)")


def config_root() -> Path:
    """Return the folder with one folder of configurations for each host.

    Raises:
        ConfigError: the installation holds none.
    """
    package = Path(wavelit_plugin.__file__).parent
    for root in (package / "configs", package.parent / "configs"):
        if root.is_dir():
            return root
    raise ConfigError(
        "this installation holds no configurations; install wavelit-plugin anew from a release"
    )


def snippets(host: str, model: str = "waveliT", *, root: Path | None = None) -> dict[str, str]:
    """Return the text of every configuration file of a host by name, for a model.

    Args:
        host: name of a host.
        model: put in the place of ``waveliT`` in the files.
        root: where to look instead of ``config_root()``.

    Raises:
        ConfigError: an unknown host or model, with the nearest name.
    """
    root = root or config_root()
    hosts = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    if host not in hosts:
        raise unknown_name("host", host, hosts)
    _check_model(model)
    # pip compiles the scripts among them
    files = sorted(p for p in (root / host).rglob("*") if p.is_file() and p.suffix != ".pyc")
    return {
        path.relative_to(root / host).as_posix(): _WORD.sub(model, path.read_text(encoding="utf-8"))
        for path in files
    }


def _check_model(model: str) -> None:
    if model == "waveliT":
        return  # known without loading the models, which takes seconds
    from wavelit_plugin.cli.catalogue import model_names

    if model not in model_names():
        raise unknown_name("model", model, model_names())
