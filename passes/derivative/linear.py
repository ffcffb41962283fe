"""The arithmetic of derivatives that both writers share: products with a seed, sums of adjoints."""

from __future__ import annotations

from numbad.passes.ir.builder import Builder
from numbad.passes.ir.types import VectorType
from numbad.passes.ir.values import Value, floating, is_zero, zero


def is_one(value: Value) -> bool:
    return str(value) in ("1.000000e+00", "0x3FF0000000000000")


def scaled(builder: Builder, seed: Value, partial: Value, strong: bool) -> Value:
    """partial * seed. A strong product is 0 for a seed of 0 whatever the partial is, infinite or nan."""
    if is_zero(seed):
        return zero(seed.type)
    if is_one(partial):
        return seed
    product = builder.binary("fmul", seed, partial)
    if not strong:
        return product
    nothing = floating(seed.type, 0.0) if not isinstance(seed.type, VectorType) else zero(seed.type)
    return builder.select(builder.compare("fcmp", "oeq", seed, nothing), nothing, product)


def added(builder: Builder, total: Value, part: Value) -> Value:
    """A sum; nothing is added to it where a part is the constant zero."""
    if is_zero(total) or is_zero(part):
        return part if is_zero(total) else total
    return builder.binary("fadd", total, part)
