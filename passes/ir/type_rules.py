"""Which operands and which result an instruction may have.

Given   an instruction, and the bodies of the module's identified structures.
Gives   what is wrong with its types or flags, as half a sentence, or None.
Unsure  says nothing: shapes that the engine only carries along (`Other`) are not looked into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from numbad.passes.ir import spelling
from numbad.passes.ir.instructions import (
    BINARY,
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
from numbad.passes.ir.types import (
    FLOAT_BYTES,
    I1,
    LABEL,
    VOID,
    ArrayType,
    FloatType,
    IntType,
    NamedType,
    PointerType,
    StructType,
    Type,
    VectorType,
)
from numbad.passes.ir.values import ConstantInt

Bodies = Mapping[str, StructType | None]

_CAST_ENDS = {
    "trunc": (IntType, IntType), "zext": (IntType, IntType), "sext": (IntType, IntType),
    "fptrunc": (FloatType, FloatType), "fpext": (FloatType, FloatType),
    "fptoui": (FloatType, IntType), "fptosi": (FloatType, IntType),
    "uitofp": (IntType, FloatType), "sitofp": (IntType, FloatType),
    "ptrtoint": (PointerType, IntType), "inttoptr": (IntType, PointerType),
    "addrspacecast": (PointerType, PointerType),
}
_FLAGS = {
    **dict.fromkeys(("add", "sub", "mul", "shl", "trunc"), {"nuw", "nsw"}),
    **dict.fromkeys(("udiv", "sdiv", "lshr", "ashr"), {"exact"}),
    **dict.fromkeys(("zext", "uitofp"), {"nneg"}),
    **dict.fromkeys("fadd fsub fmul fdiv frem fneg fcmp fptrunc fpext phi select call".split(), spelling.FAST_MATH),
    "or": {"disjoint"},
    "icmp": {"samesign"},
    "getelementptr": {"inbounds", "nusw", "nuw"},
    "cmpxchg": {"weak", "volatile"},
}


def problem(i: Instruction, bodies: Bodies) -> str | None:
    """What is wrong with the instruction's types or flags."""
    if isinstance(i, Other):
        return None
    wrong = set(i.flags) - set(_FLAGS.get(i.opcode, ()))
    if wrong:
        return f"{i.opcode} takes no flag {', '.join(sorted(wrong))}"
    rule = _RULES.get(type(i))
    if rule is None:
        return f"instructions of the class {type(i).__name__} have no rule"
    return rule(i, bodies)


def element(type: Type, index: int, bodies: Bodies) -> Type | None:
    """The type of one element of an aggregate, None if it has no such element."""
    if isinstance(type, NamedType):
        type = bodies.get(type.name) or type
    if isinstance(type, StructType):
        return type.elements[index] if 0 <= index < len(type.elements) else None
    if isinstance(type, ArrayType):
        return type.element if 0 <= index < type.count else None
    return None


def _reshaped(type: Type, scalar: Type) -> Type:
    """The type with another scalar: a vector stays a vector of as many."""
    return VectorType(type.count, scalar, type.scalable) if isinstance(type, VectorType) else scalar


def _is_value(type: Type) -> bool:
    return type != VOID and type != LABEL


def _power_of_two(align: int) -> str | None:
    return None if align >= 0 and align & (align - 1) == 0 else f"the alignment {align} is no power of two"


def _plain(i: Instruction, bodies: Bodies) -> str | None:
    opcode, types = i.opcode, [o.type for o in i.operands]
    if opcode in BINARY:
        if len(types) != 2 or types[0] != types[1] or types[0] != i.type:
            return f"{opcode} takes and gives one type, not {_list(types)} -> {i.type}"
        return None if (i.type.is_float if opcode[0] == "f" else i.type.is_int) else f"{opcode} of {i.type}"
    if opcode in ("fneg", "freeze"):
        return None if types == [i.type] and (opcode == "freeze" or i.type.is_float) else f"{opcode} of {_list(types)}"
    if opcode in _CAST_ENDS or opcode == "bitcast":
        return _cast(opcode, types, i.type)
    if opcode == "select":
        fits = len(types) == 3 and types[1] == types[2] == i.type and types[0] in (I1, _reshaped(i.type, I1))
        return None if fits else f"select of {_list(types)} -> {i.type}"
    if opcode in _VECTOR_RULES:
        return None if _VECTOR_RULES[opcode](i, types) else f"{opcode} of {_list(types)} -> {i.type}"
    if opcode == "ret":
        return _return(i, types)
    if opcode == "unreachable":
        return f"{opcode} takes no operands" if types else None
    return f"the opcode {opcode} has no rule"


