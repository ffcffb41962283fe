"""What is wrong with the derivatives of one kernel.

Forward mode against finite differences where these converge, on the emulator; reverse against forward mode to rounding
in three orders of threads; what the derivatives leave in the arguments as what the kernel leaves; no races.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from cuda.agreement import Drawn, inner, is_inexact, is_number, leaves
from cuda.emulator import EmulatedKernel, EmulationError, Race, flatten
from cuda.fuzz.kernels import KernelProgram
from cuda.lowering import lowered
from cuda.machines import Emulated
from cuda.pool import copied
from numba import typeof
from numba.cuda.dispatcher import CUDADispatcher

import numbad as nd
from fuzz import verdicts
from fuzz.verdicts import Verdict, Wrong, function, verdict
from numbad.differences import Differences, differences

FINE = (*verdicts.FINE, "generator")
"""`generator`: the kernel itself races, or does what CUDA leaves undefined, and says nothing about derivatives."""
STEPS, CLOSE_STEPS = (1e-3, 1e-4, 1e-5, 1e-6), (1e-9, 1e-10, 1e-11)
SINGLE_STEPS, SINGLE_CLOSE_STEPS = (1e-1, 3e-2, 1e-2), (3e-3, 1e-3)


def check(program: KernelProgram, inputs: int) -> Verdict:
    return verdict(lambda: _check(program, inputs))


def _check(program: KernelProgram, inputs: int) -> Verdict:
    kernel = SimpleNamespace(
        name="f", kernel=function(program), grid=program.shape.grid, block=program.shape.block, shared=program.shared,
        active=program.active, drawn=program.draw)
    argtypes = tuple(typeof(value) for value in program.draw(0))
    text, entry = _compiled(kernel.kernel, argtypes)
    watched, primal = EmulatedKernel(text, entry, races=True), EmulatedKernel(text, entry)
    machine, compared = Emulated(), 0
    for seed in range(inputs):
        drawn = Drawn(kernel, seed)
        after = copied(drawn.arguments)
        try:
            watched.launch(kernel.grid, kernel.block, flatten(*after), kernel.shared)
        except EmulationError as error:
            return Verdict("generator", f"{type(error).__name__}: {error}", compared)
        try:
            compared += _compare(program, drawn, machine, primal, after)
        except Race as race:
            raise Wrong("race", f"inputs {seed}, {machine.order} order: {race}") from race
        except EmulationError as error:
            what = f"{type(error).__name__}: {error}"
            raise Wrong("emulation", f"inputs {seed}, {machine.order} order: {what}") from error
        except (MemoryError, RuntimeError, ValueError, TypeError) as error:
            raise Wrong("launch", f"inputs {seed}, {machine.order} order: {type(error).__name__}: {error}") from error
    return Verdict("right", compared=compared)


def _compiled(kernel: CUDADispatcher, argtypes: tuple) -> tuple[str, str]:
    try:
        return lowered(kernel, argtypes)
    except (nd.NoDerivative, nd.Unsupported, nd.EngineError):
        raise
    except Exception as error:  # numba-cuda's, of whatever kind; those of a derivative inside the kernel are in them
        what = f"{type(error).__name__}: {error}"
        for ours, kind in (("EngineError", "engine"), ("Unsupported", "refused"), ("NoDerivative", "refused")):
            if f"numbad.errors.{ours}" in what or f"{ours}:" in what:
                raise Wrong(kind, what) from error
        raise Wrong("numba", what) from error


def _compare(program: KernelProgram, drawn: Drawn, machine: Emulated, primal: EmulatedKernel, after: tuple) -> int:
    kernel = drawn.kernel
    machine.order = "forward"
    left, tangents = drawn.pushed(machine)
    _expect_same(program, "jvp", left, after)
    seeds = [None if is_number(leaf) else leaf for leaf in drawn.active(drawn.seeds)]
    known, size = inner(seeds, drawn.active(tangents))
    is_finite = all(np.all(np.isfinite(leaf)) for leaf in leaves(after))
    for order in machine.orders:
        machine.order = order
        left, adjoints = drawn.pulled(machine)
        _expect_same(program, f"vjp in {order} order", left, after)
        if not is_finite:
            continue
        found, other_size = inner(drawn.active(adjoints), drawn.active(drawn.tangents))
        if not abs(found - known) <= (3e-4 if program.single else 1e-10) * max(size, other_size):
            raise Wrong("reverse", f"{order} order: <w, J v> = {known:.17g}, <J' w, v> = {found:.17g}, terms "
                        f"{max(size, other_size):.3g}")
    if not is_finite:
        return 0
    eps = float(np.finfo(np.float32 if program.single else float).eps)

    def at(distance: float) -> np.ndarray:
        arguments = drawn.moved(distance)
        primal.launch(kernel.grid, kernel.block, flatten(*arguments), kernel.shared)
        return _numbers(drawn.active(arguments))

    tangent = _numbers(drawn.active(tangents))
    finite = differences(at, SINGLE_STEPS if program.single else STEPS, eps)
    if not finite.converged:
        return 0
    if not _agree(tangent, finite, program.single):
        close = differences(at, SINGLE_CLOSE_STEPS if program.single else CLOSE_STEPS, eps)
        if close.converged and _agree(tangent, close, program.single):
            return 0  # the kernel has ripples that the longer steps went past
        worst = int(np.argmax(np.abs(tangent - finite.value)))
        raise Wrong("forward", f"tangent {worst}: {tangent[worst]:.17g}, by differences {finite.value[worst]:.17g}")
    return 1


def _numbers(active: list) -> np.ndarray:
    """Of the arrays: a kernel does not change numbers that it gets."""
    parts = [leaf.ravel().astype(float) for leaf in active if is_inexact(leaf)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _expect_same(program: KernelProgram, mode: str, found: tuple, known: tuple) -> None:
    for argument, one, other in zip(program.arguments, found, known, strict=True):
        for a, b in zip(leaves((one,)), leaves((other,)), strict=True):
            tolerance = 1e-3 if program.single else 1e-9
            if not np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True):
                raise Wrong("value", f"{mode} leaves other numbers in {argument.name} than the kernel")


def _agree(tangent: np.ndarray, known: Differences, single: bool) -> bool:
    error = np.abs(tangent - known.value)
    largest = np.max(np.abs(known.value), initial=0.0)
    bound = 1e-2 * largest + 1e-4 if single else 1e-6 * largest + 1e-9
    return bool(np.all(error <= 20 * known.uncertainty + bound))
