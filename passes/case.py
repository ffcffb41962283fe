"""One request to the engine, which can be kept in a file and run again: `python -m numbad.passes FILE`.

    ; numbad {"entry": "...", "mode": "reverse", "active": [2], ...}
    (the LLVM text as the front end emitted it)

Unsure  about a file (another head, another version's) `read` raises ValueError.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from numbad.passes import nvptx, pipeline, preparation
from numbad.passes.derivative.facts import Task
from numbad.passes.derivative.plan import Options
from numbad.passes.ir.function import Module
from numbad.passes.ir.type_parser import parse_type
from numbad.passes.llvm import Machine

_HEAD = "; numbad "


@dataclass(frozen=True)
class Case:
    """`seed_text` defines `@numbad.seed` for a task that is seeded."""

    text: str
    task: Task
    machine: Machine
    options: Options = Options()
    seed_text: str = ""

    def run(self, between: Callable[[str, Module | None], None]) -> pipeline.Derivative:
        """Prepare and differentiate. Raises as `pipeline.differentiate` does."""
        with _uncollected():
            if self.machine.triple == nvptx.TRIPLE:
                prepared = nvptx.prepared((self.text,), self.task.entry, self.machine.cpu)
            else:
                prepared = preparation.prepared(self.text, self.task.entry, self.machine)
            between("prepare", None)
            return pipeline.differentiate(prepared, self.task, self.options, self.seed_text, between)

    def write(self) -> str:
        task = asdict(self.task) | {"active": sorted(self.task.active),
                                    "lanes": [sorted(lane) for lane in self.task.lanes],
                                    "contents": [(index, str(type)) for index, type in self.task.contents]}
        head = {"task": task, "machine": asdict(self.machine), "options": asdict(self.options), "seed": self.seed_text}
        return f"{_HEAD}{json.dumps(head)}\n{self.text}"


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's collector of cycles: it would walk again and again through a module's instructions, which all
    live until the engine is done, for a fifth of the engine's time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def read(written: str) -> Case:
    head, _, text = written.partition("\n")
    if not head.startswith(_HEAD):
        raise ValueError(f"the file does not begin with '{_HEAD.strip()}'")
    found = json.loads(head.removeprefix(_HEAD))
    try:
        task = found["task"]
        task["active"] = frozenset(task["active"])
        task["contents"] = tuple((index, parse_type(type)) for index, type in task["contents"])
        task["headers"] = tuple(map(tuple, task["headers"]))
        task["lanes"] = tuple(map(frozenset, task["lanes"]))
        return Case(text, Task(**task), Machine(**found["machine"]), Options(**found["options"]), found["seed"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"the file was written by another version of numbad: {error}") from error