def _list(types: list[Type]) -> str:
    return ", ".join(map(str, types)) or "nothing"


def _cast(opcode: str, types: list[Type], to: Type) -> str | None:
    text = f"{opcode} of {_list(types)} to {to}"
    if len(types) != 1:
        return text
    (source,) = types
    if opcode == "bitcast":
        return None if _bits(source) == _bits(to) != 0 or source == to else text
    begin, end = _CAST_ENDS[opcode]
    a, b = source.scalar, to.scalar
    if not isinstance(a, begin) or not isinstance(b, end) or _reshaped(source, b) != to:
        return text
    if opcode == "trunc" and not a.bits > b.bits or opcode in ("zext", "sext") and not a.bits < b.bits:  # type: ignore
        return text
    if opcode == "fptrunc" and not _bits(a) > _bits(b) or opcode == "fpext" and not _bits(a) < _bits(b):
        return text
    return None


def _bits(type: Type) -> int:
    """The size of what can be cast bit by bit; pointers only fit pointers of the same kind, so they get odd sizes."""
    match type:
        case IntType(bits=bits):
            return bits
        case FloatType(name=name):
            return 80 if name == "x86_fp80" else 8 * FLOAT_BYTES[name]
        case VectorType(count=count, element=item):
            return count * _bits(item)
        case PointerType(addrspace=space):
            return -1 - space
    return 0


def _return(i: Instruction, types: list[Type]) -> str | None:
    result = i.function.signature.result
    if (types or [VOID]) != [result]:
        return f"returns {_list(types)} from a function that returns {result}"
    return None


def _extractelement(i: Instruction, types: list[Type]) -> bool:
    return (len(types) == 2 and isinstance(types[0], VectorType) and isinstance(types[1], IntType)
            and types[0].element == i.type)


def _insertelement(i: Instruction, types: list[Type]) -> bool:
    return (len(types) == 3 and isinstance(types[0], VectorType) and types[0] == i.type
            and types[1] == types[0].element and isinstance(types[2], IntType))


def _shufflevector(i: Instruction, types: list[Type]) -> bool:
    return (len(types) == 3 and isinstance(types[0], VectorType) and types[0] == types[1]
            and isinstance(types[2], VectorType) and types[2].element == IntType(32)
            and i.type == VectorType(types[2].count, types[0].element, types[2].scalable))


_VECTOR_RULES: dict[str, Callable[[Instruction, list[Type]], bool]] = {
    "extractelement": _extractelement, "insertelement": _insertelement, "shufflevector": _shufflevector,
}


def _compare(i: Compare, bodies: Bodies) -> str | None:
    a, b = (o.type for o in i.operands)
    fits = a.is_float if i.opcode == "fcmp" else a.is_int or a.is_pointer
    known = spelling.FLOAT_PREDICATES if i.opcode == "fcmp" else spelling.INTEGER_PREDICATES
    if not fits or a != b or i.type != _reshaped(a, I1):
        return f"{i.opcode} of {a}, {b} -> {i.type}"
    return None if i.predicate in known else f"{i.opcode} has no predicate {i.predicate}"


def _phi(i: Phi, bodies: Bodies) -> str | None:
    if len(i.operands) % 2:
        return "a phi has pairs of operands"
    for value, block in i.incoming:
        if value.type != i.type or block.type != LABEL:
            return f"[ {value.type} {value}, {block.type} {block} ] in a phi of {i.type}"
    return None


def _load(i: Load, bodies: Bodies) -> str | None:
    if not isinstance(i.pointer.type, PointerType) or not _is_value(i.type):
        return f"load of {i.type} from a {i.pointer.type}"
    return _power_of_two(i.align)


def _store(i: Store, bodies: Bodies) -> str | None:
    if not isinstance(i.pointer.type, PointerType) or not _is_value(i.value.type):
        return f"store of {i.value.type} to a {i.pointer.type}"
    return _power_of_two(i.align)


def _alloca(i: Alloca, bodies: Bodies) -> str | None:
    if not isinstance(i.type, PointerType) or not _is_value(i.allocated):
        return f"alloca of {i.allocated} -> {i.type}"
    if any(not isinstance(o.type, IntType) for o in i.operands):
        return "the number of elements is an integer"
    return _power_of_two(i.align)


