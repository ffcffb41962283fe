"""Derivatives kept on disk: found again in a second process, and never when anything changed.

Each test runs `cached_program.py` in fresh processes, in a folder of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from numba import njit
from numba.core.errors import NumbaWarning

import numbad as nd
from numbad.disk import Disk

PROGRAM = Path(__file__).with_name("cached_program.py")
HELPER = """
from numba import njit

class Refused(Exception):
    pass

@njit
def helped(x):
    return 5.0 * x * x
"""
RIGHT = {
    "grad": [12.0], "second": [12.0], "jvp": [[8.0, 12.0]], "jvp of grad": [[12.0, 12.0]], "helper": [20.0],
    "global": [2.0], "table": [2.0], "fastmath": [1.0], "boundscheck": [2.0], "error_model": [3.0],
    "kernel": [[[[0.25, 2.25]], [[0.0, 0.0], [2.0, 9.0]]]],
    "raising": [4.0, ["ValueError", "negative", -0.5], ["Refused", "below"]], "printing": [2.0], "inner": [36.0],
    "decorated": [12.0], "double": [8.0], "triple": [12.0],
}


class Run(NamedTuple):
    said: dict
    printed: str

    def results(self) -> dict:
        return {name: one["results"] for name, one in self.said["derivatives"].items()}

    def missed(self) -> set[str]:
        derivatives = self.said["derivatives"].items()
        assert all(one["hits"] + one["misses"] == 1 for _, one in derivatives)
        return {name for name, one in derivatives if one["misses"]}


def start(folder: Path, **environment: str) -> subprocess.Popen:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA")}
    paths = [str(Path(nd.__file__).parents[1]), str(folder), *sys.path]
    settings = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen([sys.executable, str(folder / PROGRAM.name)], env={**ours, **settings, **environment},
                            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> Run:
    printed, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return Run(json.loads(said), printed)


def run(folder: Path, **environment: str) -> Run:
    return finish(start(folder, **environment))


def program_in(folder: Path) -> Path:
    shutil.copy(PROGRAM, folder)
    (folder / "cached_helper.py").write_text(HELPER)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.fixture
def folder(tmp_path):
    return program_in(tmp_path)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> tuple[Path, Run]:
    """A folder in which everything was compiled, and what the process said that did it."""
    folder = program_in(tmp_path_factory.mktemp("full"))
    return folder, run(folder)


def test_second_process_computes_nothing(full):
    folder, first = full
    assert {name: result for name, result in first.results().items() if name in RIGHT} == RIGHT
    assert first.missed() == set(first.results())
    second = run(folder, BLOCKED="1")
    assert second.missed() == set()
    assert second.results() == first.results()
    assert second.said["shadow"] == first.said["shadow"]
    assert second.printed == first.printed == "printed 2.0\n"
    assert not second.said["warnings"]


def test_functions_of_one_name_from_two_processes(folder):
    """Numba's symbols are the same where two processes compile equally much before; the first of a name would win."""
    for name in ("grad", "double", "triple"):  # the first leaves what both others find
        run(folder, ONLY=name)
    both = run(folder, ONLY="double,triple", BLOCKED="1")
    assert both.missed() == set()
    assert both.results() == {"double": [8.0], "triple": [12.0]} and both.said["both"] == [8.0, 12.0]


def test_what_holds_an_address_is_not_kept(full):
    folder, first = full
    assert first.said["large"] == 3.0
    assert any('"grad(with_large)" as it uses dynamic globals' in warning for warning in first.said["warnings"])
    assert not list(folder.rglob("numbad-grad-*with_large*"))


@pytest.mark.parametrize("extended", ["", "1"], ids=["recalled", "lowered"])
def test_changes_outside_of_the_file(folder, extended):
    """Of a callee in another module, a global number, a global array, and options, at once; the rest is found."""
    options = {"fastmath": True, "boundscheck": True, "error_model": "numpy"}
    common = {"ONLY": ",".join(["grad", "helper", "global", "table", "double", *options]), "EXTENDED": extended}
    assert run(folder, **common).missed() == set(common["ONLY"].split(","))
    edit(folder / "cached_helper.py", "5.0 * x", "7.0 * x")
    changed = {**common, "SCALE": "3", "OPTIONS": json.dumps({name: {name: value} for name, value in options.items()})}
    after = run(folder, **changed)
    assert after.missed() == {"helper", "global", "table", *options}
    assert after.results() == {"grad": [12.0], "helper": [28.0], "global": [3.0], "table": [3.0],
                               "double": [8.0], "fastmath": [1.0], "boundscheck": [2.0], "error_model": [3.0]}
    if extended:  # otherwise as in the test above
        again = run(folder, BLOCKED="1", **changed)
        assert again.missed() == set() and again.results() == after.results()


