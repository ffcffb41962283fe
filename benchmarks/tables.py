"""How results are shown and kept: aligned Markdown tables, printed as they grow, and files in results/."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


class Growing:
    """A table that is printed line by line, while it is measured."""

    def __init__(self, headings: Sequence[str], wide: Mapping[str, int]):
        """`wide`: columns whose entries are wider than usual."""
        self.widths = [max(len(heading), wide.get(heading, 8)) for heading in headings]
        print(_line(headings, self.widths), _rule(self.widths), sep="\n", flush=True)

    def add(self, cells: Sequence[str]) -> None:
        print(_line(cells, self.widths), flush=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return [_line(headings, widths), _rule(widths), *(_line(row, widths) for row in rows)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _rule(widths: Sequence[int]) -> str:
    return "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|"


def machine_line(machine: dict[str, str]) -> str:
    return "Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items()) + "."


def store(name: str, numbers: dict[str, Any], page: Sequence[str], folder: Path = RESULTS) -> None:
    """Numbers for programs and a page for people; `numbers` says on which machine they were taken."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(numbers, indent=1) + "\n")
    (folder / f"{name}.md").write_text("\n".join(page) + "\n")
    print(f"Stored in results/{name}.json and results/{name}.md.")
