"""Which arguments hold arrays, or other memory that a written array may show.

Given   the Numba type of an argument.
Gives   whether it is memory itself, whether it holds such, and the types of its parts.
Unsure  refuses: a type that is not known here might hold an array, and a written argument that is the same memory would
        silently count as a constant.
"""

from __future__ import annotations

from numba.core import types

from numbad.errors import Unsupported

LISTS = (types.List, types.ListType)
INSTANCES = (types.ClassInstanceType, types.StructRef)
_CONTAINERS = (*LISTS, *INSTANCES, types.DictType, types.BaseTuple, types.Optional)
_MEMORY = (types.Array, types.PyArray, types.MemoryView, types.ByteArray, types.Record)
_WITHOUT = (types.Number, types.Boolean, types.NoneType, types.Omitted, types.EllipsisType, types.StringLiteral,
            types.UnicodeType, types.Bytes, types.CharSeq, types.UnicodeCharSeq, types.EnumMember, types.EnumClass,
            types.NPDatetime, types.NPTimedelta, types.SliceType, types.RangeType, types.DTypeSpec, types.Dispatcher,
            types.FunctionType, types.Function, types.NumberClass, types.ExternalFunctionPointer, types.Module,
            types.Set, types.NumPyRandomGeneratorType)


def is_memory(ty: types.Type) -> bool:
    """An array, or what shows memory as arrays do."""
    return isinstance(ty, _MEMORY)


def holds_memory(ty: types.Type) -> bool:
    """A list, a dictionary, a tuple, an instance or what may be None, with memory or with what holds memory."""
    return isinstance(ty, _CONTAINERS) and any(is_memory(part) or holds_memory(part) for part in parts(ty))


def parts(ty: types.Type) -> tuple[types.Type, ...]:
    """The types of what a container holds; those of an instance are in the order of its `fields`."""
    if isinstance(ty, types.BaseTuple):
        return tuple(ty.types)
    if isinstance(ty, INSTANCES):
        return tuple(fields(ty).values())
    if isinstance(ty, types.Optional):
        return (ty.type,)
    return (ty.dtype if isinstance(ty, LISTS) else ty.value_type,)


def fields(ty: types.Type) -> dict[str, types.Type]:
    """The fields of an instance by their names."""
    return ty.field_dict if isinstance(ty, types.StructRef) else ty.struct


def check_held(what: str, name: str, ty: types.Type) -> None:
    """Refuse an argument of which nobody knows what it holds."""
    if isinstance(ty, types.DeferredType):
        raise Unsupported(f"{what}: the argument '{name}' refers to others of its own type; keep the links as indices "
                          "into arrays")
    if isinstance(ty, _CONTAINERS):
        for part in parts(ty):
            check_held(what, name, part)
    elif not isinstance(ty, (*_MEMORY, *_WITHOUT)):
        raise Unsupported(f"{what}: the argument '{name}' is or holds a {ty}, which may share memory with another "
                          "argument; pass arrays")
