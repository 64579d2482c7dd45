"""``wavelit config``: what to write or type so that a host trains a WaveLiT."""

from __future__ import annotations

import re

import click

from wavelit_plugin.cli.output import show_verbatim
from wavelit_plugin.errors import unknown_name

_WORD = re.compile(r"\bwaveliT\b(?!-)")


@click.command("config")
@click.argument("host")
@click.option(
    "--model", default="waveliT", show_default=True, help="A name of wavelit list models."
)
def command(*, host: str, model: str) -> None:
    """Print ready snippets for HOST: commands and configuration files."""
    for name, text in snippets(host, model).items():
        show_verbatim(f"{click.style(f'# ---- {name}', bold=True)}\n{text.rstrip()}\n")


def snippets(host: str, model: str = "waveliT") -> dict[str, str]:
    """Return the text of every configuration file of a host by name, for a model.

    Args:
        host: name of a host.
        model: put in the place of ``waveliT`` in the files.

    Raises:
        ConfigError: an unknown host or model, with the nearest name.
    """
    from wavelit_plugin.plugins import find_configs  # --help imports nothing heavy

    folder = find_configs(host).folder
    _check_model(model)
    # pip compiles the scripts among them
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc")
    return {
        path.relative_to(folder).as_posix(): _WORD.sub(model, path.read_text(encoding="utf-8"))
        for path in files
    }


def _check_model(model: str) -> None:
    if model == "waveliT":
        return  # known without loading the models, which takes seconds
    from wavelit_plugin.cli.catalogue import model_names

    if model not in model_names():
        raise unknown_name("model", model, model_names())
