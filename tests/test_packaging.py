"""The wheel holds what the checkout holds: setuptools drops a package missing from its explicit list without a word."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def packages_in(folder, name):
    """Packages below a folder by the name they are installed as; the link numbad/passes is not a second copy."""
    found = {name} if (folder / "__init__.py").exists() else set()
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            found |= packages_in(child, f"{name}.{child.name}")
    return found


def test_every_package_is_listed():
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == packages_in(ROOT / "numbad", "numbad") | packages_in(ROOT / "passes", "numbad.passes")


def test_every_module_lies_in_a_package():
    for folder in (ROOT / "numbad", ROOT / "passes"):
        for path in folder.rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), f"{path.relative_to(ROOT)} would not be installed"


def test_link_for_tools_that_read_the_checkout():
    link = ROOT / "numbad" / "passes"
    if not link.is_symlink() and link.is_file():
        pytest.skip("this checkout has no symbolic links; the build mapping does not need them")
    assert link.resolve() == ROOT / "passes"


def test_packaged_files_exist():
    for package, patterns in PROJECT["tool"]["setuptools"]["package-data"].items():
        for pattern in patterns:
            assert list((ROOT / package).glob(pattern)), f"{package}: nothing matches {pattern}"


def test_numba_finds_the_entry_point():
    module, name = PROJECT["project"]["entry-points"]["numba_extensions"]["init"].split(":")
    assert callable(getattr(__import__(module), name))


def test_version_stands_in_one_place():
    version = PROJECT["project"]["version"]
    for folder in (ROOT / "numbad", ROOT / "passes"):
        for path in folder.rglob("*.py"):
            assert f'"{version}"' not in path.read_text(encoding="utf-8"), path.relative_to(ROOT)
