"""The versions of Numba and llvmlite that are accepted."""

import subprocess
import sys
import tomllib
from pathlib import Path

import llvmlite
import numba
import pytest

from numbad.compat import LLVMLITE, NUMBA, Supported

PROJECT = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text())
TRIED = Supported("numba", (2, 5), (2, 7))


def test_these_versions_are_accepted():
    NUMBA.check(numba.__version__)
    LLVMLITE.check(llvmlite.__version__)


@pytest.mark.parametrize("version", ["2.5.0", "2.5.0rc1", "2.6.3"])
def test_versions_between_are_accepted(version):
    TRIED.check(version)


@pytest.mark.parametrize("version, message", [
    ("2.4.9", "needs Numba 2.5 or newer, found 2.4.9: upgrade Numba"),
    ("2.7.0", "was not tested with Numba 2.7.0, only with versions before 2.7: upgrade numbad, or install numba<2.7"),
    ("3.0.0", "was not tested with Numba 3.0.0"),
    ("unknown", "cannot tell whether it works with Numba unknown")])
def test_other_versions_are_refused(version, message):
    with pytest.raises(ImportError, match=message):
        TRIED.check(version)


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_other_versions_are_refused_at_import(package):
    code = f"import {package}; {package}.__version__ = '9.1.0'; import numbad"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: this numbad was not tested with " in done.stderr and "9.1.0" in done.stderr


def test_the_installer_gets_the_same_versions():
    assert {NUMBA.requirement, LLVMLITE.requirement} <= set(PROJECT["project"]["dependencies"])
