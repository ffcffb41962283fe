"""Arrays on a device, as far as a derivative has to know them, and what is checked before a launch.

Given   addresses, shapes and strides.   Gives   nothing, or raises ValueError or TypeError that names the argument.
Unsure  raises: arrays overlap if their bytes may meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod
from typing import Any


@dataclass(frozen=True)
class Array:
    """`owner` keeps the memory alive."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    itemsize: int
    readonly: bool = False
    owner: Any = None

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def extent(self) -> tuple[int, int]:
        """The bytes from the first to behind the last."""
        spans = [(length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True)]
        return (self.address + sum(min(span, 0) for span in spans),
                self.address + sum(max(span, 0) for span in spans) + self.itemsize)


def check_shadow(what: str, title: str, primal: Array | None, shadow: Array | None) -> None:
    """A shadow lies on the device, and is shaped and laid out as what it belongs to."""
    if primal is None or shadow is None:
        which = f"the shadow of {title}" if primal is not None else title
        raise TypeError(f"{what}: {which} must be an array on the device (cuda.to_device), or anything with "
                        "__cuda_array_interface__")
    for name, mine, other in (("dtype", primal.dtype, shadow.dtype), ("shape", primal.shape, shadow.shape),
                              ("strides", _steps(primal), _steps(shadow))):
        if mine != other:
            error = TypeError if name == "dtype" else ValueError
            raise error(f"{what}: the shadow of {title} has the {name} {other}, the argument {mine}; both must be "
                        "the same")
    if shadow.readonly:
        raise ValueError(f"{what}: the shadow of {title} is read-only")


def _steps(array: Array) -> tuple[int, ...]:
    """The strides that count: those of dimensions with a second element."""
    return tuple(stride if length > 1 else 0 for length, stride in zip(array.shape, array.strides, strict=True))


def check_overlaps(what: str, arrays: Sequence[tuple[str, Array, bool]]) -> None:
    """`arrays`: names, places, and whether they are written."""
    for index, (name, array, written) in enumerate(arrays):
        for other_name, other, other_written in arrays[index + 1:]:
            if (written or other_written) and overlap(array, other):
                reason = name if written else other_name
                raise ValueError(f"{what}: {name} and {other_name} overlap, and {reason} is written: pass a copy of "
                                 "one of them")


def overlap(a: Array, b: Array) -> bool:
    """As for arrays on the host (`numbad.arrays`): the bounds must meet, and the distance fit the strides."""
    if not a.size or not b.size:
        return False
    (low, high), (other_low, other_high) = a.extent, b.extent
    if high <= other_low or other_high <= low:
        return False
    common = 0
    for array in (a, b):
        for length, stride in zip(array.shape, array.strides, strict=True):
            common = gcd(common, abs(stride)) if length > 1 else common
    if common == 0:
        return True
    offset = (b.address - a.address) % common
    return offset < a.itemsize or offset > common - b.itemsize
