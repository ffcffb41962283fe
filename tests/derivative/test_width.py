"""Several tangents at once: each lane of forward mode of width N is forward mode of width 1, to the bit.

The derivatives are called as they leave the engine. A shadow parameter of width N is N parameters, one for each lane.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core.registry import cpu_target
from numba.core.runtime import nrtdynmod, rtsys
from numba.core.typing.typeof import typeof

import oracles
from derivative.native import DOUBLE, I32, I64, Native, P
from numbad.derive import Derivative, derive
from numbad.passes.llvm import link
from numbad.request import Request

WIDTHS = (2, 4, 8)
RESULT = 0


@njit
def pendulum(angle, speed, length, steps):
    """Numbers only: a loop of states, with a branch in it."""
    for _ in range(steps):
        speed -= 0.01 * 9.81 / length * math.sin(angle)
        if speed > 1.0:
            speed = 2.0 - speed * speed
        angle += 0.01 * speed
    return length * (1.0 - math.cos(angle))


@njit
def smoothed(x, rate, steps):
    """An array changed in place, buffers of its own, and an exception on the way."""
    u = x.copy()
    for _ in range(steps):
        w = np.empty_like(u)
        w[0], w[-1] = u[0], u[-1]
        for i in range(1, u.shape[0] - 1):
            w[i] = u[i] + rate * (u[i - 1] - 2.0 * u[i] + u[i + 1]) * u[i]
            if w[i] > 100.0:
                raise OverflowError("too large")
        u = w
    x[:] = u
    return np.sum(u * u)


class Program:
    """A function, where its arguments are, and how its tangents are asked for."""

    def __init__(self, function: Any, arguments: tuple):
        rtsys.initialize(cpu_target.target_context)
        self.function, self.arguments = function, arguments
        self.active = tuple(not isinstance(a, int) for a in arguments)

    @cache  # noqa: B019  (programs live as long as this module)
    def derivative(self, width: int) -> tuple[Derivative, Native]:
        made = derive(self.function, tuple(map(typeof, self.arguments)), Request("forward", self.active, width))
        references = str(nrtdynmod.create_nrt_module(cpu_target.target_context)[0])
        return made, Native(link(made.text, references))

    def run(self, tangents: list[tuple]) -> tuple[int, float, list[list]]:
        """Status, value, and for each lane the tangents of the result and of the arrays."""
        width = len(tangents)
        made, native = self.derivative(width)
        arguments = [np.copy(a) if isinstance(a, np.ndarray) else a for a in self.arguments]
        lanes = [[np.copy(t) if isinstance(t, np.ndarray) else t for t in given] for given in tangents]
        value, exception = ctypes.c_double(0.0), ctypes.c_void_p()
        slots = [ctypes.c_double(0.0) for _ in range(width)]
        operands = [(P, ctypes.addressof(value)), (P, ctypes.addressof(exception))]
        operands += [passed(p, arguments[p.argument]) for p in made.lowered.parameters]
        for number in made.shadows:
            for slot, lane in zip(slots, lanes, strict=True):
                if number == RESULT:
                    operands.append((P, ctypes.addressof(slot)))
                else:
                    parameter = made.lowered.parameters[number - 2]
                    operands.append(passed(parameter, lane[parameter.argument]))
        kinds, values = zip(*operands, strict=True)
        status = native.function(made.symbol, I32, *kinds)(*values)
        return status, value.value, [[slot.value, *(t for t in lane if isinstance(t, np.ndarray))]
                                     for slot, lane in zip(slots, lanes, strict=True)]


def passed(parameter: Any, argument: Any) -> tuple[Any, Any]:
    """C type and value of an LLVM parameter, of the argument that it belongs to; no array has a MemInfo."""
    match parameter.path:
        case ():
            return (I64 if isinstance(argument, int) else DOUBLE), argument
        case ("data",):
            return P, argument.ctypes.data
        case ("meminfo" | "parent",):
            return P, None
        case ("nitems" | "itemsize" as field,):
            return I64, {"nitems": argument.size, "itemsize": argument.itemsize}[field]
        case (("shape" | "strides") as field, index):
            return I64, getattr(argument, field)[index]
    raise NotImplementedError(parameter)


PENDULUM = Program(pendulum, (0.5, 1.3, 0.8, 100))
SMOOTHED = Program(smoothed, (np.linspace(-1.0, 2.0, 9) ** 2, 0.2, 5))
BLOWN_UP = Program(smoothed, (np.linspace(-1.0, 2.0, 9) ** 2, -60.0, 5))


def directions(program: Program, width: int) -> list[tuple]:
    rng = np.random.default_rng(width)
    return [oracles.random_tangents(program.arguments, program.active, rng) for _ in range(width)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("program", [PENDULUM, SMOOTHED], ids=["numbers", "arrays"])
def test_lanes_are_single_tangents(program: Program, width: int) -> None:
    given = directions(program, width)
    status, value, lanes = program.run(given)
    assert status == 0
    for tangents, lane in zip(given, lanes, strict=True):
        alone = program.run([tangents])
        assert alone[:2] == (status, value)
        for wide, single in zip(lane, alone[2][0], strict=True):
            np.testing.assert_array_equal(wide, single)


@pytest.mark.parametrize("program", [PENDULUM, SMOOTHED], ids=["numbers", "arrays"])
def test_tangents_are_right(program: Program) -> None:
    (tangents,) = directions(program, 1)
    (lane,) = program.run([tangents])[2]

    def call(arguments: tuple) -> tuple:
        result = program.function(*arguments)
        return (result, *(a for a in arguments if isinstance(a, np.ndarray)))

    known = oracles.directional(call, program.arguments, tangents, 1e-3)
    np.testing.assert_allclose(np.hstack(lane), known.value, rtol=1e-8, atol=10 * known.uncertainty.max())


def test_a_lane_of_zeros_stays_zero() -> None:
    (tangents,) = directions(SMOOTHED, 1)
    nothing = tuple(None if t is None else 0.0 * t for t in tangents)
    lanes = SMOOTHED.run([tangents, nothing])[2]
    assert np.hstack(lanes[0]).all()
    assert not np.hstack(lanes[1]).any()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("program", "expected"), [(SMOOTHED, 0), (BLOWN_UP, 1)], ids=["returns", "raises"])
def test_shadows_of_all_lanes_are_freed(program: Program, expected: int, width: int) -> None:
    given = directions(program, width)
    assert (program.run(given)[0] != 0) == expected
    primal = oracles.leaked(lambda: program.function(*map(np.copy, program.arguments[:1]), *program.arguments[1:]))
    assert oracles.leaked(lambda: program.run(given)) <= primal
