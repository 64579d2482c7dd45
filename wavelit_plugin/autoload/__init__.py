"""The way into the hosts: registers with a host when it has been imported, and undoes it.

PyTorch (2.5 and later) loads and calls each entry point of the group ``torch.backends`` at the
end of ``import torch``, in every new process. Ours, ``wavelit_plugin.watch_hosts``, posts a sentry
on ``sys.meta_path`` and returns. The sentry wakes the watch (``watch.py``) when an import concerns
a host; the watch keeps one ``Entry`` for each ``HostRecord``. In a process that never imports a
host and has no switch set, nothing of this folder is imported.
"""

from wavelit_plugin import SENTRY, may_be_host, when_built

__all__ = ["SENTRY", "may_be_host", "when_built"]
