"""Types and constants in words that mean the same in every process.

Given   a Numba type, or a Python value that compiled code takes as a constant.
Gives   a text; different types or values have different texts.
Unsure  raises `Indescribable`, about anything that is not listed here.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy as np
from numba.core import types


class Indescribable(Exception):
    """Another process could not tell whether it has the same."""


_BY_NAME = (types.Integer, types.Float, types.Complex, types.Boolean, types.NoneType, types.UnicodeType,
            types.NPDatetime, types.NPTimedelta, types.Record)


_LARGE = 10**6
"""Bytes of an array of which Numba's code holds the address, so that it is not kept anyway."""


def describe_type(ty: types.Type) -> str:
    kind = type(ty)
    if kind in _BY_NAME:
        return f"{kind.__name__} {ty}"
    if kind is types.Array:
        return f"Array({describe_type(ty.dtype)}, {ty.ndim}, {ty.layout}, {ty.mutable}, {ty.aligned})"
    if kind is types.Omitted:
        return f"Omitted({describe_value(ty.value)})"
    if kind is types.Optional:
        return f"Optional({describe_type(ty.type)})"
    if kind in (types.NamedTuple, types.NamedUniTuple):
        return f"{describe_class(ty.instance_class)}({', '.join(map(describe_type, ty.types))})"
    if kind in (types.Tuple, types.UniTuple):
        return f"({', '.join(map(describe_type, ty.types))})"
    raise Indescribable(f"the type {ty}")


def describe_value(value: Any) -> str:
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return repr(value)
    if kind is float:
        return value.hex()
    if kind is complex:
        return f"complex({value.real.hex()}, {value.imag.hex()})"
    if kind in (tuple, frozenset, set, dict):
        return _describe_collection(value)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return f"{describe_class(kind)}({', '.join(map(describe_value, value))})"
    if isinstance(value, (np.ndarray, np.generic)) and kind.__module__ == "numpy" and not value.dtype.hasobject:
        array = np.asarray(value)
        if array.nbytes > _LARGE:
            raise Indescribable("a large array")
        content = hashlib.sha256(array.tobytes()).hexdigest()
        return f"{kind.__name__}({array.dtype.descr}, {array.shape}, {array.strides}, {array.flags}, {content})"
    if isinstance(value, types.Type):
        return describe_type(value)
    raise Indescribable(f"a constant of type {kind}")


def describe_class(kind: type) -> str:
    """The class by the name under which another process imports it, and the fields of a named tuple."""
    name = imported_name(kind)
    if name is None or kind.__module__ == "__main__":
        raise Indescribable(f"the class {kind.__qualname__}, which cannot be imported")
    return f"{name}{getattr(kind, '_fields', '')}"


def imported_name(value: Any) -> str | None:
    """The module and the name under which it has a function or a class, if it does have it there."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    found: Any = sys.modules.get(module)
    for step in name.split("."):
        found = getattr(found, step, None)
    return f"{module}.{name}" if found is value else None


def _describe_collection(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({''.join(f'{describe_value(entry)}, ' for entry in value)})"
    if isinstance(value, dict):
        pairs = sorted(f"{describe_value(key)}: {describe_value(entry)}" for key, entry in value.items())
        return f"{{{', '.join(pairs)}}}"
    return f"{{{', '.join(sorted(map(describe_value, value)))}}}"
