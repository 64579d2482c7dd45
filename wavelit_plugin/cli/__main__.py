"""``python -m wavelit_plugin.cli``: the command where no script is on the path."""

import sys

from wavelit_plugin.cli import main

sys.exit(main())
