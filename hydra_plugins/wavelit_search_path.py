"""Makes ``model=wavelit`` and ``experiment=wavelit`` known to Hydra in The Well's scripts."""

import sys

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

PROVIDER = "wavelit"


class WaveLiTSearchPath(SearchPathPlugin):  # type: ignore[misc]  # Hydra is not among the tools
    """Appends our configurations to the search path of a program that imported The Well.

    Hydra asks every plugin in every program that uses it; others are left as they are.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append our folder once."""
        held = (element.provider for element in search_path.get_path())
        if "the_well" not in sys.modules or PROVIDER in held:
            return
        from wavelit_plugin.plugins import find_configs

        search_path.append(PROVIDER, find_configs("the_well").folder.as_uri())