def _getelementptr(i: GetElementPtr, bodies: Bodies) -> str | None:
    if not i.base.type.is_pointer or not i.indices or any(not o.type.is_int for o in i.indices):
        return f"getelementptr with {_list([o.type for o in i.operands])}"
    vector = next((o.type for o in i.operands if isinstance(o.type, VectorType)), None)
    if i.type != (_reshaped(vector, i.base.type.scalar) if vector else i.base.type):
        return f"getelementptr -> {i.type}"
    type: Type | None = i.source
    for index in i.indices[1:]:
        if isinstance(type, VectorType):
            type = type.element
        elif isinstance(type, ArrayType):
            type = type.element
        else:
            type = element(type, index.value, bodies) if type and isinstance(index, ConstantInt) else None
        if type is None:
            return f"getelementptr can't step through {i.source} like this"
    return None


def _path(aggregate: Type, indices: tuple[int, ...], bodies: Bodies) -> Type | None:
    type: Type | None = aggregate
    for index in indices:
        type = element(type, index, bodies) if type is not None else None
    return type


def _extractvalue(i: ExtractValue, bodies: Bodies) -> str | None:
    source = i.operands[0].type
    fits = i.indices and _path(source, i.indices, bodies) == i.type
    return None if fits else f"extractvalue of {source} at {i.indices} -> {i.type}"


def _insertvalue(i: InsertValue, bodies: Bodies) -> str | None:
    aggregate, item = (o.type for o in i.operands)
    fits = i.indices and _path(aggregate, i.indices, bodies) == item and i.type == aggregate
    return None if fits else f"insertvalue of {item} into {aggregate} at {i.indices} -> {i.type}"


def _atomicrmw(i: AtomicRMW, bodies: Bodies) -> str | None:
    pointer, value = (o.type for o in i.operands)
    fits = value.is_float if i.operation[0] == "f" else value.is_int or i.operation == "xchg"
    if not isinstance(pointer, PointerType) or not fits or i.type != value:
        return f"atomicrmw {i.operation} of {pointer}, {value} -> {i.type}"
    return _power_of_two(i.align)


def _cmpxchg(i: CompareExchange, bodies: Bodies) -> str | None:
    pointer, expected, new = (o.type for o in i.operands)
    fits = isinstance(pointer, PointerType) and expected == new and i.type == StructType((new, I1))
    return None if fits else f"cmpxchg of {pointer}, {expected}, {new} -> {i.type}"


def _branch(i: Branch, bodies: Bodies) -> str | None:
    types = [o.type for o in i.operands]
    return None if types in ([LABEL], [I1, LABEL, LABEL]) else f"br of {_list(types)}"


def _switch(i: Switch, bodies: Bodies) -> str | None:
    value, *rest = i.operands
    if not isinstance(value.type, IntType) or len(rest) % 2 == 0 or rest[0].type != LABEL:
        return "switch takes an integer, a default block, and pairs of a case and a block"
    seen = set()
    for case, block in i.cases:
        if not isinstance(case, ConstantInt) or case.type != value.type or block.type != LABEL or case in seen:
            return f"the case {case.type} {case}, {block} of a switch on {value.type}"
        seen.add(case)
    return None


def _call(i: Call, bodies: Bodies) -> str | None:
    wanted, given = i.signature.parameters, tuple(a.type for a in i.arguments)
    if i.callee.type.is_pointer is False:
        return f"calls a {i.callee.type}"
    if given != wanted and not (i.signature.vararg and given[:len(wanted)] == wanted):
        return f"gives ({_list(list(given))}) to a function of ({_list(list(wanted))})"
    if i.type != i.signature.result:
        return f"a call of {i.signature} gives a {i.type}"
    if len(i.argument_attributes) != len(given):
        return "a call has one attribute text an argument"
    return None


_RULES: dict[type, Callable[..., str | None]] = {
    Instruction: _plain, Compare: _compare, Phi: _phi, Load: _load, Store: _store, Alloca: _alloca,
    GetElementPtr: _getelementptr, ExtractValue: _extractvalue, InsertValue: _insertvalue, AtomicRMW: _atomicrmw,
    CompareExchange: _cmpxchg, Branch: _branch, Switch: _switch, Call: _call,
}
