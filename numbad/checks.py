"""Which arguments, results, tangents and cotangents are accepted, by their types, and in what words others are refused.

Every message begins with the derivative that was asked for and names the argument.
"""

from __future__ import annotations

from numba.core import types

from numbad import abi
from numbad.errors import Unsupported


def describe(ty: types.Type) -> str:
    """A type as users know it."""
    if isinstance(ty, types.Array):
        return f"a {ty.ndim}-dimensional array of {ty.dtype}"
    if isinstance(ty, types.BaseTuple):
        return f"a tuple of {len(ty)}"
    if isinstance(ty, types.PyObject):
        return "a Python object that compiled code cannot use"
    return "None" if isinstance(ty, types.NoneType) else str(types.unliteral(ty))


def check_active(what: str, name: str, ty: types.Type) -> None:
    """An argument to differentiate holds floats, and nothing whose derivative would be left out."""
    for _, leaf in abi.leaves(ty):
        if abi.is_complex(leaf):
            raise Unsupported(f"{what}: the argument '{name}' is {describe(leaf)}, and complex numbers are not "
                              "differentiated yet; name the arguments to differentiate by argnums=")
        beside_floats = isinstance(ty, types.BaseTuple) and abi.is_inactive(leaf)
        if not (abi.is_float(leaf) or abi.is_float_array(leaf) or beside_floats):
            raise TypeError(f"{what}: the argument '{name}' is {describe(leaf)}, which has no derivative; pass a float "
                            "or an array of floats, or leave it out")
    if not abi.has_floats(ty):
        raise TypeError(f"{what}: the argument '{name}' is {describe(ty)} without floats, which has no derivative")


def check_result(what: str, ty: types.Type) -> None:
    """A result holds floats, and nothing whose derivative would be left out."""
    if isinstance(ty, types.NoneType):
        raise TypeError(f"{what}: the function returns None; name the arguments that it writes by outputs=")
    for _, leaf in abi.leaves(ty):
        if abi.is_complex(leaf):
            raise Unsupported(f"{what}: the result is {describe(leaf)}, and complex numbers are not differentiated yet")
        if not (abi.is_float(leaf) or abi.is_float_array(leaf) or abi.is_inactive(leaf)):
            raise Unsupported(f"{what}: a result of type {leaf}; return floats, arrays of floats, or tuples of them")
    if not abi.has_floats(ty):
        raise TypeError(f"{what}: the function returns {describe(ty)}, which has no derivative")


def match(what: str, name: str, primal: types.Type, given: types.Type) -> None:
    """A tangent or cotangent looks like what it belongs to; None may stand for zero, and must stand for a constant."""
    if isinstance(given, types.NoneType):
        return
    if isinstance(primal, types.BaseTuple):
        if not isinstance(given, types.BaseTuple) or len(given) != len(primal):
            raise TypeError(f"{what}: {name} must be a tuple of {len(primal)} or None, not {describe(given)}")
        for index, element in enumerate(primal.types):
            match(what, f"{name}[{index}]", element, given.types[index])
    elif abi.is_float(primal):
        if not isinstance(given, (types.Float, types.Integer)):
            raise TypeError(f"{what}: {name} must be a float or None, not {describe(given)}")
    elif abi.is_float_array(primal):
        if not isinstance(given, types.Array) or given.dtype != primal.dtype:
            raise TypeError(f"{what}: {name} must be an array of {primal.dtype} or None, not {describe(given)}")
        if given.ndim != primal.ndim:
            raise ValueError(f"{what}: {name} must have {primal.ndim} dimensions, not {given.ndim}")
    elif abi.is_complex(primal):
        raise Unsupported(f"{what}: {name} belongs to {describe(primal)}, and complex numbers are not differentiated "
                          "yet")
    else:
        raise TypeError(f"{what}: {name} must be None, because it belongs to {describe(primal)}, which has no "
                        "derivative")
