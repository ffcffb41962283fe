"""The key under which a compiled derivative is kept on disk.

Given   a plan and the types of a call.
Gives   a digest of all that decides the machine code: what is asked, the types, the processor, the packages
        (`numbad.stamp`), and the function and its callees as Numba lowered them (`numbad.lowered_digest`). Never
        source text or names alone: a callee may change in another file, a global in no file at all.
Unsure  gives None: the derivative is not kept.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from numba.core import types
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from numbad.descriptions import Indescribable, describe_type, describe_value
from numbad.errors import Error
from numbad.frontend import lower
from numbad.lowered_digest import digest
from numbad.stamp import stamp

if TYPE_CHECKING:
    from numbad.wrapper import Plan


def key_of(plan: Plan, argument_types: tuple[types.Type, ...]) -> str | None:
    try:
        parts = [stamp(), repr(cpu_target.target_context.codegen().magic_tuple())]
        parts += map(describe_type, argument_types)
        for step in plan.steps:
            parts += [step.name, *step.argument_names, describe_value(step.options),
                      describe_value(step.primal.targetoptions.get("nogil", False))]
        function = digest(lower(plan.root, plan.root_types(argument_types)))
    except Indescribable:
        return None
    except (Error, NumbaError, TypeError, ValueError):  # the plan raises it again where the user is told
        return None
    return None if function is None else hashlib.sha256("\0".join([*parts, function]).encode()).hexdigest()
