"""The current GPU as numba-cuda sees it: where arrays lie, memory, launches (see `machine`).

Given   values of a call, a derivative.   Gives   what `launch` asks for.
Unsure  raises `Unsupported` without a GPU, TypeError for arrays on the host: a derivative copies nothing to and fro.

Arrays of other libraries come by `__cuda_array_interface__`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any

import numpy as np
from numba import cuda, types

from numbad.cuda import numba_cuda
from numbad.cuda.derive import KernelDerivative
from numbad.cuda.memory import Array


class Gpu:
    def __init__(self) -> None:
        self._launchers: dict[tuple[str, tuple[types.Type, ...]], numba_cuda.Launcher] = {}

    def arguments(self, kernel: Any) -> Sequence[str]:
        return tuple(signature(kernel.py_func).parameters)

    def typeof(self, value: Any) -> types.Type:
        if isinstance(value, np.ndarray) and numba_cuda.interface(value) is None:
            raise TypeError("an array on the host: derivatives of kernels work in the device's memory; copy it there "
                            "with cuda.to_device")
        if isinstance(value, tuple):
            pyclass = type(value) if hasattr(value, "_fields") else None
            return types.BaseTuple.from_types(tuple(map(self.typeof, value)), pyclass)
        return numba_cuda.typeof(numba_cuda.on_device(value))

    def array(self, value: Any) -> Array | None:
        interface = numba_cuda.interface(value)
        if interface is None:
            return None
        address, readonly = interface["data"]
        dtype = np.dtype(interface["typestr"])
        shape = tuple(interface["shape"])
        strides = interface.get("strides")
        if strides is None:
            strides = tuple(dtype.itemsize * int(np.prod(shape[k + 1:], dtype=np.int64)) for k in range(len(shape)))
        return Array(address or 0, shape, tuple(strides), str(dtype), dtype.itemsize, readonly, value)

    def wait(self, values: Iterable[Any]) -> None:
        for value in values:
            numba_cuda.wait(value)

    def words(self, count: int) -> Array:
        zeros = self._had(count, lambda: cuda.to_device(np.zeros(count, np.int64)))
        _arrive()
        return zeros

    def room(self, count: int) -> Array:
        return self._had(count, lambda: cuda.device_array(count, np.int64))

    def _had(self, count: int, allocate: Callable[[], Any]) -> Array:
        try:
            found = self.array(allocate())
        except numba_cuda.DriverError as error:
            raise MemoryError(f"{8 * count:,} bytes on the device: {error}") from error
        assert found is not None
        return found

    def number(self, words: Array) -> int:
        cuda.synchronize()
        return int(words.owner.copy_to_host()[0])

    def saved(self, array: Any) -> Any:
        own = self._upright(array)
        copy = cuda.device_array(own.shape, own.dtype)
        self._copy(copy, own)
        return copy

    def restore(self, array: Any, saved: Any) -> None:
        self._copy(self._upright(array), saved)

    def _upright(self, array: Any) -> Any:
        """The same memory with strides that are not negative: numba-cuda's own assignment knows no others."""
        place = self.array(array)
        assert place is not None
        return cuda.as_cuda_array(_Memory(place.extent[0] if place.size else place.address, place.shape,
                                          tuple(map(abs, place.strides)), np.dtype(place.dtype), array), sync=False)

    def _copy(self, to: Any, source: Any) -> None:
        cuda.synchronize()  # launches may be on other streams than the copy
        if to.strides == source.strides:
            to.copy_to_device(source)
        elif to.size:       # by a kernel, element by element: what lies between them may be another's
            to[(slice(None),) * to.ndim] = source
        _arrive()

    def like(self, array: Array) -> Any:
        low, high = array.extent if array.size else (array.address, array.address + 1)
        memory = self.words(-(-(high - low) // 8))
        start = memory.address + array.address - low
        return _Memory(start, array.shape, array.strides, np.dtype(array.dtype), memory.owner)

    def numbers(self, array: Any) -> np.ndarray:
        place = self._place(array)
        if not place.size:
            return np.empty(place.shape, place.dtype)
        bytes = self._bytes(place).copy_to_host()
        return np.ndarray(place.shape, place.dtype, bytes, place.address - place.extent[0], place.strides)

    def put(self, array: Any, numbers: np.ndarray) -> None:
        place = self._place(array)
        if place.size:
            held = self.numbers(array)
            held[...] = numbers
            self._bytes(place).copy_to_device(held.base)

    def _place(self, array: Any) -> Array:
        found = self.array(array)
        assert found is not None
        return found

    def _bytes(self, place: Array) -> Any:
        """All memory from the first number to the last, also between them: numba-cuda copies no other arrays."""
        cuda.synchronize()  # launches may be on other streams than the copy
        low, high = place.extent
        return cuda.as_cuda_array(_Memory(low, (high - low,), (1,), np.dtype(np.uint8), place.owner))

    def run(self, kernel: Any, configuration: tuple, arguments: Sequence[Any]) -> None:
        kernel[configuration](*map(numba_cuda.on_device, arguments))

    def block_size(self, derivative: KernelDerivative, extra: Sequence[types.Type], shared: int) -> int:
        return numba_cuda.block_size(self._launcher(derivative, extra), shared)

    def launch(self, derivative: KernelDerivative, configuration: tuple, arguments: Sequence[Any],
               extra: Sequence[tuple[types.Type, Any]]) -> None:
        values = [*map(numba_cuda.on_device, arguments), *(value for _, value in extra)]
        self._launcher(derivative, [ty for ty, _ in extra])[configuration](*values)

    def _launcher(self, derivative: KernelDerivative, extra: Sequence[types.Type]) -> numba_cuda.Launcher:
        argtypes = (*derivative.lowered.argtypes, *extra)
        key = derivative.symbol, argtypes
        if key not in self._launchers:
            self._launchers[key] = numba_cuda.launcher(
                lambda sm: numba_cuda.ptx(derivative.text, sm, derivative.lowered.fastmath, derivative.linked),
                derivative.symbol, argtypes, derivative.lowered)
        return self._launchers[key]


class _Memory:
    """An array at an address."""

    def __init__(self, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype, owner: Any):
        self.owner = owner  # keeps the memory alive
        self.__cuda_array_interface__ = {"data": (address, False), "shape": shape, "strides": strides,
                                         "typestr": dtype.str, "version": 3}


GPU = Gpu()


def _arrive() -> None:
    """Copies are the default stream's, and a launch may be on one that does not wait for it."""
    cuda.default_stream().synchronize()
