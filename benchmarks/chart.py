"""Draws results/gradients.svg, which the README shows, from results/gradients.json.

    python benchmarks/chart.py

A group of bars for each problem, a bar for each system: time of the gradient in units of Numba's primal, on a
logarithmic axis that begins at 1; bars that are much longer than the others are cut. A gradient that is wrong is drawn
hollow and says so.
"""

import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

RESULTS = Path(__file__).parent / "results"

Row = dict[str, Any]

COLOURS = {
    "numbad": "#1a56b0",
    "by hand": "#4d4d4d",
    "Enzyme": "#8250a8",
    "JAX": "#e0861a",
    "torch": "#c8412f",
    "Warp, rewritten": "#3f8f4f",
    "Warp, as written": "#8fbf6a",
}
OTHERS = "#888888"
WRONG = "#c00000"

WIDTH, LEFT, RIGHT = 860, 112, 80  # of the drawing; of the margins, the right one holds numbers behind long bars
BAR, GAP = 11, 13  # height of a bar, space between two groups
HEAD, FOOT = 78, 62
LONGEST = 200.0  # ratios beyond are cut


def draw(folder: Path = RESULTS) -> None:
    stored = json.loads((folder / "gradients.json").read_text())
    (folder / "gradients.svg").write_text(svg(stored["machine"], stored["rows"]))
    print("Drawn: results/gradients.svg.")


def svg(machine: dict[str, str], rows: list[Row]) -> str:
    systems = sorted({row["by"] for row in rows}, key=rank)
    problems = list(dict.fromkeys(row["problem"] for row in rows))
    group = len(systems) * BAR + GAP
    bottom = HEAD + group * len(problems)
    places = {(row["problem"], row["by"]): row for row in rows}
    parts = [
        text(WIDTH / 2, 22, "Time of a gradient in units of Numba's primal", "middle", size=16, weight="bold"),
        text(WIDTH / 2, 40, "logarithmic axis, shorter is better; every gradient was checked", "middle", colour="#555"),
        *legend(systems),
        *axis(HEAD - 4, bottom),
    ]
    for number, problem in enumerate(problems):
        top = HEAD + number * group + GAP / 2
        parts.append(text(LEFT - 10, top + len(systems) * BAR / 2 + 4, problem, "end", size=13, weight="bold"))
        for place, system in enumerate(systems):
            parts += bar(top + place * BAR, system, places.get((problem, system)))
    for line, words in enumerate(footnotes(machine, rows)):
        parts.append(text(LEFT, bottom + 36 + 14 * line, words, size=10, colour="#555"))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + FOOT}" width="{WIDTH}" '
        f'height="{bottom + FOOT}" font-family="Helvetica, Arial, sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{bottom + FOOT}" fill="white"/>',
        *parts,
        "</svg>\n",
    ])


def x_of(ratio: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log(min(max(ratio, 1.0), LONGEST)) / math.log(LONGEST)


def axis(top: float, bottom: float) -> Iterator[str]:
    for ratio in (1, 2, 5, 10, 20, 50, 100, 200):
        x, colour = x_of(ratio), "#b0b0b0" if ratio in (1, 10, 100) else "#e4e4e4"
        yield f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}"/>'
        yield text(x, bottom + 15, str(ratio), "middle", colour="#333")


def rank(system: str) -> tuple[int, str]:
    known = list(COLOURS)
    return (known.index(system) if system in known else len(known)), system


def colour_of(system: str) -> str:
    return COLOURS.get(system, OTHERS)


def legend(systems: Iterable[str]) -> Iterator[str]:
    x: float = LEFT
    for system in systems:
        yield f'<rect x="{x:.0f}" y="53" width="11" height="11" fill="{colour_of(system)}"/>'
        yield text(x + 16, 63, system, size=12)
        x += 34 + 6.3 * len(system)


def bar(y: float, system: str, row: Row | None) -> Iterator[str]:
    base = y + BAR - 2.5
    if row is None or "numba_ratio" not in row:
        yield text(LEFT + 4, base, f"{system}: {row['result'] if row else 'not measured'}", size=9, colour="#888")
        return
    is_right = row["result"] == "right"
    end = max(x_of(row["numba_ratio"]), LEFT + 2)
    colour = colour_of(system)
    fill = f'fill="{colour}"' if is_right else f'fill="white" stroke="{colour}" stroke-dasharray="3 2"'
    yield f'<rect x="{LEFT}" y="{y + 1:.1f}" width="{end - LEFT:.1f}" height="{BAR - 2}" {fill}/>'
    if row["numba_ratio"] > LONGEST:
        cut = end - 14
        yield f'<path d="M{cut:.1f} {y + BAR:.1f} l4 -{BAR} h4 l-4 {BAR} z" fill="white"/>'
    number = f"{row['numba_ratio']:.3g}" if row["numba_ratio"] < 1000 else f"{row['numba_ratio']:,.0f}"
    weight = "bold" if system == "numbad" else "normal"
    yield text(end + 4, base, number, size=10, weight=weight)
    if not is_right:
        yield text(end + 10 + 5.6 * len(number), base, "WRONG", size=10, weight="bold", colour=WRONG)


def footnotes(machine: dict[str, str], rows: list[Row]) -> Iterator[str]:
    named = [key for key in machine if key not in ("cpu", "cores", "system", "numbad", "llvmlite")]
    versions = ", ".join(f"{key} {machine[key].split('+')[0]}" for key in named)
    yield f"one thread of {machine['cpu']}; {versions}"
    smaller = [f"{row['by']} on {row['problem']} at {row['size']}, as is the primal" for row in rows if "size" in row]
    yield "; ".join(smaller)


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 11, weight: str = "normal",
         colour: str = "black") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{colour}">{escape(words)}</text>')


if __name__ == "__main__":
    sys.exit(draw())
