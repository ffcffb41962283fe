"""A share of the random kernels, and whether the tools around them find what is wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulator import available
from cuda.fuzz.checking import FINE, check
from cuda.fuzz.kernels import KernelProgram, program
from cuda.fuzz.places import OWN, READ, Stretch
from cuda.fuzz.shapes import Argument, Shape

from fuzz.code import Statement
from numbad.cuda import launch
from numbad.passes.derivative.adjoint_rules import AdjointRules

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

BATCHES = [range(2), *(pytest.param(range(k, k + 10), marks=pytest.mark.slow) for k in range(2, 202, 10))]
BARRIER = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)"


@pytest.mark.parametrize("seeds", BATCHES)
def test_kernels(seeds: range) -> None:
    compared = 0
    for seed in seeds:
        verdict = check(program(seed), inputs=2)
        assert verdict.kind in FINE, f"seed {seed}: {verdict.kind}: {verdict.message}\n{program(seed)}"
        compared += verdict.compared
    assert compared >= len(seeds), "finite differences hardly ever converge"


def test_a_seed_is_a_kernel() -> None:
    texts = [str(program(seed)) for seed in range(40)]
    assert texts == [str(program(seed)) for seed in range(40)]
    assert len(set(texts)) == 40


def test_kernels_use_everything() -> None:
    texts = [str(program(seed)) for seed in range(200)]
    constructs = [
        r"cuda\.grid\(1\)", r"cuda\.grid\(2\)", r"threadIdx\.z", r"f\[\(2, 2\)", r"\(40,\), 0", "float32", "strided",
        r"local\.array", r"shared\.array\(0", r"both\[", r"shared\.array\(\(", r"const\.array_like", r"atomic\.add\(e",
        r"atomic\.(add|sub)\(s", "shfl_up", "shfl_down", "shfl_xor", r"sync\(mask", r"sync\(0xFFFF,", "if t < 32:",
        "ballot_sync", "any_sync", "syncthreads_count", "while cuda.syncthreads_or", "if cuda.syncthreads_",
        r"for \w+ in range\(n\):\n.*syncthreads", r"range\(d\[i\]\)", "break", "continue", r" +return\n",
        r"a, b = b, a", r"s0, s1 = s1, s0|s1, s0 = s0, s1", r"range\(i, f\.size, step\)", r"if i < c\.size",
        r"iy < c\.shape", 'inline="never"', r"h\d\(r, ", r"h\d\(m, i", r"v\d+, v\d+ = h\d", r"h\d\(.*, k - 1\)",
        r"nd\.grad\(h\d\)", r"nd\.grad\(h\d, \(0, 1\)\)", r"nd\.value_and_grad", r"//= 2", "blockIdx.x == 0", r"x0 > 0"]
    missing = [c for c in constructs if sum(bool(re.search(c, text)) for text in texts) < 3]
    assert not missing


def kernel(*lines: str | Statement, **changed) -> KernelProgram:
    """Of an array `a` with an element for each of 64 threads."""
    body = [Statement(line) if isinstance(line, str) else line for line in lines]
    given = [Argument("a", "array", shape=(64,), active=True)]
    whole = KernelProgram([Statement("def f(a):", [Statement("i, t = cuda.grid(1), cuda.threadIdx.x"), *body])],
                          Shape((2,), (32,)), given)
    return replace(whole, **changed)


EXCHANGE = ("s = cuda.shared.array(32, float64)", "s[t] = a[i] * a[i]", "cuda.syncthreads()",
            "v = s[(t + 1) % 32] * a[i]", "cuda.syncthreads()", "s[t] = v * v", "cuda.syncthreads()",
            "a[i] = s[31 - t] * v")


@pytest.mark.parametrize("lines, kind", [
    (EXCHANGE, "right"),
    ([line for line in EXCHANGE if "sync" not in line], "generator"),
    (["a[i] = undefined"], "numba"),
    (["cuda.atomic.max(a, i, 0.5)"], "refused"),
    (["a[i] += 1e-9 * math.sin(1e9 * a[i])"], "right"),  # ripples: finite differences go past them
])
def test_verdicts(lines: list[str], kind: str) -> None:
    verdict = check(kernel(*lines), inputs=1)
    assert verdict.kind == kind, verdict


@pytest.mark.parametrize("number", range(6))
def test_a_barrier_that_is_missing_in_a_derivative_is_found(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of those of the two sweeps."""
    derive = launch.derive

    def forgetful(*request):
        derivative = derive(*request)
        pieces = derivative.text.split(BARRIER)
        if request[2].mode == "forward":
            return derivative
        text = BARRIER.join(pieces[:number + 1]) + "fence release" + BARRIER.join(pieces[number + 1:])
        return replace(derivative, text=text)

    monkeypatch.setattr(launch, "derive", forgetful)
    verdict = check(kernel(*EXCHANGE), inputs=1)
    assert verdict.kind == "race", verdict


def test_a_wrong_adjoint_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def shuffle_back(self, i):
        self.adjoints.add(i.arguments[2], self.builder.extract(self.adjoints.take(i), [0]))

    monkeypatch.setattr(AdjointRules, "shuffle_back", shuffle_back)
    verdict = check(kernel("a[i] *= cuda.shfl_down_sync(0xFFFFFFFF, a[i], 1)"), inputs=1)
    assert verdict.kind == "reverse", verdict


def test_uses_of_shared_memory() -> None:
    """Between two barriers an array serves one use, also around the end of a loop."""
    stretch = Stretch()
    stretch.take("s", OWN)
    assert stretch.may("s", OWN) and not stretch.may("s", READ)
    stretch.begin_loop()
    stretch.barrier()
    stretch.take("s", READ)
    assert not stretch.fits()
    stretch.barrier()
    assert stretch.fits()
    stretch.end_loop()
    assert not stretch.may("s", READ)  # the loop may not have run at all
    stretch.barrier()
    assert stretch.may("s", READ)


def test_a_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rows = [{"seed": seed, "kind": kind, "message": "", "compared": 1} for seed, kind in ((0, "right"), (1, "race"))]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "cuda.fuzz", "--count", "2", "--log", str(log)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 1 and "2 programs" in done.stdout and "race: 1" in done.stdout
