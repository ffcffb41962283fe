"""Values: what an operand may be. Every entity's `str()` is its spelling as an operand, without its type.

Instructions, arguments, blocks and globals know their users; constants are plain data and don't.
Equality is identity for everything that has users, and by value for constants.
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numbad.passes.ir.types import FloatType, IntType, PointerType, Type

if TYPE_CHECKING:
    from numbad.passes.ir.instructions import Instruction

_PLAIN = re.compile(r"[-a-zA-Z$._][-a-zA-Z$._0-9]*\Z|[0-9]+\Z")


def quoted(name: str) -> str:
    """The name as LLVM prints it behind `%` or `@`: quoted when it has unusual characters."""
    if _PLAIN.match(name):
        return name
    safe = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:02X}"
                   for b in name.encode("utf-8", "surrogateescape"))
    return f'"{safe}"'


def unquoted(text: str) -> str:
    """The name that LLVM prints like this: the inverse of `quoted`. A *name* of digits raises ValueError: here
    digits stand for values without a name."""
    if not text.startswith('"'):
        return text
    if text[1:-1].isdigit():
        raise ValueError(f"names that consist of digits, like {text}, are not supported")
    raw = re.sub(rb"\\([0-9a-fA-F]{2}|\\)", lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1], 16)]),
                 text[1:-1].encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


class Value:
    """Anything an instruction can have as an operand."""

    type: Type


class Named(Value):
    """A value with identity, a name and users (one entry in `users` per operand that refers to it)."""

    prefix = "%"

    def __init__(self, type: Type, name: str = ""):
        self.type = type
        self.name = name
        self.users: list[Instruction] = []

    def __str__(self) -> str:
        return self.prefix + quoted(self.name)

    def __repr__(self) -> str:
        return f"<{self.type} {self}>"

    def replace_all_uses_with(self, value: Value) -> None:
        """Every operand that is this value becomes `value`."""
        for user in list(dict.fromkeys(self.users)):
            user.replace(self, value)


class Argument(Named):
    """A parameter of a function; `attributes` is its attribute text (`noalias captures(none)`)."""

    def __init__(self, type: Type, name: str = "", attributes: str = ""):
        super().__init__(type, name)
        self.attributes = attributes


# --- constants -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Constant(Value):
    type: Type


@dataclass(frozen=True)
class ConstantInt(Constant):
    value: int  # signed, as LLVM prints it; i1 is 0 or 1

    def __str__(self) -> str:
        if self.type == IntType(1):
            return "true" if self.value else "false"
        return str(self.value)


@dataclass(frozen=True)
class ConstantFloat(Constant):
    """A floating-point constant, kept in LLVM's own spelling so that no bit can get lost."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def value(self) -> float:
        """The number (half, float and double; others raise ValueError)."""
        if not self.text.startswith("0x"):
            return float(self.text)
        if self.text[2] == "H":
            return struct.unpack("<e", int(self.text[3:], 16).to_bytes(2, "little"))[0]
        if self.text[2] in "KLMR":
            raise ValueError(f"{self.type} constants have no Python value")
        return struct.unpack("<d", int(self.text, 16).to_bytes(8, "little"))[0]


@dataclass(frozen=True)
class ConstantText(Constant):
    """`null`, `undef`, `poison`, `zeroinitializer`, `none`, and strings `c"..."`: a word that stands for itself."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class ConstantAggregate(Constant):
    """`{ ... }`, `[ ... ]`, `< ... >` with one constant an element, or `splat (...)` of one.

    `packed` is only set where the type doesn't say it: for an identified packed structure.
    """

    elements: tuple[Value, ...]
    splat: bool = False
    packed: bool = False

    def __str__(self) -> str:
        inner = ", ".join(f"{e.type} {e}" for e in self.elements)
        if self.splat:
            return f"splat ({inner})"
        text = str(self.type)
        if text.startswith("<{") or self.packed:
            return f"<{{ {inner} }}>" if inner else "<{}>"
        if text.startswith(("{", "%")):
            return f"{{ {inner} }}" if inner else "{}"
        return f"[{inner}]" if text.startswith("[") else f"<{inner}>"


@dataclass(frozen=True)
class ConstantExpression(Constant):
    """`getelementptr inbounds (i8, ptr @g, i64 8)`, `ptrtoint (ptr @g to i64)` ...

    `opcode` and `operands` give the meaning, `text` is the whole spelling with `{0}`, `{1}` ... for the operands
    (each with its type).
    """

    opcode: str
    operands: tuple[Value, ...]
    text: str
    source: Type | None = None  # getelementptr: the type that the indices step through

    def __str__(self) -> str:
        return self.text.format(*(f"{o.type} {o}" for o in self.operands))


@dataclass(frozen=True)
class InlineAssembly(Constant):
    """`asm sideeffect "...", "..."` as a callee."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class MetadataOperand(Constant):
    """A metadata argument of a call, as text: `!12`, `!"round.tonearest"`. Its type is `metadata`."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class BlockAddress(Constant):
    text: str

    def __str__(self) -> str:
        return self.text


def integer(type: Type, value: int) -> ConstantInt:
    """The integer constant, wrapped to the type's range as LLVM prints it."""
    assert isinstance(type, IntType)
    value &= (1 << type.bits) - 1
    if type.bits > 1 and value >> (type.bits - 1):
        value -= 1 << type.bits
    return ConstantInt(type, value)


def floating(type: Type, value: float) -> Constant:
    """The floating-point constant nearest to `value`; a splat for a vector type."""
    from numbad.passes.ir.types import VectorType

    if isinstance(type, VectorType):
        return ConstantAggregate(type, (floating(type.element, value),), splat=True)
    assert isinstance(type, FloatType)
    if type.name == "float":
        value = struct.unpack("<f", struct.pack("<f", value))[0] if math.isfinite(value) else value
    elif type.name != "double":
        raise ValueError(f"no constants of type {type}")
    return ConstantFloat(type, f"0x{int.from_bytes(struct.pack('>d', value), 'big'):016X}")


def zero(type: Type) -> Constant:
    """The all-zero-bits constant of any first-class type."""
    if isinstance(type, IntType):
        return ConstantInt(type, 0)
    if isinstance(type, FloatType):
        return ConstantFloat(type, "0.000000e+00")
    if isinstance(type, PointerType):
        return ConstantText(type, "null")
    return ConstantText(type, "zeroinitializer")


def undefined(type: Type) -> Constant:
    return ConstantText(type, "undef")


def poison(type: Type) -> Constant:
    return ConstantText(type, "poison")


def is_zero(value: Value) -> bool:
    """A constant whose bits are all zero (undef and poison count: any value may be taken for them)."""
    match value:
        case ConstantInt(value=number):
            return number == 0
        case ConstantFloat():
            return not value.text.strip("0x.e+HKLMR")
        case ConstantText(text=text):
            return text in ("null", "zeroinitializer", "undef", "poison", "none")
        case ConstantAggregate(elements=elements):
            return all(map(is_zero, elements))
    return False

