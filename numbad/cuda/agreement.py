"""Are the derivatives of a kernel right? Checked where the kernel runs: `check_grads(kernel)[grid, block](*args)`.

Given   a kernel, a launch configuration and arguments as for the kernel, on the device.
Gives   nothing if tangents, adjoints and finite differences of the kernel itself agree (`numbad.comparison`). Arrays
        are moved in place, and hold afterwards what they held before.
Unsure  raises: WrongDerivative where they do not agree, ValueError where nothing can be compared.

The kernel as a function: of the numbers and arrays that are differentiated, to what those arrays that it may write hold
after the launch. A complex number is two real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numba.core import types

from numbad import abi
from numbad.api import Argnums, argument_positions
from numbad.comparison import PRECISIONS, Precision, compare
from numbad.cuda.launch import Derivative, Launch, at
from numbad.cuda.machine import Machine
from numbad.cuda.memory import Array, overlap
from numbad.differences import Differences, differences
from numbad.inplace import Active, Const, Dup
from numbad.trees import Leaf


@dataclass(frozen=True)
class Check:
    """`check[grid, block, stream, sharedmem]`, the last two optional, can be called with the kernel's arguments."""

    kernel: Any
    machine: Machine
    argnums: Argnums | None = None
    modes: Sequence[str] = ("fwd", "rev")
    atol: float = 0.0
    rtol: float | None = None
    seed: int = 0

    def __getitem__(self, configuration: Any) -> Callable[..., None]:
        forward, reverse = (Derivative(self.kernel, mode, self.machine) for mode in ("forward", "reverse"))
        return partial(self._run, forward[configuration], reverse[configuration])

    def _run(self, forward: Launch, reverse: Launch, *arguments: Any) -> None:
        what = f"cuda.check_grads({self.kernel.py_func.__name__})"
        names = tuple(self.machine.arguments(self.kernel))
        if len(arguments) != len(names):
            raise TypeError(f"{what} takes the kernel's {len(names)} arguments, and {len(arguments)} were given")
        for name, argument in zip(names, arguments, strict=True):
            if isinstance(argument, (Const, Dup, Active)):
                raise TypeError(f"{what}: give the argument '{name}' as to the kernel, without "
                                f"{type(argument).__name__}; `argnums` says what is differentiated")
        chosen = None if self.argnums is None else argument_positions(what, "argnums", self.kernel, self.argnums)
        point = _Point(what, forward, reverse, names, arguments, chosen)
        try:
            compare(point, tuple(self.modes), self.atol, self.rtol, self.seed)
        finally:
            point.put_back()


@dataclass(frozen=True)
class _Place:
    """A number or an array that is differentiated."""

    path: tuple[int, ...]
    """The position of its argument, and the way to it in a tuple."""
    title: str
    """As messages call it."""
    value: Any
    dtype: np.dtype
    array: Array | None
    held: np.ndarray
    """What it held before the check."""

    @cached_property
    def reals(self) -> Leaf:
        return Leaf(self.path, _reals(self.held))

    def numbers(self, vector: np.ndarray) -> np.ndarray:
        """Of its type and shape."""
        real = np.ascontiguousarray(vector, dtype=_real(self.dtype))
        return real.view(self.dtype).reshape(self.held.shape)

    def named(self, place: int) -> str:
        part = ""
        if self.dtype.kind == "c":
            place, is_imaginary = divmod(place, 2)
            part = f", its {'imaginary' if is_imaginary else 'real'} part"
        index = np.unravel_index(place, self.held.shape) if self.held.shape else ()
        where = f"[{', '.join(map(str, index))}]" if index else ""
        return f"{self.title}{where}{part}"


