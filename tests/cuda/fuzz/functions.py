"""Device functions for kernels to call."""

from __future__ import annotations

import random

from cuda.fuzz.places import OWN, KernelScope, Place
from cuda.fuzz.shapes import ROW
from cuda.fuzz.threads import PRIVATE, Thread

from fuzz.code import Statement
from fuzz.expressions import Helper

PARAMETERS = {"scalar": "u, v, k", "pair": "u, v, k", "recursive": "u, k", "private": "p, u, k", "reader": "r, u, k",
              "row": "m, i, u, k"}


def helper(rng: random.Random, name: str, callees: list[Helper]) -> tuple[Helper, Statement]:
    kind = rng.choice(["scalar", "scalar", *PARAMETERS])
    writer = Thread(rng, rng.randint(3, 8), [h for h in callees if h.kind in ("scalar", "pair", "recursive")])
    scope = KernelScope(["u"] + ["v"] * (kind in ("scalar", "pair")), ["k"], {}, [], [])
    if kind == "private":
        scope.arrays["p"] = PRIVATE
    elif kind == "reader":
        scope.places.append(Place("r", "r", anywhere="r[({}) % r.size]"))
    elif kind == "row":
        scope.places.append(Place("m", "m", own=("m[i, 0]", "m[i, 1]", f"m[i, ({{}}) % {ROW}]")))
    body = []
    if kind == "recursive":
        body = [Statement("if k <= 0:", [Statement(f"return {writer.expression(scope)}")])]
    body += writer.block(scope, 2, rng.randint(2, 4))
    value = writer.expression(scope)
    if kind == "recursive":
        deeper = f"{writer.expression(scope)}, {rng.choice(['k - 1', 'k - 2', 'k // 2'])}"
        value = f"math.sin({value} + 0.7 * {name}({deeper}))"
    elif kind == "pair":
        value = f"{value}, {writer.expression(scope)}"
    assert all(uses == {OWN} or group == "r" for group, uses in writer.stretch.uses.items())
    return Helper(name, kind), Statement(f"def {name}({PARAMETERS[kind]}):", [*body, Statement(f"return {value}")])
