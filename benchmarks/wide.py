"""A derivative for several tangents at once, as a Python function.

The engine writes forward mode of any width; the public functions ask for one tangent. This calls what the engine wrote
as it is: the arguments of the primal as LLVM sees them, and for each shadow as many parameters as there are tangents.
Numba's own library optimises the code and compiles it to machine code, as it does when `jvp` is called.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.typing.typeof import typeof

from numbad.derive import derive
from numbad.request import Request

P, I32, I64, DOUBLE = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_double
RESULT = 0  # the number of the primal's parameter that points to its result


def jvps(function: Any, arguments: tuple, tangents: Sequence[tuple]) -> Callable[[], tuple[float, np.ndarray]]:
    """Calls give the value of `function(*arguments)` and its derivative along each of `tangents`.

    A tangent is a tuple like `arguments`, with None where an argument is constant. The function returns a float and
    leaves its arguments as they were.
    """
    context = cpu_target.target_context
    rtsys.initialize(context)
    active = tuple(tangent is not None for tangent in tangents[0])
    made = derive(function, tuple(map(typeof, arguments)), Request("forward", active, len(tangents)))
    with global_compiler_lock:
        library = context.codegen().create_library("numbad.benchmark")
        library.add_linking_library(rtsys.library)
        library.add_llvm_module(_module(made.text, context.codegen()))
        library.finalize()

    value, exception, slots = DOUBLE(0.0), P(), (DOUBLE * len(tangents))()
    operands = [(P, ctypes.addressof(value)), (P, ctypes.addressof(exception))]
    operands += [_passed(p, arguments[p.argument]) for p in made.lowered.parameters]
    for number in made.shadows:
        if number == RESULT:
            operands += [(P, ctypes.addressof(slots) + 8 * lane) for lane in range(len(tangents))]
        else:
            parameter = made.lowered.parameters[number - 2]
            operands += [_passed(parameter, tangent[parameter.argument]) for tangent in tangents]
    kinds, values = zip(*operands, strict=True)
    address = library.get_pointer_to_function(made.symbol)
    compiled = ctypes.CFUNCTYPE(I32, *kinds)(address)

    def call() -> tuple[float, np.ndarray]:
        _ = arguments, tangents, library, exception  # which own what the operands point to
        slots[:] = [0.0] * len(slots)
        if compiled(*values):
            raise RuntimeError("the function raised an exception")
        return value.value, np.array(slots)

    return call


def _module(text: str, codegen: Any) -> llvm.ModuleRef:
    module = llvm.parse_assembly(text)
    module.data_layout = str(codegen.target_data)
    for function in module.functions:
        if function.linkage is llvm.Linkage.linkonce_odr:  # ours alone: another module's copy may have been changed
            function.linkage = llvm.Linkage.internal
    return module


def _passed(parameter: Any, argument: Any) -> tuple[Any, Any]:
    """C type and value of an LLVM parameter, of the argument that it belongs to; no array has a MemInfo."""
    match parameter.path:
        case ():
            return (I64 if isinstance(parameter.type, types.Integer) else DOUBLE), argument
        case ("data",):
            return P, argument.ctypes.data
        case ("meminfo" | "parent",):
            return P, None
        case ("nitems" | "itemsize" as field,):
            return I64, {"nitems": argument.size, "itemsize": argument.itemsize}[field]
        case (("shape" | "strides") as field, index):
            return I64, getattr(argument, field)[index]
    raise NotImplementedError(parameter)
