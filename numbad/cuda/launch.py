"""Derivatives of kernels, launched as the kernels are: `vjp(kernel)[grid, block, stream, sharedmem](Dup(x, dx), ...)`.

Given   a kernel, a mode, a launch configuration, and its arguments, each in `Const` or in `Dup` with its shadow.
Gives   nothing: all results are in the arguments and their shadows, as the in-place layer says (`numbad.inplace`).
Unsure  raises before anything is launched: shapes, strides, dtypes and overlaps are checked.

What a launch asks of the device is in `machine`: numba-cuda's (`numbad.cuda.gpu`), or an emulator's in tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numba.core import types

from numbad import abi
from numbad.checks import describe
from numbad.cuda.derive import KernelDerivative, derive
from numbad.cuda.machine import Machine
from numbad.cuda.memory import Array, check_overlaps, check_shadow
from numbad.inplace import Active, Const, Dup
from numbad.passes.derivative.tape_size import TapeSize
from numbad.request import Request

SHARED = 48 << 10
"""Bytes of shared memory of a block, unless a kernel asks for more in a way that numba-cuda does not know."""

MAX_TAPE = 1 << 40
"""Bytes beyond which a tape is not even asked for."""


@dataclass(frozen=True)
class Derivative:
    """`derivative[grid, block]`, `[grid, block, stream]` or `[grid, block, stream, sharedmem]` can be called."""

    kernel: Any
    mode: str
    machine: Machine
    words: dict[tuple, int] = field(default_factory=dict, compare=False, repr=False)  # of tapes, as they were measured

    @property
    def name(self) -> str:
        return f"cuda.{'jvp' if self.mode == 'forward' else 'vjp'}({self.kernel.py_func.__name__})"

    def __getitem__(self, configuration: tuple) -> Launch:
        if not isinstance(configuration, tuple) or not 2 <= len(configuration) <= 4:
            raise ValueError(f"{self.name}: a kernel is launched with [grid, block], [grid, block, stream] or "
                             "[grid, block, stream, sharedmem]")
        grid, block, stream, shared = (*configuration, 0, 0)[:4]
        return Launch(self, self._dimensions(grid), self._dimensions(block), stream, shared)

    def forall(self, ntasks: int, tpb: int = 0, stream: Any = 0, sharedmem: int = 0) -> ForAll:
        """As `kernel.forall`: launched in one dimension for at least `ntasks` threads, in blocks of `tpb`; by default
        of as many as suit the derivative, which may be fewer than suit the kernel."""
        if ntasks < 0:
            raise ValueError(f"{self.name}.forall: {ntasks} tasks; there cannot be fewer than 0")
        return ForAll(self, ntasks, tpb, stream, sharedmem)

    def _dimensions(self, given: Any) -> tuple[int, ...]:
        """One to three lengths, however they are given."""
        found = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        if not 1 <= len(found) <= 3 or not all(hasattr(length, "__index__") for length in found):
            raise TypeError(f"{self.name}: the grid and its blocks have one to three dimensions, whole numbers, and "
                            f"not {given!r}")
        return tuple(map(int, found))


@dataclass(frozen=True)
class Launch:
    derivative: Derivative
    grid: tuple[int, ...]
    block: tuple[int, ...]
    stream: Any
    shared: int

    def __call__(self, *arguments: Any) -> None:
        _Call(self, arguments).run()

    def written(self, arguments: Sequence[Any]) -> frozenset[int]:
        """Which arguments the kernel may write into, by position."""
        return _Call(self, tuple(arguments)).derived.written

    def block_size(self, arguments: tuple) -> int:
        """How many threads a block had best have."""
        return _Call(self, arguments).block_size()


@dataclass(frozen=True)
class ForAll:
    derivative: Derivative
    ntasks: int
    tpb: int
    stream: Any
    sharedmem: int

    def __call__(self, *arguments: Any) -> None:
        if self.ntasks == 0:
            return
        block = self.tpb or self.derivative[1, 1, self.stream, self.sharedmem].block_size(arguments)
        self.derivative[-(-self.ntasks // block), block, self.stream, self.sharedmem](*arguments)


class _Call:
    """One launch."""

    def __init__(self, launch: Launch, arguments: tuple):
        self.launch, self.machine, self.mode = launch, launch.derivative.machine, launch.derivative.mode
        self.name = launch.derivative.name
        names = self.machine.arguments(launch.derivative.kernel)
        if len(arguments) != len(names):
            raise TypeError(f"{self.name} takes {len(names)} arguments, and {len(arguments)} were given")
        for name, argument in zip(names, arguments, strict=True):
            if isinstance(argument, Active):
                raise TypeError(f"{self.name}: a kernel returns nothing, so the argument '{name}' cannot be Active: "
                                "give its adjoint a place, Dup(number, array of one element)")
            if not isinstance(argument, (Const, Dup)):
                raise TypeError(f"{self.name}: wrap the argument '{name}' in Const or Dup")
        self.names, self.arguments = names, arguments
        self.values = tuple(argument.value for argument in arguments)
        self.kept: list[Array] = []  # until the launch is over
        self.types = tuple(map(self.machine.typeof, self.values))

    def run(self) -> None:
        self.check_all()
        derivative = self.derived
        self.check_memory()
        self.machine.wait([*self.values, *(a.shadow for a in self.arguments if isinstance(a, Dup))])
        if derivative.tape is not None:
            self.run_with_tape(derivative.tape)
        else:
            nothing = [(types.int64, 0)] * 3 if self.mode == "reverse" else []
            self.machine.launch(derivative, self.configuration, self.values, [*self.shadows(), *nothing])

    @cached_property
    def derived(self) -> KernelDerivative:
        active = tuple(isinstance(argument, Dup) for argument in self.arguments)
        others = (*self.launch.grid[1:], *self.launch.block[1:])
        in_a_row = self.mode == "reverse" and all(length == 1 for length in others)
        return derive(self.launch.derivative.kernel, self.types, Request(self.mode, active, in_a_row=in_a_row))

    @property
    def configuration(self) -> tuple:
        launch = self.launch
        if launch.shared % 4:
            raise ValueError(f"{self.name}: {launch.shared} bytes of shared memory; a multiple of 4 is needed")
        if 2 * launch.shared > SHARED:
            raise ValueError(f"{self.name}: {launch.shared:,} bytes of dynamic shared memory, and as much again for "
                             f"derivatives of what lies there: numba-cuda launches kernels with at most {SHARED:,}")
        return launch.grid, launch.block, launch.stream, 2 * launch.shared  # the shadows lie behind the primal's

    def block_size(self) -> int:
        self.check_all()
        extra = [ty for ty, _ in self.shadows()] + ([types.int64] * 3 if self.mode == "reverse" else [])
        return self.machine.block_size(self.derived, extra, self.configuration[-1])

    # --- checks ---

    def check_all(self) -> None:
        for k, argument in enumerate(self.arguments):
            if isinstance(argument, Dup):
                self.check(k)

    def check(self, k: int) -> None:
        """The shadow of an argument fits."""
        for path, leaf in abi.leaves(self.types[k]):
            value, shadow = at(self.values[k], path), at(self.arguments[k].shadow, path)
            title = f"argument '{self.names[k]}'" + "".join(f"[{index}]" for index in path)
            if abi.is_float_array(leaf) or abi.is_complex(leaf):
                check_shadow(self.name, title, self.machine.array(value), self.machine.array(shadow))
            elif abi.is_float(leaf):
                self.check_number(title, leaf, shadow)
            elif shadow is not None:
                raise TypeError(f"{self.name}: {title} is {describe(leaf)}, which has no derivative: its shadow is "
                                "None")
        if not any(abi.is_float(leaf) or abi.is_float_array(leaf) or abi.is_complex(leaf)
                   for _, leaf in abi.leaves(self.types[k])):
            raise TypeError(f"{self.name}: the argument '{self.names[k]}' is {describe(self.types[k])}, which has no "
                            "derivative; wrap it in Const")

    def check_number(self, title: str, leaf: types.Type, shadow: Any) -> None:
        if self.mode == "forward":
            if isinstance(shadow, bool) or not isinstance(shadow, (int, float, np.number)):
                raise TypeError(f"{self.name}: the tangent of {title} must be a number, not {type(shadow).__name__}")
            return
        cell = self.machine.array(shadow)
        if cell is None or cell.size != 1 or cell.dtype != str(leaf):
            raise TypeError(f"{self.name}: the adjoint of {title} needs an array of one {leaf} on the device")

    def check_memory(self) -> None:
        """What is written may share memory with nothing else."""
        found: list[tuple[str, Array, bool]] = []
        for k, argument in enumerate(self.arguments):
            for path, _ in abi.leaves(self.types[k]):
                title = f"argument '{self.names[k]}'" + "".join(f"[{index}]" for index in path)
                primal = self.machine.array(at(argument.value, path))
                if primal is not None:
                    if primal.readonly and k in self.derived.written:
                        raise ValueError(f"{self.name}: {title} is read-only, and the kernel writes it")
                    found.append((title, primal, k in self.derived.written))
                shadow = self.machine.array(at(argument.shadow, path)) if isinstance(argument, Dup) else None
                is_written = self.mode == "reverse" or k in self.derived.written
                if shadow is not None:
                    found.append((f"the shadow of {title}", shadow, is_written))
        check_overlaps(self.name, found)

    # --- what follows the primal's arguments ---

    def shadows(self) -> list[tuple[types.Type, Any]]:
        found: list[tuple[types.Type, Any]] = []
        for index in self.derived.shadows:
            parameter = self.derived.lowered.parameters[index]
            path = tuple(step for step in parameter.path if isinstance(step, int))
            argument = self.arguments[parameter.argument]
            shadow: Any = at(argument.shadow, path) if isinstance(argument, Dup) else None
            memory = self.machine.array(shadow) if shadow is not None else self.scratch(at(argument.value, path))
            if memory is None:
                found.append((parameter.leaf, float(shadow)))
            else:
                found.append((types.int64, memory.address))
        return found

    def scratch(self, value: Any) -> Array:
        """A shadow of zeros for an array in Const that differentiated values are written into."""
        array = self.machine.array(value)
        assert array is not None  # floats in Const have no shadow
        low, high = array.extent
        words = self.machine.words(max(1, -(-(high - low) // 8)))
        self.kept.append(words)
        return replace(words, address=words.address + array.address - low)

    def run_with_tape(self, tape: TapeSize) -> None:
        words = self.words(tape)
        threads = prod((*self.launch.grid, *self.launch.block))
        bytes = 8 * words * threads
        size = f"{bytes:,} bytes: {8 * words:,} for each of {threads:,} threads"
        if bytes > MAX_TAPE:
            raise MemoryError(f"{self.name}: the tape needs {size}")
        try:
            memory = self.machine.room(max(words * threads, 1))
        except MemoryError as error:
            raise MemoryError(f"{self.name}: no memory for the tape of {size}") from error
        if tape.words is not None:  # exact: a thread that wanted more would end the launch with an error
            self.sweep(memory, max(words, 1), None)
            return
        more = self.machine.words(1)
        self.sweep(memory, max(words, 1), more)
        if self.machine.number(more):
            raise RuntimeError(f"{self.name}: the kernel took more iterations than a moment before; it depends on the "
                               "order of its threads, and has no derivative")

    def words(self, tape: TapeSize) -> int:
        """How many words each thread needs. What depends on numbers only is measured once for the same numbers."""
        if tape.words is not None:
            return tape.words
        if tape.follows_data:
            return self.measured()
        numbers = tuple(self.numbers(self.values))
        key = self.derived.symbol, self.launch.grid, self.launch.block, self.launch.shared, numbers
        known = self.launch.derivative.words
        if key not in known:
            known[key] = self.measured()
        return known[key]

    def numbers(self, values: Sequence[Any]) -> Iterator[Any]:
        """All numbers that the kernel gets: shapes and strides of arrays among them."""
        for value in values:
            array = self.machine.array(value)
            if isinstance(value, tuple):
                yield from self.numbers(value)
            else:
                yield value if array is None else (array.shape, array.strides)

    def measured(self) -> int:
        """The largest need of all threads, by a forward sweep whose traces are removed."""
        needed, dump = self.machine.words(1), self.machine.words(1)
        written = [value for k in sorted(self.derived.written) for value in self.arrays(k)]
        saved = [self.machine.saved(array) for array in written]
        try:
            self.sweep(dump, 0, needed)
        finally:
            for array, copy in zip(written, saved, strict=True):
                self.machine.restore(array, copy)
        return self.machine.number(needed)

    def arrays(self, k: int) -> list[Any]:
        values = [at(self.values[k], path) for path, _ in abi.leaves(self.types[k])]
        return [value for value in values if self.machine.array(value) is not None]

    def sweep(self, memory: Array, words: int, needed: Array | None) -> None:
        where = 0 if needed is None else needed.address
        tape = [(types.int64, memory.address), (types.int64, words), (types.int64, where)]
        self.machine.launch(self.derived, self.configuration, self.values, [*self.shadows(), *tape])


def at(value: Any, path: Sequence[int]) -> Any:
    """A part of a tree of tuples, None if the tree is cut off before."""
    for index in path:
        if value is None:
            return None
        value = value[index]
    return value
