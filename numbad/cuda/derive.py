"""Kernel in, derivative out: the same journey as on the host (`numbad.derive`), for one launch's types.

    numba_cuda.lower        numba-cuda compiles the kernel and what it calls; nothing is run
    case.run                the engine: nvptx.prepared          attributes, then LLVM's passes as on the host
                                        pipeline.differentiate
    launch                  PTX, when and where it is launched

Results are kept in memory per kernel, argument types and request.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from numba.core import types
from numba.core.compiler_lock import global_compiler_lock

from numbad.cuda import numba_cuda
from numbad.derive import element_of
from numbad.errors import explain, explain_bug
from numbad.passes import llvm, nvptx
from numbad.passes.case import Case
from numbad.passes.derivative.facts import Task
from numbad.passes.derivative.tape_size import TapeSize
from numbad.passes.diagnostics import Refusal
from numbad.passes.watch import Watch
from numbad.request import Request


@dataclass(frozen=True)
class KernelDerivative:
    """
    text        LLVM text of the derivative, a kernel with the name `symbol`
    lowered     the primal as numba-cuda lowered it
    shadows     its LLVM parameters that have a shadow, in order: these follow its own parameters. A number's is its
                tangent in forward mode, the address of a cell for its adjoint in reverse mode, an array's an address.
                In reverse mode three more follow: memory for the tape, words of it for each thread, and the address
                where to tell how many were needed.
    written     Python arguments: arrays that the kernel may write
    tape        how much memory it needs for a tape, as far as that is known; None if none
    plans       what the reverse sweep stores and recomputes, as text
    linked      names that files of the user define, which are linked when it is launched
    """

    text: str
    symbol: str
    lowered: numba_cuda.LoweredKernel
    shadows: tuple[int, ...]
    written: frozenset[int]
    tape: TapeSize | None
    plans: tuple[str, ...]
    linked: frozenset[str]


_cache: weakref.WeakKeyDictionary[Any, dict[tuple, KernelDerivative]] = weakref.WeakKeyDictionary()


def derive(kernel: Any, argtypes: tuple[types.Type, ...], request: Request) -> KernelDerivative:
    """The derivative of a kernel for arguments of these types.

    Raises NoDerivative or Unsupported for what cannot be differentiated, EngineError for a bug of ours.
    """
    with global_compiler_lock:
        known = _cache.setdefault(kernel, {})
        key = (argtypes, request)
        if key not in known:
            known[key] = _derive(kernel, argtypes, request)
        return known[key]


def report(kernel: Any) -> str:
    """The reverse sweeps that have been compiled, by argument types."""
    lines = []
    for (argtypes, request), derivative in _cache.get(kernel, {}).items():
        lines.append(f"{request.mode} mode of {derivative.lowered.name}({', '.join(map(str, argtypes))})")
        lines += ["  " + line for plan in derivative.plans for line in plan.splitlines()] or ["  keeps nothing"]
    return "\n".join(lines)


def _derive(kernel: Any, argtypes: tuple[types.Type, ...], request: Request) -> KernelDerivative:
    watch = Watch()
    lowered = numba_cuda.lower(kernel, argtypes)
    watch("lower")
    machine = nvptx.machine(numba_cuda.architecture(*numba_cuda.capability()))
    case = Case(llvm.link(*lowered.texts, machine=machine), _task(lowered, request), machine)
    try:
        result = case.run(watch)
    except Refusal as refusal:
        raise explain(refusal, request, lowered) from None
    except Exception as bug:  # whatever else the engine raises is a bug of ours
        raise explain_bug(bug, watch.stage, case, lowered) from bug
    watch("launch")
    parameters = lowered.parameters
    return KernelDerivative(
        result.text, result.symbol, lowered, result.shadows,
        frozenset(parameters[k].argument for k in result.written if parameters[k].path[-1:] == ("data",)),
        result.tape, result.plans, numba_cuda.linked_names(result.text))


def _task(lowered: numba_cuda.LoweredKernel, request: Request) -> Task:
    """The request in terms of LLVM parameters: numbers and data pointers of the arguments that are active."""
    active: set[int] = set()
    contents = []
    for index, parameter in enumerate(lowered.parameters):
        is_data = parameter.path[-1:] == ("data",)
        element = element_of(parameter)
        if element is None:
            continue
        if is_data:
            contents.append((index, element))
        if request.active[parameter.argument]:
            active.add(index)
    return Task(lowered.entry, request.mode, frozenset(active), tuple(contents))
