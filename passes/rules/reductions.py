"""Partial derivatives of the intrinsics that reduce a vector to one number (see `decisions.Reduction`)."""

from __future__ import annotations

from numbad.passes.rules.algebra import first_lane, other_lanes, product_of_lanes
from numbad.passes.rules.table import Rule, make_rule

REDUCTIONS: dict[str, Rule] = {rule.name: rule for rule in (
    make_rule("reduce_fadd", lambda start, v, y: (1.0, 1.0)),
    make_rule("reduce_fmul", lambda start, v, y: (product_of_lanes(v), start * other_lanes(v))),
    make_rule("reduce_pick", lambda v, y: first_lane(v == y)),  # fmin, fmax: of equal lanes the first
)}
