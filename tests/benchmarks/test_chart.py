"""The chart that the README shows: well-formed, with every label, and stored as its script draws it."""

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import chart

RESULTS = Path(chart.__file__).parent / "results"
SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {"cpu": "a CPU <fast>", "cores": "2", "numba": "0.68.1", "jax": "0.10"}
ROWS = [
    {"problem": "ode", "by": "numbad", "result": "right", "numba_ratio": 2.5},
    {"problem": "ode", "by": "by hand", "result": "right", "numba_ratio": 0.5},
    {"problem": "ode", "by": "JAX", "result": "right", "numba_ratio": 71234.0, "size": "steps = 10"},
    {"problem": "ode", "by": "Someone & sons", "result": "WRONG", "numba_ratio": 33.25},
    {"problem": "lu", "by": "numbad", "result": "right", "numba_ratio": 3.0},
    {"problem": "lu", "by": "JAX", "result": "crashed, SIGSEGV"},
]


def drawn(machine, rows):
    picture = ElementTree.fromstring(chart.svg(machine, rows))
    return picture, [element.text for element in picture.iter(f"{SVG}text")]


def test_every_label_is_there():
    _, words = drawn(MACHINE, ROWS)
    for label in ("ode", "lu", "numbad", "by hand", "JAX", "Someone & sons", "2.5", "71,234", "33.2", "WRONG"):
        assert label in words
    assert "JAX: crashed, SIGSEGV" in words
    assert words[-2] == "one thread of a CPU <fast>; numba 0.68.1, jax 0.10"
    assert words[-1] == "JAX on ode at steps = 10, as is the primal"
    assert words.count("WRONG") == 1


def test_bars_are_as_long_as_the_logarithm():
    picture, _ = drawn(MACHINE, ROWS)
    bars = [r for r in picture.iter(f"{SVG}rect") if r.get("height") == str(chart.BAR - 2)]
    widths = [float(bar.get("width")) for bar in bars]
    assert len(bars) == sum("numba_ratio" in row for row in ROWS)
    by_ratio = dict(zip((row["numba_ratio"] for row in ROWS if "numba_ratio" in row), widths, strict=True))
    assert by_ratio[0.5] < by_ratio[2.5] < by_ratio[3.0] < by_ratio[33.25] < by_ratio[71234.0]
    assert abs(by_ratio[2.5] / by_ratio[3.0] - math.log(2.5) / math.log(3.0)) < 0.01


def test_a_bar_that_is_cut_says_so():
    picture, _ = drawn(MACHINE, ROWS)
    assert len(list(picture.iter(f"{SVG}path"))) == 1


def test_the_stored_chart_is_the_one_of_the_stored_numbers():
    stored = json.loads((RESULTS / "gradients.json").read_text())
    assert (RESULTS / "gradients.svg").read_text() == chart.svg(stored["machine"], stored["rows"])
