"""The shadows of global variables: zeros beside each, of the same size.

    constant memory     zeros, to which reverse mode adds adjoints that nobody reads
    shared memory       of a GPU: beside it in the same address space. The launch gives no zeros there, so a function of
                        reverse mode begins with `numbad.shared.clear`; forward mode reads only what was written.
    dynamic             shared memory whose size the launch tells: the launch gives room for all (1 + width) times, and
                        the shadows lie behind the primal's (`numbad.shared.part`)

Given   a module, a target, a constant address.
Gives   the address of the shadow. Names hold letters that assemblers take.
Unsure  does not happen: each constant address lies in a variable that the module knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from numbad.passes.diagnostics import refuse
from numbad.passes.ir.builder import i32
from numbad.passes.ir.function import Function, Global, Module
from numbad.passes.ir.instructions import Call, Instruction
from numbad.passes.ir.types import I8, I32, I64, PTR, VOID, ArrayType, FunctionType, PointerType, Type, size_of
from numbad.passes.ir.values import ConstantExpression, ConstantText, Value, integer, zero
from numbad.passes.rules.targets import Target

PREFIX = "numbad_shadow_"
PART, CLEAR = "numbad.shared.part", "numbad.shared.clear"


def root_of(value: Value) -> Value:
    """The variable that a constant address lies in."""
    while isinstance(value, ConstantExpression):
        value = value.operands[0]
    return value


def shadow_address(module: Module, target: Target, value: Value, lane: int) -> Value:
    """The shadow of a constant address in a variable whose size is known."""
    if isinstance(value, ConstantExpression):
        base, *others = value.operands
        shadow = shadow_address(module, target, base, lane)
        type = shadow.type if value.opcode == "getelementptr" else value.type
        return replace(value, type=type, operands=(shadow, *others))
    if not isinstance(value, Global):
        return zero(value.type)
    space = _space(value.type)
    is_shared = space == target.shared_space
    name = PREFIX + "".join(c if c.isascii() and (c.isalnum() or c == "_") else f"${ord(c):x}$" for c in value.name)
    if is_shared and lane:
        name = f"{name}${lane}"
    if name not in module.globals:
        bytes = ArrayType(-(-size_of(value.value_type) // 8) * 8, I8)
        space = space if is_shared else min(space, 1)  # 1 is a GPU's global memory, which can be written
        word = f"addrspace({space}) " if space else ""
        module.add(Global(name, bytes, ConstantText(bytes, "undef" if is_shared else "zeroinitializer"),
                          f"internal {word}global", ", align 64", PointerType(space)))
    return module.globals[name]


def dynamic_shadow(module: Module, value: Value, lane: int, width: int) -> Iterator[Instruction]:
    """Instructions for the head of a function; the last one is the shadow of an address in dynamic memory."""
    generic = value
    if _space(value.type):
        generic = Instruction("addrspacecast", PTR, [value])
        yield generic
    part = module.declare(PART, FunctionType(PTR, (PTR, I32, I32)))
    shadow: Instruction = Call(part.signature, part, [generic, i32(lane + 1), i32(width + 1)])
    yield shadow
    if _space(value.type):
        yield Instruction("addrspacecast", value.type, [shadow])


def check_shared(module: Module, target: Target, derivative: Function) -> None:
    """Refuse shared memory for which there is no room beside its shadows."""
    declared = [v for v in module.globals.values() if _space(v.type) == target.shared_space and not v.is_dynamic]
    bytes = {v: size_of(v.value_type) for v in declared}
    if sum(bytes.values()) <= target.shared_bytes:
        return
    own = [v for v in declared if not v.name.startswith(PREFIX)]
    largest = max(own, key=lambda v: bytes[v])
    user = next((i for i in derivative.instructions if any(root_of(o) is largest for o in i.operands)), None)
    raise refuse("unsupported", f"{sum(bytes[v] for v in own):,} bytes of shared memory, and as much again for the "
                 f"derivatives of what lies there: a kernel may declare {target.shared_bytes:,}",
                 "use smaller tiles", user)


def clear_shared(module: Module, target: Target, function: Function) -> None:
    """Put zeros into the shadows of shared memory, before anything else happens; all threads take part."""
    calls: list[Instruction] = []
    for variable in list(module.globals.values()):
        is_shared = _space(variable.type) == target.shared_space
        if is_shared and variable.name.startswith(PREFIX):
            generic = ConstantExpression(PTR, "addrspacecast", (variable,), "addrspacecast ({0} to ptr)")
            bytes = integer(I64, size_of(variable.value_type))
            clear = module.declare(CLEAR, FunctionType(VOID, (PTR, I64)))
            calls.append(Call(clear.signature, clear, [generic, bytes]))
    if PART in module.functions:
        dynamic = next(v for v in module.globals.values() if v.is_dynamic)
        generic = ConstantExpression(PTR, "addrspacecast", (dynamic,), "addrspacecast ({0} to ptr)")
        clear = module.declare(f"{CLEAR}.dynamic", FunctionType(VOID, (PTR,)))
        calls.append(Call(clear.signature, clear, [generic]))
    if calls:
        wait = module.declare("numbad.shared.wait", FunctionType(VOID, ()))
        calls.append(Call(wait.signature, wait, []))
    for position, call in enumerate(calls):
        function.entry.insert(position, call)


def _space(type: Type) -> int:
    return type.addrspace if isinstance(type, PointerType) else 0
