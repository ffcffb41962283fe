"""What is stored: a page and the numbers of each benchmark that `python benchmarks` runs, taken on one machine."""

import json
import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PROGRAMS = runpy.run_path(str(BENCHMARKS / "__main__.py"))["PROGRAMS"]


def test_each_benchmark_has_results_and_only_they():
    stored = {path.stem for path in (BENCHMARKS / "results").iterdir()}
    assert stored == set(PROGRAMS)
    assert all((BENCHMARKS / f"{program}.py").exists() for program in PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS)
def test_results_say_where_they_were_taken_and_hold_no_path(program):
    numbers = (BENCHMARKS / "results" / f"{program}.json").read_text()
    page = (BENCHMARKS / "results" / f"{program}.md").read_text()
    assert {"cpu", "python", "numba", "llvm"} <= json.loads(numbers)["machine"].keys()
    assert f"`python benchmarks/{program}.py`" in page
    for text in (numbers, page):
        assert "/tmp" not in text and "/home" not in text and "site-packages" not in text
