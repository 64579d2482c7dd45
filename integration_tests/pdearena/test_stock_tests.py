"""PDEArena's own tests, from its checkout, with our names among those of its registries.

Of tests/test_model_registry.py and tests/test_cond_model_registry.py all cases with our names run,
of tests/test_pdemodel.py those that helpers/our_names.py keeps. The first hands a 2-D field to
every name of the registry, also to its two 3-D models, which therefore fail with and without us;
ours, waveliT-Maxwell3D, fails there likewise, by an error that says why.
"""

from __future__ import annotations

import re

import pytest

from integration_tests.conftest import Run
from integration_tests.pdearena.conftest import Checkouts

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

# neither its cache nor byte code is written into the checkout
PYTEST = ("-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore")


def outcome(shown: str) -> dict[str, int]:
    """Return pytest's counts."""
    return {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed)", shown)}


def test_its_registries_build_our_models(host_run: Run, checkouts: Checkouts) -> None:
    files = [
        checkouts.pdearena / "tests" / f"test_{kind}model_registry.py" for kind in ("", "cond_")
    ]
    # of those for periodic domains, which differ by a knob, the first
    names = "waveliT and not Maxwell and not M-periodic"
    done = host_run(*PYTEST, "-k", names, *files, cwd=checkouts.pdearena)
    # five names in one registry; in the other five with and without a parameter
    assert outcome(done.stdout) == {"passed": 5 + 10}


def test_its_registry_test_does_not_know_3d_models(host_run: Run, checkouts: Checkouts) -> None:
    file = checkouts.pdearena / "tests" / "test_model_registry.py"
    names = "Maxwell and not periodic"
    done = host_run(*PYTEST, "-k", names, file, cwd=checkouts.pdearena, code=1)
    assert outcome(done.stdout) == {"failed": 3}
    assert "ShapeError: waveliT was built for 4 frames of 6 fields on 3 axes" in done.stdout


def test_its_lightning_modules_take_our_models(host_run: Run, checkouts: Checkouts) -> None:
    file = checkouts.pdearena / "tests" / "test_pdemodel.py"
    done = host_run(*PYTEST, "-p", "our_names", file, cwd=checkouts.pdearena, timeout=600)
    # 2-D: four criteria, two pairs of history and roll-out, two sets of fields; 3-D: one case
    assert outcome(done.stdout) == {"passed": 4 * 2 * 2 + 1}
