"""The package itself: its import costs nothing, and its public names are loaded on first use."""

import re
import subprocess
import sys

import pytest

import wavelit_plugin

# the names whose modules exist
PUBLIC = ["__version__", "WaveLiT", "WaveLiTConfig", "WaveletLoss", "dwt", "idwt"]

IMPORT_ONLY = """
import sys
before = set(sys.modules)
import wavelit_plugin
print(*sorted(set(sys.modules) - before))
"""


def run_fresh(code: str) -> str:
    """Run code in a process of its own, as this one has imported everything already."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def test_importing_the_package_imports_nothing_else() -> None:
    assert run_fresh(IMPORT_ONLY).split() == ["wavelit_plugin"]


def test_using_a_name_imports_torch_then() -> None:
    code = "import sys, wavelit_plugin; wavelit_plugin.dwt; print('torch' in sys.modules)"
    assert run_fresh(code).split() == ["True"]


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_resolve(name: str) -> None:
    assert name in wavelit_plugin.__all__
    assert getattr(wavelit_plugin, name) is not None


def test_dir_lists_the_public_names() -> None:
    assert set(wavelit_plugin.__all__) <= set(dir(wavelit_plugin))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'wavelet_los'"):
        getattr(wavelit_plugin, "wavelet_los")  # noqa: B009  (mypy would refuse the attribute)


def test_the_version_is_a_release_number() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", wavelit_plugin.__version__)
