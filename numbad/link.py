"""Calls of a derivative from Numba code: its LLVM text is linked into the caller's library.

Given   a `Derivative`, as a compile-time constant, and the primal arguments (behind a None) and shadows as tuples.
Gives   `forward` and `reverse`, callable in compiled code only. They never raise: they return the primal's status code
        and exception pointer in front of their results, for `failed` and `propagate`. A caller that tests the status
        before it raises lets Numba release the arrays that are live: a raise inside the call would leak them.
Unsure  (text that LLVM rejects, a shadow that the derivative wants and the caller has not) is an `EngineError`.

Nothing is optimised here: Numba's pipeline for the caller's library sees primal, derivative and caller together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.callconv import errcode_t, excinfo_ptr_t
from numba.core.codegen import CPUCodeLibrary
from numba.core.imputils import lower_constant
from numba.core.typing.typeof import typeof_impl
from numba.extending import intrinsic, models, register_model

from numbad import abi, target
from numbad.errors import EngineError

if TYPE_CHECKING:
    from numbad.derive import Derivative

OUT_OF_MEMORY = 1000
"""The status code of a derivative that found no memory for its tape."""
RETCODE_NONE = -2
"""Numba's status code for the None of an Optional."""
_RETPTR, _FIRST_ARGUMENT = 0, 2


class Static:
    """A Python object as a compile-time constant: its Numba type holds it, its value is nothing."""

    def __init__(self, value: object):
        self.value = value


class StaticType(types.Type):
    def __init__(self, static: Static, label: str):
        self.static = static
        super().__init__(f"numbad.Static({label})")

    @property
    def key(self):
        return self.static


register_model(StaticType)(models.OpaqueModel)


@typeof_impl.register(Static)
def _typeof_static(static, context):
    return StaticType(static, type(static.value).__name__)


@lower_constant(StaticType)
def _constant_static(context, builder, ty, value):
    return context.get_dummy_value()


class TextLibrary(CPUCodeLibrary):
    """LLVM text as a library to link. It is neither optimised nor compiled on its own.

    The run-time functions of derivatives (the tape's) are merged where a text is differentiated again. Machine code has
    its own copy of each: LLVM changes them to fit their callers, and MCJIT, which keeps one table of names for all that
    a process compiles, would bind one module's calls to the copy that was made to fit another.
    """

    def __init__(self, codegen, name: str, text: str):
        super().__init__(codegen, name)
        try:
            module = llvm.parse_assembly(text)
            module.verify()
        except RuntimeError as error:
            raise EngineError(f"LLVM rejects the derivative {name}: {error}") from error
        if not isinstance(codegen, target.Codegen):
            for function in module.functions:
                if function.linkage is llvm.Linkage.linkonce_odr:
                    function.linkage = llvm.Linkage.internal
        module.data_layout = self._final_module.data_layout
        module.triple = self._final_module.triple
        self._final_module.link_in(module)

    def _optimize_final_module(self):
        """The caller's library is optimised as a whole."""

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True


@dataclass(frozen=True, eq=False)
class Callee:
    """A derivative, and for which arguments it was asked."""

    derivative: Derivative
    active: tuple[bool, ...]

    @property
    def result(self) -> types.Type:
        return self.derivative.lowered.signature.return_type

    @property
    def adjoints(self) -> tuple[types.Type, ...]:
        arguments = self.derivative.lowered.signature.args
        return tuple(abi.adjoint_type(ty) if is_active else types.none
                     for ty, is_active in zip(arguments, self.active, strict=True))


@intrinsic
def forward(typingctx, callee, primals, tangents):
    """`(code, excinfo, result, tangent)`; `tangents` mirror the arguments, with None where there is none."""
    chosen = callee.static.value
    returned = types.Tuple((types.int32, types.voidptr, chosen.result, abi.tangent_type(chosen.result)))

    def codegen(context, builder, signature, arguments):
        _, primals, tangents = zip(signature.args, arguments, strict=True)
        call = _Call(context, builder, chosen, primals, tangents)
        beside = call.slot(context.get_constant_null(chosen.result))
        shadows = []
        for number in chosen.derivative.shadows:
            if number == _RETPTR:
                shadows.append(beside)
            elif call.is_float(number):
                given = call.shadows[number]
                shadows.append(call.kind(number)(0.0) if given is None else given)
            else:
                shadows.append(call.pointer(number))
        code, excinfo, out = call.emit(shadows)
        tangent = abi.tangent_value(context, builder, chosen.result, out, call.slot_value(beside))
        return context.make_tuple(builder, signature.return_type, [code, excinfo, out, tangent])

    return returned(callee, primals, tangents), codegen


