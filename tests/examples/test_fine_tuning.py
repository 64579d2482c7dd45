"""The recipe for fine-tuning runs, helps, and the document says what it prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.conftest import EXAMPLES, Run

DOCUMENT = EXAMPLES.parent / "docs" / "fine-tuning.md"


def test_the_recipe_beats_old_statistics_and_no_pre_training(run: Run, tmp_path: Path) -> None:
    done = run(EXAMPLES / "fine_tuning" / "fine_tune.py", cwd=tmp_path)
    assert done.stderr == ""
    lines = re.findall(r"^(.+?)\s+([\d.]+)$", done.stdout, re.MULTILINE)
    errors = {name: float(value) for name, value in lines}
    assert errors["fine-tuned"] < 0.5 * errors["from scratch"] < 0.5 * errors["as it is"]
    table = re.findall(
        r"^\| .* \| ([\d.]+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    documented = [errors[name] for name in ("as it is", "fine-tuned", "from scratch")]
    # of training in float32, which other machines round otherwise
    assert documented == pytest.approx([float(value) for value in table], rel=0.3)
