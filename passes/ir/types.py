"""LLVM types: immutable, compared by value, `str()` is LLVM's spelling."""

from __future__ import annotations

from dataclasses import dataclass


class Type:
    """Base of all types."""

    @property
    def scalar(self) -> Type:
        """The element type of a vector, the type itself otherwise."""
        return self

    @property
    def is_float(self) -> bool:
        """A floating-point scalar or a vector of them."""
        return isinstance(self.scalar, FloatType)

    @property
    def is_int(self) -> bool:
        """An integer scalar or a vector of them."""
        return isinstance(self.scalar, IntType)

    @property
    def is_pointer(self) -> bool:
        """A pointer or a vector of them."""
        return isinstance(self.scalar, PointerType)

    @property
    def is_aggregate(self) -> bool:
        return isinstance(self, (StructType, ArrayType))


@dataclass(frozen=True)
class SimpleType(Type):
    """`void`, `label`, `metadata`, `token`, `x86_amx` ..."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class IntType(Type):
    bits: int

    def __str__(self) -> str:
        return f"i{self.bits}"


@dataclass(frozen=True)
class FloatType(Type):
    """`half`, `bfloat`, `float`, `double`, `x86_fp80`, `fp128`, `ppc_fp128`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class PointerType(Type):
    addrspace: int = 0

    def __str__(self) -> str:
        return f"ptr addrspace({self.addrspace})" if self.addrspace else "ptr"


@dataclass(frozen=True)
class VectorType(Type):
    count: int
    element: Type
    scalable: bool = False

    @property
    def scalar(self) -> Type:
        return self.element

    def __str__(self) -> str:
        return f"<{'vscale x ' if self.scalable else ''}{self.count} x {self.element}>"


@dataclass(frozen=True)
class ArrayType(Type):
    count: int
    element: Type

    def __str__(self) -> str:
        return f"[{self.count} x {self.element}]"


@dataclass(frozen=True)
class StructType(Type):
    """A literal structure."""

    elements: tuple[Type, ...]
    packed: bool = False

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.elements))
        body = f"{{ {inner} }}" if inner else "{}"
        return f"<{body}>" if self.packed else body


@dataclass(frozen=True)
class NamedType(Type):
    """An identified structure, `%name`; the module holds its body (a StructType, or None when opaque)."""

    name: str  # as printed, with the percent sign and quotes

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class FunctionType(Type):
    result: Type
    parameters: tuple[Type, ...]
    vararg: bool = False

    def __str__(self) -> str:
        parts = [str(p) for p in self.parameters] + (["..."] if self.vararg else [])
        return f"{self.result} ({', '.join(parts)})"


VOID, LABEL, METADATA, TOKEN = (SimpleType(n) for n in ("void", "label", "metadata", "token"))
I1, I8, I16, I32, I64 = (IntType(n) for n in (1, 8, 16, 32, 64))
HALF, FLOAT, DOUBLE = (FloatType(n) for n in ("half", "float", "double"))
PTR = PointerType()

FLOAT_BYTES = {"half": 2, "bfloat": 2, "float": 4, "double": 8, "x86_fp80": 16, "fp128": 16, "ppc_fp128": 16}


def size_of(type: Type) -> int:
    """Bytes that a value of this type takes in memory, padding of structures included (64-bit targets)."""
    return _layout(type)[0]


def align_of(type: Type) -> int:
    """ABI alignment in bytes (64-bit targets)."""
    return _layout(type)[1]


def field_offset(type: StructType, index: int) -> int:
    """Byte offset of one field of a structure."""
    offset = 0
    for position, element in enumerate(type.elements):
        size, align = _layout(element)
        if not type.packed:
            offset = -(-offset // align) * align
        if position == index:
            return offset
        offset += size
    raise IndexError(index)


def _layout(type: Type) -> tuple[int, int]:
    match type:
        case IntType(bits=bits):
            size = 1
            while size * 8 < bits:
                size *= 2
            return size, min(size, 16)
        case FloatType(name=name):
            return FLOAT_BYTES[name], FLOAT_BYTES[name]
        case PointerType():
            return 8, 8
        case VectorType(count=count, element=element):
            bits = count * (1 if element == I1 else 8 * _layout(element)[0])
            size = -(-bits // 8)
            align = 1
            while align < size:
                align *= 2
            return align, align
        case ArrayType(count=count, element=element):
            size, align = _layout(element)
            return count * size, align
        case StructType(elements=elements, packed=packed):
            offset, widest = 0, 1
            for element in elements:
                size, align = _layout(element)
                if not packed:
                    offset, widest = -(-offset // align) * align, max(widest, align)
                offset += size
            return -(-offset // widest) * widest, widest
    raise TypeError(f"the type {type} has no known size")
