"""What developers of the engine see: the switches, and the report of a failure of ours."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from numba import njit
from numba.core import types

import numbad as nd
from numbad.derive import derive
from numbad.passes import case, pipeline
from numbad.passes.derivative import forward
from numbad.passes.diagnostics import Bug
from numbad.passes.ir.verifier import VerificationError
from numbad.request import Request


def cube():
    @njit
    def cube(x):
        return x * x * x

    return cube


def test_times_of_the_stages(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("NUMBAD_TIME", "1")
    assert nd.grad(cube())(2.0) == 12.0
    out, err = capfd.readouterr()
    assert out == ""
    assert re.findall(r"^numbad: (\w+) +[\d.]+ ms$", err, re.M) == [
        "lower", "prepare", "parse", "analyse", "write", "finish", "link"]


def test_code_after_a_stage(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("NUMBAD_PRINT_AFTER", "parse,write")
    assert nd.grad(cube())(2.0) == 12.0
    out, err = capfd.readouterr()
    assert out == ""
    parsed, written = err.split("source_filename")[1:]
    assert "fmul double" in parsed and pipeline.PLACEHOLDER not in parsed
    assert f"@{pipeline.PLACEHOLDER}(" in written


@pytest.mark.parametrize("value", ["", "0"])
def test_silent_without_a_switch(value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    for switch in ("NUMBAD_TIME", "NUMBAD_PRINT_AFTER", "NUMBAD_VERIFY", "NUMBAD_CHECK"):
        monkeypatch.setenv(switch, value)
    assert nd.grad(cube())(2.0) == 12.0
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def broken_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward mode forgets the terminator of the last block."""
    def write(facts, name, options):
        derivative = forward.write_forward(facts, name, options)
        derivative.blocks[-1].terminator.detach()
        return derivative

    monkeypatch.setattr(pipeline, "write_forward", write)


def test_the_verifier_looks_between_stages(broken_writer: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBAD_VERIFY", "1")
    with pytest.raises(nd.EngineError, match="failed after write on .*cube: VerificationError") as caught:
        nd.jvp(cube())((2.0,), (1.0,))
    assert isinstance(caught.value.__cause__, VerificationError)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def command(error: nd.EngineError) -> list[str]:
    return shlex.split(str(error).splitlines()[-1])


def test_a_failure_can_be_had_again(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage, the user's line, and a command that does the same without Numba: here the engine works again."""
    f = cube()

    def fail(facts):
        raise Bug("nothing is as it was")

    with monkeypatch.context() as broken:
        broken.setattr(pipeline, "check", fail)
        with pytest.raises(nd.EngineError, match="failed after analyse on .*cube: Bug: nothing is as it was") as caught:
            nd.vjp(f)((2.0,), 1.0)
    line = f.py_func.__code__.co_firstlineno
    assert f"{__file__}:{line}, in " in str(caught.value)
    (file,) = kept.iterdir()
    assert command(caught.value) == [sys.executable, "-m", "numbad.passes", str(file)]
    done = subprocess.run(command(caught.value), capture_output=True, text=True, check=True, cwd=kept)
    derivative = derive(f, (types.float64,), Request("reverse", (True,)))
    assert done.stdout == derivative.text + "\n"


def test_the_same_failure_comes_again(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that the engine cannot read."""
    with monkeypatch.context() as broken:
        broken.setattr("numbad.frontend._without_addresses", lambda text: text.replace(" fmul ", " fmall ", 1))
        with pytest.raises(nd.EngineError, match="failed at the start|failed after lower") as caught:
            nd.grad(cube())(2.0)
    done = subprocess.run(command(caught.value), capture_output=True, text=True, cwd=kept)
    assert done.returncode == 1 and "fmall" in done.stderr and "fmall" in str(caught.value)


def test_no_room_for_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setattr(pipeline, "check", lambda facts: 1 / 0)
    message = r"failed after analyse(.|\n)*Please report it\. .* could not be kept"
    with pytest.raises(nd.EngineError, match=message) as caught:
        nd.grad(cube())(2.0)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("text", ["", "define void @f() {\n}\n", "; numbad {}\n"])
def test_files_that_are_no_requests(text: str) -> None:
    with pytest.raises(ValueError, match="does not begin with|another version"):
        case.read(text)
