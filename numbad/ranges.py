"""How Numba counts `range` loops, with one fact more: the variable of a signed range does not wrap.

Numba steps the variable once more behind the last iteration, where nobody reads it, and so leaves `nsw` (no signed
wrap) out. LLVM then cannot know that an index stays positive, and each access keeps the test for a negative index.

Given   Numba's implementation of `iternext`, and the iterator's type.
Gives   the same for iterators of signed ranges, with `nsw` on the step of the variable; all others as they are.
Unsure  about the form (no single plain addition) it raises EngineError: this Numba is not the one that was looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from llvmlite import ir
from numba.core import types

from numbad.errors import EngineError

SIGNED = (types.range_iter32_type, types.range_iter64_type)


def counted(iternext: Callable, argtypes: tuple) -> Callable:
    if tuple(argtypes)[:1] not in [(iterator,) for iterator in SIGNED]:
        return iternext

    @wraps(iternext)
    def without_wrap(context, builder, signature, arguments):
        steps: list[ir.Instruction] = []

        def add(left, right, name="", flags=()):
            steps.append(ir.IRBuilder.add(builder, left, right, name, ("nsw", *flags)))
            return steps[-1]

        builder.add = add
        try:
            result = iternext(context, builder, signature, arguments)
        finally:
            del builder.add
        if len(steps) != 1:
            raise EngineError(f"Numba's range has {len(steps)} additions where one was expected")
        return result

    return without_wrap