@intrinsic
def reverse(typingctx, callee, primals, shadows, seeds):
    """`(code, excinfo, mismatch, result, adjoints)`: the adjoints of floats, in tuples like the arguments.

    `seeds` mirror the result; `mismatch` is the number of the result's array whose seed has another shape, or 0.
    """
    chosen = callee.static.value
    returned = types.Tuple((types.int32, types.voidptr, types.int64, chosen.result,
                            types.BaseTuple.from_types(chosen.adjoints)))

    def codegen(context, builder, signature, arguments):
        _, primals, given, (seed_type, seed) = zip(signature.args, arguments, strict=True)
        call = _Call(context, builder, chosen, primals, given)
        beside = call.slot(abi.seed_value(context, builder, chosen.result, seed_type, seed))
        cells, shadows = {}, []
        for number in chosen.derivative.shadows:
            if number == _RETPTR:
                shadows.append(beside)
            elif call.is_float(number):
                cells[number] = cgutils.alloca_once(builder, call.kind(number))
                builder.store(call.kind(number)(0.0), cells[number])
                shadows.append(cells[number])
            else:
                shadows.append(call.pointer(number))
        mismatch = None
        if abi.seed_text(chosen.result, seed_type) is not None:
            block = cgutils.alloca_once(builder, abi.seeds_type(context, seed_type))
            mismatch = cgutils.gep_inbounds(builder, block, 0, 0)
            builder.store(mismatch.type.pointee(0), mismatch)
            builder.store(seed, cgutils.gep_inbounds(builder, block, 0, 1))
            shadows.append(block)
        code, excinfo, out = call.emit(shadows)
        number = context.get_constant(types.int64, 0) if mismatch is None else builder.load(mismatch)
        adjoints = call.adjoints(cells)
        return context.make_tuple(builder, signature.return_type, [code, excinfo, number, out, adjoints])

    return returned(callee, primals, shadows, seeds), codegen


@intrinsic
def propagate(typingctx, code, excinfo):
    """Leave the function with the exception that a derivative returned."""
    def codegen(context, builder, signature, arguments):
        code, excinfo = arguments
        convention = context.call_conv
        with builder.if_then(builder.icmp_signed("==", code, errcode_t(OUT_OF_MEMORY)), likely=False):
            convention.return_user_exc(builder, MemoryError, ("no memory for what the reverse sweep needs",))
        pointer = builder.bitcast(excinfo, excinfo_ptr_t)
        status = convention._get_return_status(builder, code, pointer)
        with builder.if_then(status.is_error, likely=False):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(code, excinfo), codegen


class _Call:
    """One call of a derivative: the operands, by the number of the primal's LLVM parameter that they belong to."""

    def __init__(self, context, builder, callee: Callee, primals, shadows):
        self.context, self.builder, self.callee = context, builder, callee
        self.types = callee.derivative.lowered.signature.args
        convention = context.call_conv
        self.signature = convention.get_function_type(callee.result, self.types)
        given, value = primals
        for ty, other in zip(self.types, given.types[1:], strict=True):
            abi.check_primal(ty, other)
        values = [context.cast(builder, builder.extract_value(value, index), given.types[index], ty)
                  for index, ty in enumerate(self.types, 1)]
        self.arguments = list(convention._get_arg_packer(self.types).as_arguments(builder, values))
        given, value = shadows
        self.shadows = dict(enumerate(
            (shadow for index, ty in enumerate(self.types)
             for shadow in abi.shadow_arguments(context, builder, ty, given.types[index],
                                                builder.extract_value(value, index))), _FIRST_ARGUMENT))

    def kind(self, number: int) -> ir.Type:
        return self.signature.args[number]

    def is_float(self, number: int) -> bool:
        return isinstance(self.kind(number), (ir.DoubleType, ir.FloatType))

    def pointer(self, number: int) -> ir.Value:
        shadow = self.shadows[number]
        if shadow is None:
            raise EngineError(f"{self.callee.derivative.symbol} wants a shadow of the LLVM parameter {number}, "
                              "for which it did not ask")
        return shadow

    def slot(self, value: ir.Value) -> ir.Value:
        """Memory for a result, like the one that `retptr` points to."""
        returned = self.context.get_return_value(self.builder, self.callee.result, value)
        slot = cgutils.alloca_once(self.builder, self.signature.args[_RETPTR].pointee)
        self.builder.store(returned, slot)
        return slot

    def slot_value(self, slot: ir.Value) -> ir.Value:
        return self.context.get_returned_value(self.builder, self.callee.result, self.builder.load(slot))

    def emit(self, shadows: list[ir.Value]) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Call; the status code, the exception pointer as `voidptr`, and the primal's result (zero on an error)."""
        context, builder, derivative = self.context, self.builder, self.callee.derivative
        library = TextLibrary(context.codegen(), derivative.symbol, derivative.text)
        context.active_code_library.add_linking_library(library)
        result = self.slot(context.get_constant_null(self.callee.result))
        excinfo = cgutils.alloca_once(builder, excinfo_ptr_t)
        builder.store(excinfo_ptr_t(None), excinfo)
        operands = [result, excinfo, *self.arguments, *shadows]
        wanted = ir.FunctionType(errcode_t, [operand.type for operand in operands])
        function = cgutils.get_or_insert_function(builder.module, wanted, derivative.symbol)
        code = builder.call(function, operands)
        pointer = builder.bitcast(builder.load(excinfo), cgutils.voidptr_t)
        return code, pointer, self.slot_value(result)

    def adjoints(self, cells: dict[int, ir.Value]) -> ir.Value:
        """The adjoints of the arguments as one tuple, from the cells of the floats."""
        context, builder = self.context, self.builder
        number = _FIRST_ARGUMENT

        def collect(ty, adjoint):
            nonlocal number
            if isinstance(adjoint, types.BaseTuple):
                return context.make_tuple(builder, adjoint, list(map(collect, ty.types, adjoint.types)))
            first, number = number, number + abi.parameter_count(context, ty)
            if not abi.is_float(adjoint):
                return context.get_dummy_value()
            return builder.load(cells[first]) if first in cells else context.get_constant(adjoint, 0.0)

        wanted = self.callee.adjoints
        return context.make_tuple(builder, types.BaseTuple.from_types(wanted), list(map(collect, self.types, wanted)))
