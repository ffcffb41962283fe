"""Kernel in, derivative out: the same journey as on the host (`numbad.derive`), for one launch's types.

    numba_cuda.lower        numba-cuda compiles the kernel and what it calls; nothing is run
    case.run                the engine: nvptx.prepared          attributes, then LLVM's passes as on the host
                                        pipeline.differentiate
    launch                  PTX, when and where it is launched

A device function goes the same way, in forward mode (`derive_function`), and is linked into the kernels that call it.

Results are kept in memory per kernel, argument types and request.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numba.core import types
from numba.core.compiler_lock import global_compiler_lock

from numbad import abi
from numbad.cuda import numba_cuda
from numbad.derive import element_of, element_type
from numbad.errors import Unsupported, explain, explain_bug
from numbad.frontend import Path
from numbad.passes import device_functions, llvm, nvptx
from numbad.passes.case import Case
from numbad.passes.derivative.facts import Task
from numbad.passes.derivative.tape_size import TapeSize
from numbad.passes.diagnostics import Refusal
from numbad.passes.pipeline import Derivative
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
                where to tell how many were needed, 0 if that is known.
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


Place = tuple[int, Path]
"""A number among the arguments: the position of the argument, the way to the number in it."""
Lane = dict[Place, float | int]

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
    result = _run(_case(lowered, request), request, lowered, watch)
    watch("launch")
    parameters = lowered.parameters
    return KernelDerivative(
        result.text, result.symbol, lowered, result.shadows,
        frozenset(parameters[k].argument for k in result.written if parameters[k].path[-1:] == ("data",)),
        result.tape, result.plans, numba_cuda.linked_names(result.text))


def derive_function(lowered: numba_cuda.LoweredKernel, kind: str, lanes: Sequence[Lane],
                    extra: tuple[types.Type, ...], wanted: tuple[types.Type, ...]) -> numba_cuda.Foreign:
    """Tangents of a device function, as a function for kernels: `(result's numbers, then those of its tangents)`.

    kind      what the user has asked for, in messages
    lanes     for each tangent of the result those of the numbers that it is differentiated by: a number, or the place
              of a parameter among the `extra` ones, which follow the function's own
    wanted    types of the numbers of all tangents
    """
    differentiated = {argument for argument, _ in lanes[0]}
    active = tuple(k in differentiated for k in range(len(lowered.argtypes)))
    request = Request("forward", active, width=len(lanes))
    shown = request if kind == "jvp" else Request("reverse", active)      # for messages: the gradient is wanted
    watch = Watch()
    tangents = _tangents(lowered, lanes)
    case = _case(lowered, request, device=True)
    moved = tuple(frozenset(index for index in case.task.active if tangents[index][lane] != "0.0")
                  for lane in range(len(lanes)))
    result = _run(replace(case, task=replace(case.task, lanes=moved)), shown, lowered, watch)
    watch("link")
    _check_memory(lowered, kind, result)
    leaves = [(path, str(element_type(leaf))) for path, leaf in abi.leaves(lowered.result)]
    outputs = [device_functions.Output(None, path, kind, kind) for path, kind in leaves]
    wishes = iter(wanted)
    outputs += [device_functions.Output(lane, path, kind, str(element_type(next(wishes))))
                for lane in range(len(lanes)) for path, kind in leaves]
    given = tuple(ty for _, ty in abi.leaves(lowered.result)) + wanted
    packed = types.BaseTuple.from_types(given)
    convention = device_functions.Convention(
        numba_cuda.memory_type(lowered.result), tuple(str(element_type(ty)) for ty in extra), tangents, tuple(outputs),
        numba_cuda.memory_type(packed))
    text, symbol = device_functions.for_kernels(result, convention, len(lanes))
    return numba_cuda.Foreign(text, symbol, (*lowered.argtypes, *extra), packed)


def _tangents(lowered: numba_cuda.LoweredKernel, lanes: Sequence[Lane]) -> dict[int, tuple[str | int, ...]]:
    """What the lanes say of each parameter of the entry, as `device_functions.Convention` has it."""
    return {index: tuple(tangent if isinstance(tangent := lane[place], int) else str(tangent) for lane in lanes)
            for index, parameter in enumerate(lowered.parameters, device_functions.FIRST_ARGUMENT)
            if (place := (parameter.argument, parameter.path)) in lanes[0]}


def _check_memory(lowered: numba_cuda.LoweredKernel, kind: str, result: Derivative) -> None:
    """A device function has no memory but its own stack: what it writes elsewhere cannot have a shadow."""
    where = f"\n\n  {lowered.filename}:{lowered.line}, in {lowered.name}"
    for index in result.shadows:
        parameter = lowered.parameters[index - device_functions.FIRST_ARGUMENT] if index > 1 else None
        if parameter is not None and parameter.path[-1:] == ("data",):
            raise Unsupported(f"{kind}({lowered.name}): the function writes what is differentiated into the array "
                              f"'{parameter.name}', and a kernel has no memory for its derivative; return it{where}")
    if "@numbad.shared." in result.text:
        raise Unsupported(f"{kind}({lowered.name}): the function uses dynamic shared memory, and the launch gives room "
                          f"for no derivatives beside it; pass numbers{where}")


def _case(lowered: numba_cuda.LoweredKernel, request: Request, device: bool = False) -> Case:
    machine = nvptx.machine(numba_cuda.architecture(*numba_cuda.capability()))
    text, entry = llvm.link(*lowered.texts, machine=machine), lowered.entry
    if device:
        text, entry = device_functions.with_entry(text, entry), device_functions.ENTRY
    return Case(text, _task(lowered, request, entry, device_functions.FIRST_ARGUMENT if device else 0), machine)


def _run(case: Case, request: Request, lowered: numba_cuda.LoweredKernel, watch: Watch) -> Derivative:
    try:
        return case.run(watch)
    except Refusal as refusal:
        raise explain(refusal, request, lowered) from None
    except Exception as bug:  # whatever else the engine raises is a bug of ours
        raise explain_bug(bug, watch.stage, case, lowered) from bug


def _task(lowered: numba_cuda.LoweredKernel, request: Request, entry: str, first: int) -> Task:
    """The request in terms of LLVM parameters: numbers and data pointers of the arguments that are active."""
    active: set[int] = set()
    contents = []
    for index, parameter in enumerate(lowered.parameters, first):
        is_data = parameter.path[-1:] == ("data",)
        element = element_of(parameter)
        if element is None:
            continue
        if is_data:
            contents.append((index, element))
        if request.active[parameter.argument]:
            active.add(index)
    return Task(entry, request.mode, frozenset(active), tuple(contents), width=request.width,
                in_a_row=request.in_a_row)
