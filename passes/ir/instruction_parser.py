"""Instructions from their lines.

Given   the pieces of a line that `spelling.SHAPES` found behind the opcode, and the names known in the function.
Gives   the instruction, its operands resolved.
Unsure  raises ParseError.

To read a new opcode: give it a shape in `spelling` and a row in `READERS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from numbad.passes.ir import spelling
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import (
    BINARY,
    CASTS,
    UNARY,
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
from numbad.passes.ir.scope import Scope
from numbad.passes.ir.type_parser import ParseError, call_words, checked_attributes, parse_signature, parse_type
from numbad.passes.ir.types import (
    I1,
    METADATA,
    PTR,
    TOKEN,
    VOID,
    FunctionType,
    PointerType,
    StructType,
    Type,
    VectorType,
)
from numbad.passes.ir.values import InlineAssembly, MetadataOperand, Value

_ARGUMENT = "{type}{attributes} {value}"
_METADATA_ARGUMENT = spelling.listed(r'metadata (!\d+|!"[^"]*"|!\w*\([^()]*\)|!\{[^{}]*\})')
_OPERAND = "{type} {value}"
_INCOMING = re.compile(spelling.filled(r"\[ {value}, {block} \]", spelling.DEEP))
_CASE = re.compile(spelling.filled(r"\S+ (\S+), label {block}", spelling.SHALLOW))
_REFERENCE = re.compile(spelling.filled(rf'"[^"]*"|[{{}}]|(?:{{type}} )?([%@]{spelling.NAME})', spelling.SHALLOW))


# --- one reader a shape: (scope, opcode, pieces) -> instruction ---


def _flags(text: str) -> tuple[str, ...]:
    return tuple(text.split()) if text else ()


def _values(scope: Scope, pieces: tuple[str, ...]) -> list[Value]:
    return [scope.value(pieces[i], pieces[i + 1]) for i in range(0, len(pieces), 2)]


def _binary(scope: Scope, opcode: str, flags: str, type: str, left: str, right: str) -> Instruction:
    first = scope.value(type, left)
    return Instruction(opcode, first.type, (first, scope.value(type, right)), "", _flags(flags))


def _unary(scope: Scope, opcode: str, flags: str, type: str, value: str) -> Instruction:
    operand = scope.value(type, value)
    return Instruction(opcode, operand.type, (operand,), "", _flags(flags))


def _cast(scope: Scope, opcode: str, flags: str, type: str, value: str, to: str) -> Instruction:
    return Instruction(opcode, parse_type(to), (scope.value(type, value),), "", _flags(flags))


def _compare(scope: Scope, opcode: str, flags: str, predicate: str, type: str, left: str, right: str) -> Instruction:
    known = spelling.INTEGER_PREDICATES if opcode == "icmp" else spelling.FLOAT_PREDICATES
    if predicate not in known:
        raise ParseError(f"{opcode} has no predicate {predicate}")
    return Compare(opcode, predicate, scope.value(type, left), scope.value(type, right), "", _flags(flags))


def _phi(scope: Scope, opcode: str, flags: str, type: str, incoming: str) -> Instruction:
    pairs = [(scope.value(type, value), scope.block(block)) for value, block in _INCOMING.findall(incoming)]
    return Phi(parse_type(type), pairs, "", _flags(flags))


def _select(scope: Scope, opcode: str, flags: str, *pieces: str) -> Instruction:
    operands = _values(scope, pieces)
    return Instruction(opcode, operands[1].type, operands, "", _flags(flags))


def _vector(scope: Scope, opcode: str, *pieces: str) -> Instruction:
    operands = _values(scope, pieces)
    type, last = operands[0].type, operands[-1].type
    if not isinstance(type, VectorType):
        raise ParseError(f"{opcode} takes a vector")
    if opcode == "extractelement":
        return Instruction(opcode, type.element, operands)
    if opcode == "shufflevector":
        if not isinstance(last, VectorType):
            raise ParseError("the mask is a vector")
        return Instruction(opcode, VectorType(last.count, type.element, last.scalable), operands)
    return Instruction(opcode, type, operands)


def _load(scope: Scope, opcode: str, atomic: str, volatile: str, type: str, pointer_type: str, pointer: str,
          syncscope: str | None, ordering: str | None, align: str | None) -> Instruction:
    _check_atomic(atomic, ordering)
    return Load(parse_type(type), scope.value(pointer_type, pointer), "", int(align or 0), bool(volatile), ordering,
                syncscope or "")


def _store(scope: Scope, opcode: str, atomic: str, volatile: str, type: str, value: str, pointer_type: str,
           pointer: str, syncscope: str | None, ordering: str | None, align: str | None) -> Instruction:
    _check_atomic(atomic, ordering)
    return Store(scope.value(type, value), scope.value(pointer_type, pointer), int(align or 0), bool(volatile),
                 ordering, syncscope or "")


def _check_atomic(atomic: str | None, ordering: str | None) -> None:
    if bool(atomic) != bool(ordering):
        raise ParseError("`atomic` and a memory ordering go together")


def _alloca(scope: Scope, opcode: str, words: str, type: str, count_type: str | None, count: str | None,
            align: str | None, addrspace: str | None) -> Instruction:
    number = scope.value(count_type, count) if count_type and count else None
    pointer = PointerType(int(addrspace)) if addrspace else PTR
    return Alloca(parse_type(type), number, "", int(align or 0), pointer, words.strip())


def _getelementptr(scope: Scope, opcode: str, flags: str, source: str, type: str, base: str,
                   rest: str) -> Instruction:
    indices, position = [], 2
    shallow = spelling.listed(_OPERAND, spelling.SHALLOW)
    while position < len(rest):
        match = shallow.match(rest, position) or spelling.listed(_OPERAND).match(rest, position)
        assert match is not None, "the shape has seen these operands"
        indices.append(scope.value(match[1], match[2]))
        position = match.end() + 1
    return GetElementPtr(parse_type(source), scope.value(type, base), indices, "", _flags(flags))


def _extractvalue(scope: Scope, opcode: str, type: str, value: str, path: str) -> Instruction:
    indices = [int(i) for i in path[1:].split(",")]
    aggregate = scope.value(type, value)
    return ExtractValue(scope.inner_type(aggregate.type, indices), aggregate, indices)


def _insertvalue(scope: Scope, opcode: str, type: str, value: str, element_type: str, element: str,
                 path: str) -> Instruction:
    indices = [int(i) for i in path[1:].split(",")]
    return InsertValue(scope.value(type, value), scope.value(element_type, element), indices)


def _atomicrmw(scope: Scope, opcode: str, volatile: str, operation: str, pointer_type: str, pointer: str, type: str,
               value: str, syncscope: str | None, ordering: str, align: str | None) -> Instruction:
    if operation not in spelling.ATOMIC_OPERATIONS or ordering not in spelling.ORDERINGS:
        raise ParseError(f"unknown atomic operation or ordering: {operation}, {ordering}")
    return AtomicRMW(operation, scope.value(pointer_type, pointer), scope.value(type, value), ordering, "",
                     int(align or 0), bool(volatile), syncscope or "")


def _cmpxchg(scope: Scope, opcode: str, flags: str, *pieces: str) -> Instruction:
    operands = _values(scope, pieces[:-1])
    result = StructType((operands[1].type, I1))
    return CompareExchange(result, operands, pieces[-1].strip(), "", _flags(flags))


def _call(scope: Scope, opcode: str, words: str, result: str, signature: str | None, callee: str, arguments: str,
          behind: str, bundles: str | None) -> Instruction:
    flags, convention, result_attributes = call_words(words)
    values, attributes = _arguments(scope, arguments[1:-1])
    target = _callee(scope, callee)
    type = parse_type(result)
    if signature is not None:
        known = parse_signature(type, signature)
    else:
        known = FunctionType(type, tuple([v.type for v in values]))
        if isinstance(target, Function) and target.signature == known:
            known = target.signature
    if behind:
        checked_attributes(re.sub(r"#\d+", "", behind))
    spelt, bundled = _holes(scope, bundles.strip()) if bundles else ("", ())
    return Call(known, target, values, "", flags, "", convention, result_attributes, attributes, behind.strip(), spelt,
                bundled)


def _callee(scope: Scope, text: str) -> Value:
    if text.startswith("asm "):
        return InlineAssembly(PTR, text)
    if text[0] == "@":
        return scope.constants.symbol(text)
    known = scope.values.get(text)
    return known if known is not None else scope.value("ptr", text)


def _arguments(scope: Scope, text: str) -> tuple[list[Value], list[str]]:
    values: list[Value] = []
    attributes: list[str] = []
    shallow = spelling.listed(_ARGUMENT, spelling.SHALLOW)
    position, comma = 0, "," if text else ""
    while comma:
        if text.startswith("metadata ", position):
            match = _METADATA_ARGUMENT.match(text, position)
        elif text[position:] == "...":  # a musttail call that hands on the variable arguments; the printer adds it
            break
        else:
            match = shallow.match(text, position) or spelling.listed(_ARGUMENT).match(text, position)
        if match is None:
            raise ParseError(f"can't read the argument {text[position:position + 120]!r}")
        *pieces, value, comma = match.groups()
        if pieces:
            type, words = pieces
            values.append(scope.value(type, value))
            attributes.append(checked_attributes(words) if words else "")
        else:
            values.append(MetadataOperand(METADATA, value))
            attributes.append("")
        position = match.end() + 1
    return values, attributes


def _branch(scope: Scope, opcode: str, target: str | None, condition: str, yes: str, no: str) -> Instruction:
    if target is not None:
        return Branch(scope.block(target))
    return Branch(scope.value("i1", condition), scope.block(yes), scope.block(no))


def _switch(scope: Scope, opcode: str, type: str, value: str, default: str, cases: str) -> Instruction:
    return Switch(scope.value(type, value), scope.block(default),
                  [(scope.value(type, case), scope.block(target)) for case, target in _CASE.findall(cases)])


def _return(scope: Scope, opcode: str, type: str | None, value: str | None) -> Instruction:
    return Instruction(opcode, VOID, [scope.value(type, value)] if type and value else [])


def _bare(scope: Scope, opcode: str) -> Instruction:
    return Instruction(opcode, VOID)


def _other(scope: Scope, opcode: str, text: str) -> Instruction:
    """Carried along as text with operands."""
    spelt, operands = _holes(scope, text)
    return Other(opcode, _other_type(opcode, text), operands, opcode + spelt)


def _holes(scope: Scope, text: str) -> tuple[str, list[Value]]:
    """The text with `{0}`, `{1}` ... in the place of every local name and symbol, and what these stand for."""
    operands: list[Value] = []

    def hole(match: re.Match[str]) -> str:
        type, name = match.groups()
        if name is None or type is None and name in scope.types:
            return _escaped(match[0])
        if type == "label":
            operands.append(scope.block(name))
        elif name[0] == "@":
            operands.append(scope.constants.symbol(name))
        elif name in scope.values:
            operands.append(scope.values[name])
        else:
            is_callee = match.string.startswith("(", match.end())
            operands.append(scope.value("ptr" if is_callee else type or "token", name))
        return f"{_escaped(type + ' ' if type else '')}{{{len(operands) - 1}}}"

    return _REFERENCE.sub(hole, text), operands


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _other_type(opcode: str, text: str) -> Type:
    if opcode in ("catchpad", "cleanuppad", "catchswitch"):
        return TOKEN
    if opcode == "va_arg":
        return parse_type(text.rsplit(", ", 1)[1])
    if opcode in ("landingpad", "invoke", "callbr"):
        behind = "(?= )" if opcode == "landingpad" else "(?= (?:[%@(]|asm))"
        match = re.match(spelling.filled(" {words}{type}", spelling.SHALLOW) + behind, text)
        if match is None:
            raise ParseError(f"can't find the result type of {opcode}")
        return parse_type(match[2])
    return VOID


Reader = Callable[..., Instruction]
READERS: dict[str, tuple[str, Reader]] = {
    **{opcode: ("binary", _binary) for opcode in sorted(BINARY)},
    **{opcode: ("unary", _unary) for opcode in sorted(UNARY)},
    **{opcode: ("cast", _cast) for opcode in sorted(CASTS)},
    "icmp": ("compare", _compare),
    "fcmp": ("compare", _compare),
    "phi": ("phi", _phi),
    "select": ("select", _select),
    "extractelement": ("two", _vector),
    "insertelement": ("three", _vector),
    "shufflevector": ("three", _vector),
    "load": ("load", _load),
    "store": ("store", _store),
    "alloca": ("alloca", _alloca),
    "getelementptr": ("getelementptr", _getelementptr),
    "extractvalue": ("extractvalue", _extractvalue),
    "insertvalue": ("insertvalue", _insertvalue),
    "atomicrmw": ("atomicrmw", _atomicrmw),
    "cmpxchg": ("cmpxchg", _cmpxchg),
    "call": ("call", _call),
    "br": ("branch", _branch),
    "switch": ("switch", _switch),
    "ret": ("return", _return),
    "unreachable": ("bare", _bare),
    **{opcode: ("rest", _other) for opcode in """fence va_arg invoke callbr resume landingpad indirectbr cleanuppad
       catchpad cleanupret catchret catchswitch""".split()},
}
