"""`python -m numbad` says what it promises, and can fail."""

import os
import re
import subprocess
import sys
from pathlib import Path

from numbad import demo

HERE = str(Path(demo.__file__).parents[1])


def test_runs_as_a_module(tmp_path):
    environment = {**os.environ, "PYTHONPATH": HERE}  # what is tested may be a checkout that is not installed
    done = subprocess.run([sys.executable, "-m", "numbad"], cwd=tmp_path, env=environment, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    for name in ("value", "gradient", "reverse mode", "forward mode", "finite differences", "compile", "primal"):
        assert re.search(rf"^  {name}: +\S", done.stdout, re.MULTILINE), name
    ratio = re.search(r"^  ratio: +(\d+\.\d+)$", done.stdout, re.MULTILINE)
    assert float(ratio[1]) > 1.0
    tape = re.search(r"^  tape: +(\d+) bytes", done.stdout, re.MULTILINE)
    field = 8 * demo.N * demo.N
    assert field < int(tape[1]) < 2 * field * demo.STEPS, "about one field a step is kept"


def test_disagreement_is_a_failure(monkeypatch, capsys):
    right = demo.slope_by_differences
    monkeypatch.setattr(demo, "slope_by_differences", lambda *args: 1.001 * right(*args))
    assert demo.main() == 1
    assert "do NOT agree" in capsys.readouterr().out
