"""LLVM text of a module, a function or an instruction.

Given   a module.
Gives   text that LLVM reads as the same module. It depends on nothing but the module: no addresses, no hash order.
        Values without a name, or with a number for a name, get LLVM's numbers; of two values with one name the
        second is renamed (`Function.name_values`).
Unsure  raises TypeError for an instruction of a class that it doesn't know.

Lists of predecessors and of attributes, which LLVM prints as comments, are left out.
"""

from __future__ import annotations

from collections.abc import Callable

from numbad.passes.ir.function import Block, Function, Global, Module
from numbad.passes.ir.instructions import (
    CASTS,
    Alloca,
    AtomicRMW,
    Branch,
    Call,
    Compare,
    CompareExchange,
    ExtractValue,
    GetElementPtr,
    InsertValue,
    Instruction,
    Load,
    Other,
    Phi,
    Store,
    Switch,
)
from numbad.passes.ir.types import VOID, FunctionType
from numbad.passes.ir.values import Argument, ConstantExpression, Value


def print_module(module: Module) -> str:
    """The whole module."""
    parts = ["\n".join(module.header)]
    parts.append("\n".join(f"{name} = type {body or 'opaque'}" for name, body in module.types.items()))
    parts.append("\n".join(f"{name} = {text}" for name, text in module.comdats.items()))
    parts.append("\n".join(map(print_global, module.globals.values())))
    parts += map(print_function, module.functions.values())
    parts.append("\n".join(f"attributes {number} = {text}" for number, text in module.attributes.items()))
    parts.append("\n".join(f"{name} = {text}" for name, text in module.metadata.items()))
    return "\n\n".join(part for part in parts if part) + "\n"


def print_global(item: Global) -> str:
    """The definition or declaration of a global variable, alias or ifunc."""
    words = [str(item), "=", item.head, str(item.value_type)]
    if item.initializer is not None:
        if item.head.endswith(("alias", "ifunc")):
            words[-1] += ","
            # LLVM takes the type in front of a symbol only.
            if not isinstance(item.initializer, ConstantExpression):
                words.append(str(item.initializer.type))
        words.append(str(item.initializer))
    # The tail starts with a comma, as in `, align 8`.
    return " ".join(filter(None, words)) + item.tail


def print_function(function: Function) -> str:
    """The definition or declaration; its values get their final names."""
    if not function.is_declaration:
        function.name_values()
    parameters = [print_argument(a, not function.is_declaration) for a in function.arguments]
    if function.signature.vararg:
        parameters.append("...")
    word = "declare" if function.is_declaration else "define"
    words = [word, function.head, function.result_attributes, str(function.signature.result),
             f"{function}({', '.join(parameters)})", function.tail]
    head = " ".join(filter(None, words))
    if function.is_declaration:
        return head
    lines = [f"{head} {{"]
    for block in function.blocks:
        if block is not function.blocks[0] or not block.name.isdigit():
            lines += ["", _label(block)] if len(lines) > 1 else [_label(block)]
        for instruction in block.instructions:
            lines += [f"    {record}" for record in instruction.debug_records]
            lines.append(f"  {print_instruction(instruction)}")
    lines.append("}")
    return "\n".join(lines)


def print_argument(argument: Argument, with_name: bool = True) -> str:
    return " ".join(filter(None, [str(argument.type), argument.attributes, str(argument) if with_name else ""]))


def print_instruction(instruction: Instruction) -> str:
    """The instruction on one line, metadata included."""
    printer = _PRINTERS.get(type(instruction))
    if printer is None:
        raise TypeError(f"no syntax for instructions of the class {type(instruction).__name__}")
    text = printer(instruction)
    if instruction.type is not VOID and instruction.type != VOID:
        text = f"{instruction} = {text}"
    if instruction.metadata:
        text += "".join(f", !{kind} {node}" for kind, node in instruction.metadata.items())
    return text


def _label(block: Block) -> str:
    return f"{str(block)[1:]}:"


def _typed(value: Value) -> str:
    return f"{value.type} {value}"


def _head(instruction: Instruction) -> str:
    return " ".join([instruction.opcode, *instruction.flags])


def _align(align: int) -> str:
    return f", align {align}" if align else ""


def _atomic(syncscope: str, ordering: str | None) -> str:
    return (f" {syncscope}" if syncscope else "") + (f" {ordering}" if ordering else "")


# --- one printer a class ---


