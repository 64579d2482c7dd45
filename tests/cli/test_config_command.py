"""``wavelit config``: prints the ready files of a host, for any model."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from wavelit_plugin.cli import main
from wavelit_plugin.cli.config import snippets
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import PRESETS
from wavelit_plugin.plugins import find_configs
from wavelit_plugin.plugins.manager import plugin_manager
from wavelit_plugin.plugins.specs import hookimpl
from wavelit_plugin.plugins.types import ConfigFolder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The configurations of a third party's host."""

    @hookimpl
    def wavelit_configs() -> list[ConfigFolder]:
        return [ConfigFolder(name="somehost", folder=tmp_path)]

    (tmp_path / "b.sh").write_text("train --arch waveliT --name my-waveliT-run\n", encoding="utf-8")
    text = "get('waveliT'); get('waveliT-4M')  # wavelit\n"
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    plugin = SimpleNamespace(wavelit_configs=wavelit_configs)
    plugin_manager().register(plugin)
    yield tmp_path
    plugin_manager().unregister(plugin)


@pytest.mark.usefixtures("folder")
def test_the_files_of_the_host_are_printed_in_order() -> None:
    assert list(snippets("somehost")) == ["a.py", "b.sh"]


def test_without_a_model_the_files_are_as_they_are(folder: Path) -> None:
    for name, text in snippets("somehost").items():
        assert text == (folder / name).read_text(encoding="utf-8")


@pytest.mark.usefixtures("folder")
def test_a_model_takes_the_place_of_the_word_waveliT_only() -> None:  # noqa: N802
    found = snippets("somehost", "waveliT-10M")
    assert found["a.py"] == "get('waveliT-10M'); get('waveliT-4M')  # wavelit\n"
    assert found["b.sh"].startswith("train --arch waveliT-10M ")


@pytest.mark.usefixtures("folder")
def test_unknown_names_are_errors_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'somehost'"):
        snippets("somhost")
    with pytest.raises(ConfigError, match="did you mean 'waveliT-4M'"):
        snippets("somehost", "waveliT4M")


def test_a_known_model_costs_no_import_of_pytorch() -> None:
    code = (
        "import sys; from wavelit_plugin.cli.config import snippets\n"
        "for host in ('neuraloperator', 'pdearena', 'the_well'): assert snippets(host)\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("model", PRESETS)
def test_the_command_prints_every_file_of_neuraloperator(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "neuraloperator", "--model", model]) == 0
    shown = capsys.readouterr().out
    for path in find_configs("neuraloperator").folder.iterdir():
        assert f"# ---- {path.name}\n" in shown
    assert model in shown
    compile_python(shown)


def compile_python(shown: str) -> None:
    """Each printed Python file still is one."""
    for part in shown.split("# ---- ")[1:]:
        name, _, text = part.partition("\n")
        if name.endswith(".py"):
            compile(text, name, "exec")