class _Point:
    """A kernel at its arguments, see `numbad.comparison.Point`."""

    def __init__(self, what: str, forward: Launch, reverse: Launch, names: Sequence[str], arguments: tuple,
                 chosen: tuple[int, ...] | None):
        self.what, self.launches, self.arguments = what, {"forward": forward, "reverse": reverse}, arguments
        self.machine = forward.derivative.machine
        self.types = tuple(map(self.machine.typeof, arguments))
        self.places = [place for place in self._places(names) if chosen is None or place.path[0] in chosen]
        if not self.size:
            raise TypeError(f"{what}: no argument holds a float to differentiate by")
        arrays = list(self._arrays(names))
        self._check_memory(arrays)
        self.active = {place.path[0] for place in self.places}
        written = forward.written(self._wrapped({}))
        self.kept = [(value, self.machine.numbers(value)) for path, _, value, _ in arrays
                     if path[0] in written | self.active]
        self.outputs = [place for place in self.places if place.path[0] in written and place.array is not None]
        if not self.outputs:
            raise ValueError(f"{what}: the kernel writes no array that is differentiated, so there is nothing to "
                             "compare; `argnums` must hold what it writes, too")

    # --- what `Comparison` asks for ---

    @property
    def size(self) -> int:
        return sum(place.reals.size for place in self.places)

    @cached_property
    def precision(self) -> Precision:
        return PRECISIONS[min(_real(place.dtype).itemsize for place in self.places)]

    @cached_property
    def results(self) -> np.ndarray:
        found = self.value(np.zeros(self.size))
        for place in self.outputs:
            if not np.all(np.isfinite(self.machine.numbers(place.value))):
                raise ValueError(f"{self.what}: {place.title} holds numbers that are not finite after "
                                 "the launch; choose other arguments, and fill what the kernel does not write "
                                 "(cuda.device_array does not)")
        return found

    def direction(self, rng: np.random.Generator) -> np.ndarray:
        return np.concatenate([place.reals.scale * rng.normal(size=place.reals.size) for place in self.places])

    def value(self, shift: np.ndarray) -> np.ndarray:
        """What the kernel leaves at shifted arguments."""
        self.put_back()
        moved = {}
        for place, part in self._parts(shift):
            numbers = place.numbers(place.reals.value + part)
            if place.array is not None:
                self.machine.put(place.value, numbers)
            else:
                moved[place.path] = type(place.value)(numbers[()])
        arguments = tuple(self._rebuilt(value, (k,), lambda value, path: moved.get(path, value))
                          for k, value in enumerate(self.arguments))
        launch = self.launches["forward"]
        self.machine.run(launch.derivative.kernel, (launch.grid, launch.block, launch.stream, launch.shared), arguments)
        return np.concatenate([_reals(self.machine.numbers(place.value)) for place in self.outputs])

    def forward(self, direction: np.ndarray) -> np.ndarray:
        shadows = {place.path: self._filled(place, part) if place.array is not None else float(part[0])
                   for place, part in self._parts(direction)}
        self._launch("forward", shadows)
        return np.concatenate([_reals(self.machine.numbers(shadows[place.path])) for place in self.outputs])

    def reverse(self, weights: np.ndarray) -> np.ndarray:
        ends = np.cumsum([place.reals.size for place in self.outputs])
        seeds = {place.path: part for place, part in zip(self.outputs, np.split(weights, ends[:-1]), strict=True)}
        shadows = {place.path: self._filled(place, seeds.get(place.path, np.zeros(place.reals.size)))
                   for place in self.places}
        self._launch("reverse", shadows)
        return np.concatenate([_reals(self.machine.numbers(shadows[place.path])) for place in self.places])

    def differences(self, direction: np.ndarray) -> Differences:
        eps = max(float(np.finfo(place.dtype).eps) for place in self.places)
        return differences(lambda distance: self.value(distance * direction), self.precision.steps, eps)

    def title(self, place: int) -> tuple[str, float]:
        for leaf in self.places:
            if place < leaf.reals.size:
                return leaf.named(place), leaf.reals.scale
            place -= leaf.reals.size
        raise IndexError(place)

    # --- arguments ---

    def put_back(self) -> None:
        """The arrays hold what they held before."""
        for array, numbers in self.kept:
            self.machine.put(array, numbers)

    def _leaves(self, names: Sequence[str]) -> Iterator[tuple[tuple[int, ...], str, types.Type, Any]]:
        for k, ty in enumerate(self.types):
            for path, leaf in abi.leaves(ty):
                title = f"argument '{names[k]}'" + "".join(f"[{index}]" for index in path)
                yield (k, *path), title, leaf, at(self.arguments[k], path)

    def _arrays(self, names: Sequence[str]) -> Iterator[tuple[tuple[int, ...], str, Any, Array]]:
        for path, title, _, value in self._leaves(names):
            array = self.machine.array(value)
            if array is not None:
                yield path, title, value, array

    def _places(self, names: Sequence[str]) -> Iterator[_Place]:
        for path, title, ty, value in self._leaves(names):
            array = self.machine.array(value)
            if array is not None and (abi.is_float_array(ty) or abi.is_complex(ty)):
                yield _Place(path, title, value, np.dtype(array.dtype), array, self.machine.numbers(value))
            elif abi.is_float(ty):
                dtype = np.dtype(str(ty))
                yield _Place(path, title, value, dtype, None, np.asarray(value, dtype))

    def _check_memory(self, arrays: Sequence[tuple[tuple[int, ...], str, Any, Array]]) -> None:
        """Each array that is differentiated can be moved by itself."""
        for place in self.places:
            if place.array is not None and place.array.readonly:
                raise ValueError(f"{self.what}: {place.title} is read-only, and finite differences move it; pass a "
                                 "copy, or leave it out of `argnums`")
            for path, title, _, other in arrays:
                if place.array is not None and path != place.path and overlap(place.array, other):
                    raise ValueError(f"{self.what}: {place.title} and {title} overlap, and are to be moved one by one; "
                                     "pass a copy of one of them")

    def _parts(self, vector: np.ndarray) -> Iterator[tuple[_Place, np.ndarray]]:
        ends = np.cumsum([place.reals.size for place in self.places])
        yield from zip(self.places, np.split(vector, ends[:-1]), strict=True)

    def _filled(self, place: _Place, part: np.ndarray) -> Any:
        """A shadow: an array on the device that holds the numbers."""
        size = place.dtype.itemsize
        shadow = self.machine.like(place.array or Array(0, (1,), (size,), str(place.dtype), size))
        self.machine.put(shadow, place.numbers(part))
        return shadow

    def _launch(self, mode: str, shadows: dict[tuple[int, ...], Any]) -> None:
        self.put_back()
        self.launches[mode](*self._wrapped(shadows))

    def _wrapped(self, shadows: dict[tuple[int, ...], Any]) -> list[Any]:
        return [Dup(value, self._rebuilt(value, (k,), lambda _, path: shadows.get(path))) if k in self.active
                else Const(value) for k, value in enumerate(self.arguments)]

    def _rebuilt(self, tree: Any, path: tuple[int, ...], leaf: Callable[[Any, tuple[int, ...]], Any]) -> Any:
        if not isinstance(tree, tuple):
            return leaf(tree, path)
        branches = [self._rebuilt(branch, (*path, k), leaf) for k, branch in enumerate(tree)]
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)


def _real(dtype: np.dtype) -> np.dtype:
    return np.finfo(dtype).dtype


def _reals(numbers: np.ndarray) -> np.ndarray:
    """Real numbers one after the other; of a complex one its parts."""
    return np.ascontiguousarray(numbers).reshape(-1).view(_real(numbers.dtype)).astype(np.float64)
