"""Adds the adjoints that waited in scratch rows to the rows of shadows where they belong (see `stencils`).

`numbad.adjoint.rows.T.0.1.1.2(n, y, w, x, z, v)` is y[0:n] += w, y[1:n+1] += x, y[1:n+1] += z, y[2:n+2] += v, in one
pass where all four overlap; y overlaps none of them. There is one such function for each list of places.

    shifts 0 1 1 2        row q + 2 gets what iterations q, q + 1 and q + 2 have for it, when the reverse sweep has been
                          through q; the first two rows and the last two lack some of these iterations: each of their
                          parts is added by itself, in the iteration that it is from

Given   where the reverse sweep leaves a loop at its start, and a group of its loads.
Gives   `add_rows`: the code; `text`: LLVM's text of such a function.
Unsure  does not happen. No place is touched but those that the loads of the group read.
"""

from __future__ import annotations

from itertools import pairwise

from numbad.passes.analysis.loops import Loop
from numbad.passes.derivative.lookup import Lookup
from numbad.passes.derivative.needs import Count, Iteration, Shadow
from numbad.passes.derivative.stencils import Rows
from numbad.passes.ir.builder import Builder, i64
from numbad.passes.ir.types import VOID, Type
from numbad.passes.ir.values import Value

PREFIX = "numbad.adjoint.rows."


def add_rows(builder: Builder, lookup: Lookup, loop: Loop, rows: Rows) -> None:
    trips = builder.binary("add", lookup(Count(loop)), i64(1))
    scratch, type = lookup.plan.scratch, rows.loads[0].type
    farthest = max(range(len(rows.loads)), key=rows.shifts.__getitem__)
    to = builder.element(type, lookup(Shadow(rows.loads[farthest].pointer)), i64(-rows.places[farthest]))
    parts = [lookup.place(scratch[load], rows.shifts[farthest] - shift)
             for load, shift in zip(rows.loads, rows.shifts, strict=True)]
    if rows.outer is None:
        _add(builder, type, rows.places, trips, to, parts)
        return
    iteration, last = lookup(Iteration(rows.outer)), lookup(Count(rows.outer))

    def is_late(by: int) -> Value:
        """Fewer than `by` iterations come behind this one."""
        return builder.compare("icmp", "sgt", iteration, builder.binary("sub", last, i64(by)))

    _add(builder, type, rows.places, builder.select(is_late(rows.height - 1), i64(0), trips), to, parts)
    for load, shift in zip(rows.loads, rows.shifts, strict=True):
        is_early = builder.compare("icmp", "slt", iteration, i64(rows.height - 1 - shift))
        is_alone = builder.binary("or", is_early, is_late(shift))
        _add(builder, type, (0,), builder.select(is_alone, trips, i64(0)), lookup(Shadow(load.pointer)),
             [lookup.place(scratch[load])])


def _add(builder: Builder, type: Type, places: tuple[int, ...], trips: Value, to: Value, sources: list[Value]) -> None:
    builder.call_symbol(PREFIX + ".".join(map(str, (type, *places))), VOID, [trips, to, *sources])


def text(symbol: str) -> str:
    """The function of a list of places, the first of which is 0: a loop for each piece of the row that gets its sum
    from the same scratch rows. Pieces at the borders have lengths that LLVM sees."""
    type, *numbers = symbol.removeprefix(PREFIX).split(".")
    places = list(map(int, numbers))
    steps = sorted(set(places))
    far = steps[-1]

    def among(low: int, high: int) -> list[int]:
        return [k for k, place in enumerate(places) if low <= place <= high]

    pieces = [(f"left{low}", among(0, low), f"{low}", f"{high}") for low, high in pairwise(steps)]
    pieces.append(("middle", among(0, far), f"{far}", "%n"))
    pieces += [(f"right{low}", among(high, far), f"%end{low}", f"%end{high}") for low, high in pairwise(steps)]
    short = [(f"short{place}", among(place, place), f"{place}", f"%end{place}") for place in steps]
    scratch = "".join(f", ptr %x{k}" for k in range(len(places)))
    head = [f"define linkonce_odr void @{symbol}(i64 %n, ptr noalias %y{scratch}) nounwind {{", "entry:",
            *(f"  %end{place} = add i64 %n, {place}" for place in steps), "  %some = icmp sgt i64 %n, 0",
            f"  br i1 %some, label %{'either' if far else 'middle'}, label %done"]
    if far:
        head += ["either:", f"  %long = icmp sgt i64 %n, {far}",
                 f"  br i1 %long, label %{pieces[0][0]}, label %{short[0][0]}"]
    for chain in (pieces, short) if far else (pieces,):
        following = [*(name for name, *_ in chain[1:]), "done"]
        for (name, terms, start, stop), then in zip(chain, following, strict=True):
            head += _piece(type, places, name, terms, start, stop, then)
    return "\n".join([*head, "done:", "  ret void", "}", ""])


def _piece(type: str, places: list[int], name: str, terms: list[int], start: str, stop: str, then: str) -> list[str]:
    """y[start:stop] += the scratch rows of some terms; there is at least one place."""
    size = {"double": 8, "float": 4}[type]
    lines = [f"{name}:", f"  br label %{name}.loop", f"{name}.loop:",
             f"  %{name}.i = phi i64 [ {start}, %{name} ], [ %{name}.next, %{name}.loop ]",
             f"  %{name}.y = getelementptr {type}, ptr %y, i64 %{name}.i",
             f"  %{name}.sum = load {type}, ptr %{name}.y, align {size}"]
    sum = f"%{name}.sum"
    for k in terms:
        lines += [f"  %{name}.k{k} = sub i64 %{name}.i, {places[k]}",
                  f"  %{name}.at{k} = getelementptr {type}, ptr %x{k}, i64 %{name}.k{k}",
                  f"  %{name}.x{k} = load {type}, ptr %{name}.at{k}, align {size}",
                  f"  %{name}.sum{k} = fadd {type} {sum}, %{name}.x{k}"]
        sum = f"%{name}.sum{k}"
    return [*lines, f"  store {type} {sum}, ptr %{name}.y, align {size}",
            f"  %{name}.next = add i64 %{name}.i, 1",
            f"  %{name}.more = icmp slt i64 %{name}.next, {stop}",
            f"  br i1 %{name}.more, label %{name}.loop, label %{then}"]
