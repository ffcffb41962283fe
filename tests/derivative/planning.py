"""Plans of functions in LLVM's text, for the tests of plans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from analysis.notes import Notes
from numbad.passes.derivative.facts import Task, gather
from numbad.passes.derivative.needs import Edge, Item, Needs
from numbad.passes.derivative.plan import Options, Plan
from numbad.passes.ir.types import DOUBLE
from numbad.passes.ir.values import Named

STORE_ALL = Options(**dict.fromkeys([field.name for field in fields(Options)], False))
KINDS = ("stored", "again", "shadow stored", "shadow again")


def planned(notes: Notes, options: Options = Options(), name: str = "f", split: bool = False,  # noqa: B008
            disjoint: bool = True, active: Iterable[str] = ("x", "u")) -> Plan:
    entry = notes.function()
    chosen = frozenset(k for k, a in enumerate(entry.arguments) if a.name in active)
    contents = tuple((k, DOUBLE) for k in chosen if entry.arguments[k].type.is_pointer)
    facts = gather(notes.module, Task("f", "reverse", chosen, contents, disjoint=disjoint))
    function = notes.function(name)
    return Plan(facts, function, Needs(facts, function), split, options)


def place(plan: Plan, item: Item) -> str | None:
    if item not in plan.stored:
        return None
    loop = plan.layout.level(item)
    return f"in {loop.header.name}" if loop is not None else ""


def spelt(items: Iterable[Item], *kinds: type) -> set[str]:
    """Edges and counts of a plan, by the names of their blocks."""
    return {str((i.block if isinstance(i, Edge) else i.loop.header) or "return")  # type: ignore[union-attr]
            for i in items if isinstance(i, kinds)}


def stored_names(plan: Plan) -> set[str]:
    return {str(item) for item in plan.stored if isinstance(item, Named)}