@pytest.mark.slow
def test_changes_of_the_file_and_of_numbad(folder):
    run(folder, ONLY="grad")
    other = run(folder, ONLY="grad", STAMP="another numbad")
    assert other.missed() == {"grad"} and other.results() == {"grad": [12.0]}
    edit(folder / PROGRAM.name, "return x**3", "return x**4")
    edited = run(folder, ONLY="grad", STAMP="another numbad")
    assert edited.missed() == {"grad"} and edited.results() == {"grad": [32.0]}


def damage_index(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damage_data(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))


@pytest.mark.slow
def test_damaged_files(folder):
    kinds = "grad,helper,jvp"
    run(folder, ONLY=kinds)
    found = {path.name: path for path in folder.rglob("numbad-*.nb?")}
    for name, path in found.items():
        if "by_helper" in name and name.endswith(".nbi"):
            damage_index(path)
        elif "jvp" in name and name.endswith(".nbc"):
            damage_data(path)
        elif "numbad-grad" in name:
            path.write_bytes(b"")
    damaged = run(folder, ONLY=kinds)
    assert damaged.missed() == {"grad", "helper", "jvp"}
    assert damaged.results() == {name: RIGHT[name] for name in kinds.split(",")}
    assert run(folder, ONLY=kinds, BLOCKED="1").missed() == set()


@pytest.mark.slow
def test_processes_that_write_at_once(folder):
    kinds = "double,triple,grad"
    for one in list(map(finish, [start(folder, ONLY=kinds) for _ in range(2)])):
        assert one.results() == {name: RIGHT[name] for name in kinds.split(",")}
    # Numba may have lost an entry of two that were written at the same time, no more.
    assert run(folder, ONLY=kinds).results() == {name: RIGHT[name] for name in kinds.split(",")}


@pytest.mark.slow
def test_a_folder_that_cannot_be_written(folder):
    (folder / "__pycache__").write_text("no folder")
    elsewhere = str(folder / "cache")
    first = run(folder, ONLY="grad", XDG_CACHE_HOME=elsewhere)
    assert first.missed() == {"grad"}
    assert first.said["derivatives"]["grad"]["path"].startswith(elsewhere)
    assert run(folder, ONLY="grad", XDG_CACHE_HOME=elsewhere, BLOCKED="1").missed() == set()


def sample(x):
    return x


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "cache"))
    return Disk(sample, "test")


def test_an_entry_is_read_under_its_own_key_only(disk):
    """Two processes that write at once may both take the same file, and Numba's index then names only one of them."""
    disk.write("one", 1)
    disk.write("other", 2)
    one, other = sorted(Path(disk.place).glob("numbad-test-*.nbc"))
    shutil.copy(other, one)
    assert disk.read("one") is None and disk.read("other") == 2 and disk.read("third") is None
    disk.write("one", 1)
    assert disk.read("one") == 1


def test_a_place_that_went_away(disk):
    folder = Path(disk.place)
    shutil.rmtree(folder)
    folder.write_text("no folder")
    with pytest.warns(NumbaWarning, match="Cannot keep compiled derivatives in"):
        disk.write("key", 1)
    assert disk.read("key") is None


def test_a_file_that_went_away(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "gone.py"
    path.write_text("def f(x):\n    return x * x\n")
    scope = {"__name__": "gone"}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    function = njit(cache=True)(scope["f"])
    path.unlink()
    with pytest.warns(NumbaWarning, match=r"grad\(f\) is not kept on disk"):
        assert nd.grad(function)(3.0) == 6.0


def test_functions_that_numba_does_not_cache():
    uncached = njit(sample)
    assert nd.grad(uncached)(1.0) == 1.0
    assert nd.grad(uncached).stats.cache_path is None


def test_functions_as_arguments_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    outer = njit(cache=True)(lambda f, x: f(x) * x)
    assert nd.grad(outer, "x")(njit(sample), 3.0) == 6.0
    assert not list(tmp_path.rglob("numbad-grad-*"))