def _plain(i: Instruction) -> str:
    opcode, operands = i.opcode, i.operands
    if opcode in CASTS:
        return f"{_head(i)} {_typed(operands[0])} to {i.type}"
    if opcode in ("select", "extractelement", "insertelement", "shufflevector"):
        return f"{_head(i)} {', '.join(map(_typed, operands))}"
    if opcode == "ret" and not operands:
        return "ret void"
    if not operands:
        return opcode
    if len(operands) == 1:
        return f"{_head(i)} {_typed(operands[0])}"
    return f"{_head(i)} {operands[0].type} {operands[0]}, {operands[1]}"


def _compare(i: Compare) -> str:
    left, right = i.operands
    return f"{_head(i)} {i.predicate} {left.type} {left}, {right}"


def _phi(i: Phi) -> str:
    return f"{_head(i)} {i.type} " + ", ".join(f"[ {value}, {block} ]" for value, block in i.incoming)


def _load(i: Load) -> str:
    words = f"load{' atomic' if i.ordering else ''}{' volatile' if i.volatile else ''}"
    return f"{words} {i.type}, {_typed(i.pointer)}{_atomic(i.syncscope, i.ordering)}{_align(i.align)}"


def _store(i: Store) -> str:
    words = f"store{' atomic' if i.ordering else ''}{' volatile' if i.volatile else ''}"
    return f"{words} {_typed(i.value)}, {_typed(i.pointer)}{_atomic(i.syncscope, i.ordering)}{_align(i.align)}"


def _alloca(i: Alloca) -> str:
    words = f"alloca {i.inalloca} " if i.inalloca else "alloca "
    count = f", {_typed(i.operands[0])}" if i.operands else ""
    space = i.type.addrspace  # type: ignore[attr-defined]
    return f"{words}{i.allocated}{count}{_align(i.align)}{f', addrspace({space})' if space else ''}"


def _getelementptr(i: GetElementPtr) -> str:
    return f"{_head(i)} {i.source}, {', '.join(map(_typed, i.operands))}"


def _extractvalue(i: ExtractValue) -> str:
    return f"extractvalue {_typed(i.operands[0])}, {', '.join(map(str, i.indices))}"


def _insertvalue(i: InsertValue) -> str:
    return f"insertvalue {', '.join(map(_typed, i.operands))}, {', '.join(map(str, i.indices))}"


def _atomicrmw(i: AtomicRMW) -> str:
    operands = ", ".join(map(_typed, i.operands))
    return (f"atomicrmw {'volatile ' if i.volatile else ''}{i.operation} {operands}"
            f"{_atomic(i.syncscope, i.ordering)}{_align(i.align)}")


def _cmpxchg(i: CompareExchange) -> str:
    return f"{_head(i)} {', '.join(map(_typed, i.operands))} {i.text}"


def _call(i: Call) -> str:
    signature: FunctionType = i.signature
    callee_type = signature if signature.vararg else signature.result
    arguments = ", ".join(f"{a.type} {words} {a}" if words else f"{a.type} {a}"
                          for a, words in zip(i.arguments, i.argument_attributes, strict=True))
    if i.tail == "musttail" and i.function.signature.vararg:
        arguments += ", ..." if arguments else "..."
    words = [i.tail, _head(i), i.convention, i.result_attributes, str(callee_type), f"{i.callee}({arguments})",
             i.attributes, i.bundles.format(*i.bundle_operands)]
    return " ".join(filter(None, words))


def _branch(i: Branch) -> str:
    return f"br {', '.join(map(_typed, i.operands))}"


def _switch(i: Switch) -> str:
    cases = "".join(f"    {_typed(value)}, label {block}\n" for value, block in i.cases)
    value, default = i.operands[:2]
    return f"switch {_typed(value)}, label {default} [\n{cases}  ]"


def _other(i: Other) -> str:
    return i.text.format(*i.operands)


_PRINTERS: dict[type, Callable[..., str]] = {
    Instruction: _plain,
    Compare: _compare,
    Phi: _phi,
    Load: _load,
    Store: _store,
    Alloca: _alloca,
    GetElementPtr: _getelementptr,
    ExtractValue: _extractvalue,
    InsertValue: _insertvalue,
    AtomicRMW: _atomicrmw,
    CompareExchange: _cmpxchg,
    Call: _call,
    Branch: _branch,
    Switch: _switch,
    Other: _other,
}
