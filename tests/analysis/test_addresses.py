"""Linear forms of addresses, and accesses that never meet: noted, and against counting through all iterations."""

from __future__ import annotations

import random
from itertools import product

import pytest

from analysis.notes import Notes
from numbad.passes.analysis.addresses import Addresses
from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.loops import Loops
from numbad.passes.ir.instructions import Load, Store

NEST = """
define void @f(ptr %a, i64 %n, i64 %s, i64 %k) {{
entry:
  br label %outer
outer:
  %i = phi i64 [ {i_start}, %entry ], [ %i.next, %outer.end ]
  %row = mul i64 %i, %s
  br label %inner
inner:
  %j = phi i64 [ {j_start}, %outer ], [ %j.next, %inner ]
  {code}
  %j.next = add i64 %j, {j_step}
  %more.inner = icmp slt i64 %j.next, %n
  br i1 %more.inner, label %inner, label %outer.end
outer.end:
  %i.next = add i64 %i, {i_step}
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %outer, label %done
done:
  ret void
}}
"""


def apart(code: str, loop: str = "inner", i_start: str = "0", i_step: str = "1", j_start: str = "0",
          j_step: str = "1") -> bool:
    """Whether the only load and the only store never meet in the loop."""
    text = NEST.format(code=code, i_start=i_start, i_step=i_step, j_start=j_start, j_step=j_step)
    function = Notes(text).function()
    loops = Loops(function, Dominators(function))
    (load,) = [i for i in function.instructions if isinstance(i, Load)]
    (store,) = [i for i in function.instructions if isinstance(i, Store)]
    (around,) = [x for x in loops.loops if x.header.name == loop]
    return Addresses(loops).never_meet((load.pointer, load.type), (store.pointer, store.value.type), around)


ROW = "%p = getelementptr double, ptr %a, i64 %row\n"
COLUMN = ROW + "%q = getelementptr double, ptr %p, i64 %k\n%x = load double, ptr %q\n"
WRITTEN = "%r = getelementptr double, ptr %p, i64 %j\nstore double 0.0, ptr %r"


@pytest.mark.parametrize("code, options, truth", [
    (COLUMN + WRITTEN, {"j_start": "%k"}, False),  # the first j is k
    (COLUMN + "%k.1 = add i64 %j, 1\n%r = getelementptr double, ptr %p, i64 %k.1\nstore double 0.0, ptr %r",
     {"j_start": "%k"}, True),
    (COLUMN + "%k.1 = sub i64 %j, 1\n%r = getelementptr double, ptr %p, i64 %k.1\nstore double 0.0, ptr %r",
     {"j_start": "%k", "j_step": "-1"}, True),
    (COLUMN + "%k.1 = sub i64 %j, 1\n%r = getelementptr double, ptr %p, i64 %k.1\nstore double 0.0, ptr %r",
     {"j_start": "%k"}, False),  # comes to k
    (COLUMN + WRITTEN, {}, False),  # where j begins is unknown against k
    (COLUMN + "%r = getelementptr double, ptr %p, i64 %j\n%r.8 = getelementptr i8, ptr %r, i64 4\n"
     "store double 0.0, ptr %r.8", {"j_start": "%k"}, False),  # half of it
    (COLUMN + "%r = getelementptr double, ptr %p, i64 %j\n%r.8 = getelementptr i8, ptr %r, i64 -4\n"
     "store float 0.0, ptr %r.8", {"j_start": "%k", "j_step": "-1"}, True),  # just before
    (COLUMN + WRITTEN, {"loop": "outer", "j_start": "%k"}, False),
    (COLUMN + "%even = shl i64 %j, 1\n%odd = or disjoint i64 %even, 1\n%r = getelementptr double, ptr %p, i64 %odd\n"
     "%r.k = getelementptr double, ptr %r, i64 %k\nstore double 0.0, ptr %r.k", {}, True),
    (COLUMN + "%even = shl i64 %j, 1\n%odd = or i64 %even, 1\n%r = getelementptr double, ptr %p, i64 %odd\n"
     "%r.k = getelementptr double, ptr %r, i64 %k\nstore double 0.0, ptr %r.k", {}, False),
    # An index from memory is another one in each iteration.
    ("%at = load i64, ptr null\n%p = getelementptr double, ptr %a, i64 %at\nstore double 0.0, ptr %p", {}, False),
], ids=["first", "behind", "before", "comes by", "unknown", "half", "just before", "outer", "odd",
        "perhaps odd", "loaded"])
def test_noted(code: str, options: dict, truth: bool) -> None:
    if "%x = load double" not in code:
        code = code.replace("%at = load i64, ptr null", "%at = load i64, ptr %a")
    assert apart(code, **options) == truth


def test_an_index_of_this_iteration_says_nothing_of_the_next() -> None:
    code = ("%at = call i64 @somewhere()\n%p = getelementptr double, ptr %a, i64 %at\n"
            "%q = getelementptr double, ptr %p, i64 1\n%x = load double, ptr %q\nstore double 0.0, ptr %p")
    text = "declare i64 @somewhere()\n" + NEST.format(code=code, i_start="0", i_step="1", j_start="0", j_step="1")
    function = Notes(text).function()
    loops = Loops(function, Dominators(function))
    load = next(i for i in function.instructions if isinstance(i, Load))
    store = next(i for i in function.instructions if isinstance(i, Store))
    assert not Addresses(loops).never_meet((load.pointer, load.type), (store.pointer, store.value.type), loops.loops[1])


def address(name: str, rng: random.Random) -> tuple[str, tuple[int, int, int, int]]:
    """Code for %name = a + constant + i_factor i + j_factor j + row_factor i s, in bytes; and these numbers."""
    constant, i_factor, j_factor, row = (rng.choice([-16, -8, -4, 0, 0, 4, 8, 8, 16, 24]) for _ in range(4))
    row = rng.choice([0, 0, 8])
    code = f"""
  %{name}.i = mul i64 %i, {i_factor}
  %{name}.j = mul i64 %j, {j_factor}
  %{name}.s = mul i64 %row, {row}
  %{name}.0 = add i64 %{name}.i, %{name}.j
  %{name}.1 = add i64 %{name}.0, {constant}
  %{name}.2 = sub i64 %{name}.1, %{name}.s
  %{name} = getelementptr i8, ptr %a, i64 %{name}.2"""
    return code, (constant, i_factor, j_factor, -row)


def test_against_all_iterations() -> None:
    rng = random.Random(4)
    claims = 0
    for _ in range(2000):
        (load, r), (store, w) = address("r", rng), address("w", rng)
        i_start, j_start = rng.randint(-2, 2), rng.randint(-2, 2)
        i_step, j_step = rng.choice([1, 2]), rng.choice([1, 3])
        code = f"{load}\n  %x = load double, ptr %r{store}\n  store float 0.0, ptr %w"
        loop = rng.choice(["inner", "outer"])
        if not apart(code, loop, str(i_start), str(i_step), str(j_start), str(j_step)):
            continue
        claims += 1
        for s in (3, 100, -5):
            def at(factors: tuple[int, int, int, int], i: int, j: int, s: int = s) -> int:
                return factors[0] + factors[1] * i + factors[2] * j + factors[3] * i * s

            rows, columns = range(i_start, 12, i_step), range(j_start, 12, j_step)
            for i, j, j2 in product(rows, columns, columns):
                for i2 in rows if loop == "outer" else [i]:
                    read, written = at(r, i, j), at(w, i2, j2)
                    assert read + 8 <= written or written + 4 <= read, (r, w, loop, i, j, i2, j2, s)
    assert claims > 60
