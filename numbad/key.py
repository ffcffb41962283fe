"""The key under which a compiled derivative is kept on disk.

Given   a plan, the types of a call, and how to find out what the function is: `lowered_here`, or `recalled`.
Gives   a digest of all that decides the machine code: what is asked, the types, the processor, the packages
        (`numbad.stamp`), and the function and its callees as Numba lowered them (`numbad.lowered_digest`). Never
        source text or names alone: a callee may change in another file, a global in no file at all.
Unsure  gives None: the derivative is not kept.

Lowering takes most of the time that a second process would need, so the digest of the lowered function is kept too,
under its `fingerprint`. A function that the fingerprint does not understand is lowered again in each process.

Numba lowers a function once for its argument types and stays with that, even if a global changes. So what is kept must
belong together: each function in reach was either lowered right after the fingerprint was taken, or is known from such
an occasion (`_lowered_as`), says the same and was not lowered since.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from numbad.descriptions import Indescribable, describe_type, describe_value
from numbad.disk import Disk
from numbad.errors import Error
from numbad.fingerprint import fingerprint, reach
from numbad.frontend import lower
from numbad.lowered_digest import digest
from numbad.stamp import stamp
from numbad.target import lowered_types

if TYPE_CHECKING:
    from numbad.plan import Plan

Types = tuple[types.Type, ...]

_lowered_as: weakref.WeakKeyDictionary[Any, tuple[list[str], frozenset[Types]]] = weakref.WeakKeyDictionary()
"""What a function said when it was lowered last, and for which types it was lowered then."""


def key_of(plan: Plan, argument_types: Types, what_is: Callable[[Dispatcher, Types], str | None]) -> str | None:
    try:
        parts = list(map(describe_type, argument_types))
        for step in plan.steps:
            parts += [step.name, *step.argument_names, describe_value(step.options),
                      describe_value(step.primal.targetoptions.get("nogil", False))]
        function = what_is(plan.root, plan.root_types(argument_types))
    except Indescribable:
        return None
    except (Error, NumbaError, TypeError, ValueError):  # the plan raises it again, where it is told as it should be
        return None
    return None if function is None else _hashed(*parts, function)


def lowered_here(function: Dispatcher, argument_types: Types) -> str | None:
    """The digest of the function as it is lowered in this process."""
    return digest(lower(function, argument_types))


def recalled(function: Dispatcher, argument_types: Types, disk: Disk) -> str | None:
    """The digest of the function as it is lowered now, from disk if an earlier process lowered it."""
    try:
        mark = fingerprint(function, argument_types)
    except Indescribable:
        return lowered_here(function, argument_types)
    key = _hashed(mark.text)
    known = disk.read(key)
    if isinstance(known, str):
        return known
    is_current = all(not lowered_types(other) or _lowered_as.get(other) == _state(other) for other in mark.functions)
    found = lowered_here(function, argument_types)
    if is_current:
        _lowered_as.update({other: _state(other) for other in mark.functions})
        if found is not None:
            disk.write(key, found)
    return found


def _state(function: Dispatcher) -> tuple[list[str], frozenset[Types]]:
    return list(reach(function).values()), lowered_types(function)


def _hashed(*parts: str) -> str:
    machine = repr(cpu_target.target_context.codegen().magic_tuple())
    return hashlib.sha256("\0".join([stamp(), machine, *parts]).encode()).hexdigest()
