"""``wavelit config``: prints the files of ``configs/``, for any model."""

from pathlib import Path

import pytest

from wavelit_plugin.cli import main
from wavelit_plugin.cli.snippets import config_root, snippets
from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import PRESETS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "somehost"
    folder.mkdir()
    (folder / "b.sh").write_text("train --arch waveliT --name my-waveliT-run\n", encoding="utf-8")
    (folder / "a.py").write_text("get('waveliT'); get('waveliT-4M')  # wavelit\n", encoding="utf-8")
    return tmp_path


def test_the_files_of_the_host_are_printed_in_order(root: Path) -> None:
    assert list(snippets("somehost", root=root)) == ["a.py", "b.sh"]


def test_without_a_model_the_files_are_as_they_are(root: Path) -> None:
    for name, text in snippets("somehost", root=root).items():
        assert text == (root / "somehost" / name).read_text(encoding="utf-8")


def test_a_model_takes_the_place_of_the_word_waveliT_only(root: Path) -> None:  # noqa: N802
    found = snippets("somehost", "waveliT-10M", root=root)
    assert found["a.py"] == "get('waveliT-10M'); get('waveliT-4M')  # wavelit\n"
    assert found["b.sh"].startswith("train --arch waveliT-10M ")


def test_unknown_names_are_errors_with_the_nearest(root: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'somehost'"):
        snippets("somhost", root=root)
    with pytest.raises(ConfigError, match="did you mean 'waveliT-4M'"):
        snippets("somehost", "waveliT4M", root=root)


@pytest.mark.parametrize("model", PRESETS)
def test_the_command_prints_every_file_of_neuraloperator(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "neuraloperator", "--model", model]) == 0
    shown = capsys.readouterr().out
    for path in (config_root() / "neuraloperator").iterdir():
        assert f"# ---- {path.name}\n" in shown
    assert model in shown
    compile_python(shown)


def compile_python(shown: str) -> None:
    """Each printed Python file still is one."""
    for part in shown.split("# ---- ")[1:]:
        name, _, text = part.partition("\n")
        if name.endswith(".py"):
            compile(text, name, "exec")
