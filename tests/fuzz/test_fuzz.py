"""A share of the random programs, and the tools around them: they find what is wrong, and cut it down."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numbad as nd
from fuzz.checking import check
from fuzz.code import Program, Statement
from fuzz.programs import program
from fuzz.shrinking import shrunk
from fuzz.verdicts import function
from numbad.passes.derivative.adjoint_rules import AdjointRules
from numbad.passes.derivative.needs import Shadow

BATCHES = [range(2), *(pytest.param(range(k, k + 5), marks=pytest.mark.slow) for k in range(2, 157, 5))]


@pytest.mark.parametrize("seeds", BATCHES)
def test_programs(seeds: range) -> None:
    compared = 0
    for seed in seeds:
        verdict = check(program(seed), inputs=4)
        assert verdict.kind == "right", f"seed {seed}: {verdict.kind}: {verdict.message}\n{program(seed)}"
        compared += verdict.compared
    assert compared >= len(seeds), "finite differences hardly ever converge"


def test_a_seed_is_a_program() -> None:
    texts = [str(program(seed)) for seed in range(40)]
    assert texts == [str(program(seed)) for seed in range(40)]
    assert len(set(texts)) == 40


def test_programs_use_everything() -> None:
    texts = [str(program(seed)) for seed in range(150)]
    constructs = [
        r"range\(n\)", r"range\(i\d+\)", r"range\(3, .* -1\)", r"range\(0, 5, 1 \+", r"range\(len\(", "while ",
        "break", "continue", r"\n +else:\n", "try:", "raise ", r"\w+, (\w+) = \1, ", r"= \w+\[::2\]", r"= \w+\[1:\]",
        r"h\d\(a\[", r"= np.zeros", r"\.copy\(\)", "np.where", "np.sort", r"c\[:, ", r"c\[.*\] =",
        r"h\d\(p, .*, k - 1\)", r"return .*, \w+\n", r"% 1\.7", r"// 0\.7", r"\*\* \(", " if .* else "]
    missing = [c for c in constructs if sum(bool(re.search(c, text)) for text in texts) < 4]
    assert not missing


@pytest.fixture
def forgetful_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self, i):
        self.builder.store(self.adjoints.take(i), self.lookup(Shadow(i.pointer)))

    monkeypatch.setattr(AdjointRules, "load", load)


@pytest.mark.slow
def test_a_wrong_adjoint_is_found_and_cut_down(forgetful_load: None) -> None:
    seed, verdict = next((s, v) for s in range(20) if not (v := check(program(s), inputs=2)).is_fine)
    assert verdict.kind == "reverse"
    small = shrunk(program(seed), lambda candidate: check(candidate, inputs=2).kind == "reverse", tries=12)
    assert str(small).count("\n") < str(program(seed)).count("\n")
    assert check(small, inputs=2).kind == "reverse"


def test_cutting_down() -> None:
    """Down to the statement that matters, and the heads that it cannot do without."""
    whole = Program([
        Statement("def h0(p, u, k):", [Statement("return u")]),
        Statement("def f(x, y, a, b, c, n):", [
            Statement("v1 = x"),
            Statement("for i in range(n):", [
                Statement("if i > 1:", [Statement("a[0] = y"), Statement("b[0] = x")],
                          [Statement("else:", [Statement("a[1] = 0.0")])]),
                Statement("v2 = y")]),
            Statement("return x")])])
    small = shrunk(whole, lambda candidate: "b[0] = x" in str(candidate) and "for" in str(candidate))
    assert list(small.functions[0].lines(0)) == [
        "def f(x, y, a, b, c, n):", "    for i in range(n):", "        b[0] = x", "    return x"]
    assert len(small.functions) == 1 and "else" in str(whole)


@pytest.mark.parametrize("body, kind", [
    (["return x * y"], "right"),
    (["return x + 1e-9 * math.sin(1e9 * x)"], "right"),  # ripples: finite differences go past them
    (["return undefined"], "numba"),
    (["return np.linalg.solve(c[:3], a[:3])[0]"], "refused"),
    (["if x > 0.0:", "raise ValueError('large')", "return x"], "right"),
])
def test_verdicts(body: list[str], kind: str) -> None:
    statements = [Statement(line) for line in body]
    if body[0].startswith("if"):
        statements = [Statement(body[0], [Statement(body[1])]), Statement(body[2])]
    assert check(Program([Statement("def f(x, y, a, b, c, n):", statements)]), inputs=4).kind == kind


def test_the_source_line_of_a_refusal() -> None:
    f = function(Program([Statement("def f(x, y, a, b, c, n):", [Statement("z = np.linalg.det(c[:3])"),
                                                                Statement("return z")])]))
    with pytest.raises(nd.Unsupported, match=r":8, in f\n +z = np.linalg.det\(c\[:3\]\)"):
        nd.grad(f, 4)(0.1, 0.2, np.zeros(6), np.zeros(6), np.ones((4, 3)), 1)


def test_a_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(json.dumps({"seed": 0, "kind": "right", "message": "", "compared": 1}) + "\n"
                   + json.dumps({"seed": 1, "kind": "crash", "message": "", "compared": 0}) + "\n")
    command = [sys.executable, "-m", "fuzz", "--count", "2", "--log", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 1 and "2 programs" in done.stdout and "crash: 1" in done.stdout
    command = [sys.executable, "-m", "fuzz", "--count", "1", "--log", str(log)]
    log.write_text(log.read_text().splitlines()[0] + "\n")
    assert subprocess.run(command, capture_output=True, cwd=Path(__file__).parent.parent).returncode == 0
