"""Bad input is answered by a Python exception of the right class with the right words; the interpreter never dies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from api.bad_input import CASES


@cache
def answers() -> dict[str, dict]:
    """What a process of its own said to all cases, one after the other; those after a crash are missing."""
    script = Path(__file__).with_name("bad_input.py")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = {row["name"]: row for row in rows if "name" in row}
    assert done.returncode == 0, f"died in {rows[-1]}: {done.stderr[-2000:]}"
    return found


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case, answer = CASES[name], answers()[name]
    classes = case.error if isinstance(case.error, tuple) else (case.error,)
    assert {c.__name__ for c in classes} & set(answer["class"]), f"{answer['class']}: {answer['message']}"
    assert re.search(case.words, answer["message"], re.S), answer["message"]
    if {"NoDerivative", "Unsupported"} & set(answer["class"]):
        assert re.search(r"\n  .+\.py:\d+, in \S", answer["message"]), "a refusal says where"


def test_there_are_enough() -> None:
    assert len(CASES) >= 100
