"""Writers into the file formats of hosts; a new host is one more file and one more record."""

from collections.abc import Mapping
from types import MappingProxyType

from wavelit_plugin.data.writers.base import Source, Writer
from wavelit_plugin.data.writers.neuraloperator import NEURALOPERATOR
from wavelit_plugin.data.writers.pdearena import PDEARENA
from wavelit_plugin.data.writers.the_well import THE_WELL
from wavelit_plugin.errors import unknown_name

__all__ = ["WRITERS", "Source", "Writer", "find_writer"]

WRITERS: Mapping[str, Writer] = MappingProxyType(
    {writer.host: writer for writer in (NEURALOPERATOR, PDEARENA, THE_WELL)}
)
"""The writers by host."""


def find_writer(host: str) -> Writer:
    """Return the writer of that host; ConfigError with the nearest name otherwise."""
    if host not in WRITERS:
        raise unknown_name("host", host, WRITERS)
    return WRITERS[host]
