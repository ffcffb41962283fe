"""The README is true: its example prints what it shows, its links lead somewhere, its switches exist."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")


def test_example_prints_what_is_shown():
    example, shown = re.search(r"```python\n(.*?)```\s+```\n(.*?)```", README, re.DOTALL).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example, "the example of README.md", "exec"), {"__name__": "example"})
    assert NUMBER.sub("#", printed.getvalue()) == NUMBER.sub("#", shown)
    # Mathematical functions differ in the last digit between machines.
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (printed.getvalue(), shown)]
    assert numbers[0]
    np.testing.assert_allclose(*numbers, rtol=1e-7)


PROSE = re.sub(r"```.*?```|`[^`]*`", "", README, flags=re.DOTALL)


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)]+)\)", PROSE))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:[a-z]+/)+[a-z_]*(?:\.py)?|\.ci/run)`", README))))
def test_files_and_folders_exist(name):
    assert (ROOT / name).exists()


def test_switches_are_those_of_the_code():
    files = [*(ROOT / "numbad").glob("*.py"), *(ROOT / "passes").rglob("*.py")]
    known = {name for path in files for name in re.findall(r"NUMBAD_[A-Z_]+", path.read_text(encoding="utf-8"))}
    assert set(re.findall(r"NUMBAD_[A-Z_]+", README)) == known
