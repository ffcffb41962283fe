"""Rules as machine code: what the tests of rules share.

A compiled rule is a function `void name(operands and y, out)` that stores the partials; operands and partials lie
`SLOT` bytes apart.
"""

from __future__ import annotations

import ctypes
import math

import llvmlite.binding as llvm

from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import I32, I64, PTR, VOID, FunctionType, Type
from numbad.passes.rules.algebra import Term
from numbad.passes.rules.table import Rule

SLOT = 16

INTEGERS: dict[str, dict[int, Type]] = {"powi": {1: I64}, "ldexp": {1: I32}, "polygamma": {0: I64},
                                         "jn": {0: I32}, "yn": {0: I32}}



def close(found: float | None, expected: float | None, relative: float, absolute: float = 0.0) -> bool:
    if found is None or expected is None or math.isnan(expected) or math.isinf(expected):
        return found == expected or (found is not None and expected is not None and found != found
                                     and expected != expected)
    return abs(found - expected) <= relative * abs(expected) + absolute


def operand_types(rule: Rule, real: Type) -> list[Type]:
    return [INTEGERS.get(rule.name, {}).get(k, real) for k in range(rule.arity)] + [real]


def add_function(module: Module, name: str, rule: Rule, real: Type) -> Function:
    function = Function(name, FunctionType(VOID, (PTR, PTR)))
    module.add(function)
    block = function.append(Block("entry"))
    builder = Builder(block)
    source, out = function.arguments
    *operands, y = [Term(builder, builder.load(type, builder.offset(source, SLOT * k), align=1))
                    for k, type in enumerate(operand_types(rule, real))]
    for k, partial in enumerate(rule.partials(operands, y)):
        if partial is not None:
            builder.store(partial.value, builder.offset(out, SLOT * k), align=1)
    builder.ret()
    return function


class Compiled:
    """All rules as machine code."""

    def __init__(self, module: Module, *texts: str):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.parsed = llvm.parse_assembly(print_module(module))
        for text in texts:
            self.parsed.link_in(llvm.parse_assembly(text))
        self.parsed.verify()
        machine = llvm.Target.from_default_triple().create_target_machine()
        self.engine = llvm.create_mcjit_compiler(self.parsed, machine)
        self.engine.finalize_object()

    def address(self, name: str) -> int:
        found = self.engine.get_function_address(name)
        assert found, name
        return found

    def __call__(self, name: str, inputs: list[bytes], count: int) -> list[bytes]:
        given = ctypes.create_string_buffer(b"".join(i.ljust(SLOT, b"\0") for i in inputs), SLOT * len(inputs))
        found = ctypes.create_string_buffer(SLOT * count)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(self.address(name))(given, found)
        return [found.raw[SLOT * k:SLOT * k + SLOT] for k in range(count)]
