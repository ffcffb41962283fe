"""The whole journey on one page: Python function -> LLVM text -> engine -> LLVM text of its derivative.

    frontend.lower          Numba compiles the function and its callees in a private target; nothing is run
    case.run                the engine: preparation.prepared    LLVM inlines and simplifies, destroying no derivative
                                        pipeline.differentiate
    (link)                  the caller's library takes the text in and optimises it together with its own code

Results are kept in memory per dispatcher, argument types and request.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from inspect import signature
from typing import Any

from numba.core import types
from numba.core.compiler_lock import global_compiler_lock

from numbad import frontend, target
from numbad.errors import Unsupported, explain, explain_bug
from numbad.passes.case import Case
from numbad.passes.derivative.facts import Task
from numbad.passes.derivative.plan import Options
from numbad.passes.diagnostics import Refusal
from numbad.passes.ir.types import DOUBLE, FLOAT, Type
from numbad.passes.watch import Watch
from numbad.request import Request


@dataclass(frozen=True)
class Derivative:
    """LLVM text of a derivative and how it is called (see the module `abi`).

    text          defines `symbol`; everything else in it is internal. It may be differentiated again.
    lowered       the primal as Numba lowered it
    shadows       the LLVM parameters of the primal that have a shadow parameter (0: result slot, 2...: arguments)
    written       Python arguments: arrays that the primal may write
    shadowed      Python arguments: arrays for which a shadow must be given
    environments  symbols of the addresses of constants that the text hands to the Python interpreter
    plans         what the reverse sweep stores and recomputes, as text, one plan a function
    """

    text: str
    symbol: str
    lowered: frontend.Lowered
    shadows: tuple[int, ...]
    written: frozenset[int]
    shadowed: frozenset[int]
    environments: tuple[str, ...]
    plans: tuple[str, ...]


Key = tuple[tuple[types.Type, ...], Request, str | None, Options]
_cache: weakref.WeakKeyDictionary[Any, dict[Key, Derivative]] = weakref.WeakKeyDictionary()


def derive(dispatcher: Any, argtypes: tuple[types.Type, ...], request: Request,
           seed_text: str | None = None, options: Options = Options()) -> Derivative:  # noqa: B008
    """The derivative of a dispatcher for these argument types.

    Raises NoDerivative or Unsupported for what cannot be differentiated, EngineError for a bug of ours.
    """
    with global_compiler_lock:
        known = _cache.setdefault(dispatcher, {})
        key = (argtypes, request, seed_text, options)
        if key not in known:
            known[key] = _derive(dispatcher, argtypes, request, seed_text, options)
        return known[key]


def report(dispatcher: Any) -> str:
    """The derivatives that have been compiled, by argument types, with the plans of the reverse sweeps."""
    lines = []
    for (argtypes, request, _, _), derivative in _cache.get(dispatcher, {}).items():
        names = tuple(signature(dispatcher.py_func).parameters)
        given = ", ".join(f"{name}: {ty}" for name, ty in zip(names, argtypes, strict=False))
        active = [name for name, is_active in zip(names, request.active, strict=False) if is_active]
        lines.append(f"{request.mode} mode of {derivative.lowered.name}({given}) by {', '.join(active) or 'nothing'}")
        lines += ["  " + line for plan in derivative.plans for line in plan.splitlines()] or ["  keeps nothing"]
    return "\n".join(lines)


def _derive(dispatcher: Any, argtypes: tuple[types.Type, ...], request: Request, seed_text: str | None,
            options: Options) -> Derivative:
    watch = Watch()
    lowered = frontend.lower(dispatcher, argtypes)
    watch("lower")
    case = Case(lowered.text, _task(lowered, request), frontend.machine(), options, seed_text or "")
    try:
        result = case.run(watch)
    except Refusal as refusal:
        raise explain(refusal, request, lowered) from None
    except Exception as bug:  # whatever else the engine raises is a bug of ours
        raise explain_bug(bug, watch.stage, case, lowered) from bug
    watch("link")
    _check_shadows(lowered, request, result.shadows)
    owners = {index: lowered.parameters[index - 2].argument for index in range(2, 2 + len(lowered.parameters))}
    arrays = {i for i, p in enumerate(lowered.parameters, 2) if p.path and p.path[-1] == "data"}
    return Derivative(
        result.text, result.symbol, lowered, result.shadows,
        frozenset(owners[i] for i in result.written if i in arrays),
        frozenset(owners[i] for i in result.shadows if i in arrays),
        tuple(symbol for symbol in target.environments if symbol in result.text), result.plans)


def _task(lowered: frontend.Lowered, request: Request) -> Task:
    """The request in terms of LLVM parameters: floats of active arguments, data pointers of active float arrays."""
    active: set[int] = set()
    contents: list[tuple[int, Type]] = []
    for index, parameter in enumerate(lowered.parameters, 2):
        element = element_of(parameter)
        is_data = parameter.path[-1:] == ("data",)
        if element is None:
            continue
        if is_data:
            contents.append((index, element))
        if request.active[parameter.argument]:
            active.add(index)
    places = {(p.argument, p.path): index for index, p in enumerate(lowered.parameters, 2)}
    headers = tuple((places[argument, (*path[:-1], "meminfo")], index) for (argument, path), index in places.items()
                    if path[-1:] == ("data",))
    return Task(lowered.entry, request.mode, frozenset(active), tuple(contents), headers, request.width,
                request.seeded, request.disjoint)


def _check_shadows(lowered: frontend.Lowered, request: Request, shadows: tuple[int, ...]) -> None:
    """Only numbers and arrays of numbers have shadows that a caller can give."""
    for index in shadows:
        parameter = lowered.parameters[index - 2] if index >= 2 else None
        if parameter is None or element_type(parameter.leaf) is not None \
                or element_type(_array_dtype(parameter)) is not None:
            continue
        asked = "tangent" if request.mode == "forward" else "gradient"
        raise Unsupported(
            f"the {asked} of {lowered.name} meets differentiated values in the argument `{parameter.name}`, which is "
            f"no array of floats but {parameter.type}.\n\n  {lowered.filename}:{lowered.line}, in {lowered.name}\n\n"
            "Pass arrays of floats for what is written.")


def element_of(parameter: frontend.Parameter) -> Type | None:
    """The LLVM type of a parameter that is a number, or of the elements that it points to; None for all others."""
    return element_type(parameter.leaf if parameter.path[-1:] != ("data",) else _array_dtype(parameter))


def _array_dtype(parameter: frontend.Parameter) -> types.Type | None:
    kind: Any = parameter.type
    for step in parameter.path[:-1]:
        kind = kind[step] if isinstance(kind, types.BaseTuple) else None
    return getattr(kind, "dtype", None)


def element_type(kind: types.Type | None) -> Type | None:
    """The LLVM type of a number, None for what is no floating-point number."""
    if isinstance(kind, types.Complex):
        kind = kind.underlying_float
    return {types.float64: DOUBLE, types.float32: FLOAT}.get(kind) if kind is not None else None
