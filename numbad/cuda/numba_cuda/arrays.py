"""Arrays on the device, of numba-cuda and of other libraries.

Given   any value.   Gives   what numba-cuda takes for an array on the device.
Unsure  TypeError for an array that does not show its memory; `Unsupported` for one with a mask.
"""

from __future__ import annotations

from typing import Any

from numba import cuda, types

from numbad.errors import Unsupported


def interface(value: Any) -> dict[str, Any] | None:
    """`__cuda_array_interface__`, None where there is none."""
    try:
        found = getattr(value, "__cuda_array_interface__", None)
    except RuntimeError as error:       # a tensor of torch that requires grad
        raise TypeError(f"an array of type {type(value).__name__} does not say where it lies in memory; of a tensor "
                        f"of torch, pass tensor.detach() ({error})") from error
    if found is not None and found.get("mask") is not None:
        raise Unsupported("an array with a mask; pass its data and its mask as two arrays")
    return found


def is_own(value: Any) -> bool:
    """Whether it is an array of numba-cuda itself."""
    return getattr(value, "__cuda_ndarray__", False)


def on_device(value: Any) -> Any:
    """An array of another library as one of numba-cuda, in the same memory; what is none, as it is."""
    if isinstance(value, tuple):
        moved = map(on_device, value)
        return type(value)(*moved) if hasattr(value, "_fields") else tuple(moved)
    found = interface(value)
    return value if found is None or is_own(value) else cuda.as_cuda_array(value, sync=False)


def wait(value: Any) -> None:
    """Until what another library has begun on an array is done. numba-cuda's own are its user's to wait for."""
    if isinstance(value, tuple):
        for part in value:
            wait(part)
    elif interface(value) is not None and not is_own(value):
        cuda.as_cuda_array(value)       # waits for the stream that the array names, unless that is configured away


def typeof(value: Any) -> types.Type:
    """The Numba type of an argument of a kernel, arrays of other libraries included."""
    return _TYPING.typeof_pyval(value)


_TYPING = cuda.jit(lambda: None)
