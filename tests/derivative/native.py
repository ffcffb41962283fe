"""LLVM text as machine code, for tests that run what the engine reads or writes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import llvmlite.binding as llvm

P, I32, I64, DOUBLE = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_double


class Native:
    """A compiled module. `symbols`: addresses of what it declares, in this module only."""

    def __init__(self, text: str, symbols: Mapping[str, int] | None = None):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._parsed = llvm.parse_assembly(text)
        self._parsed.verify()
        machine = llvm.Target.from_default_triple().create_target_machine(opt=1)
        self._engine = llvm.create_mcjit_compiler(self._parsed, machine)
        for name, address in (symbols or {}).items():
            self._engine.add_global_mapping(self._named(name), address)
        self._engine.finalize_object()

    def _named(self, name: str) -> llvm.ValueRef:
        values = [*self._parsed.functions, *self._parsed.global_variables]
        return next(value for value in values if value.name == name)

    def function(self, name: str, result: Any, *parameters: Any) -> Callable:
        address = self._engine.get_function_address(name)
        assert address, name
        call = ctypes.CFUNCTYPE(result, *parameters)(address)
        call.owner = self  # type: ignore[attr-defined]
        return call
