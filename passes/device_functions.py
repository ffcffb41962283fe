"""Device functions of numba-cuda: into the engine, and their derivatives out of it as device functions again.

    i32 @f(ptr result, double %x)              numba-cuda's: a status code, the result behind the first pointer
    i32 @entry(ptr result, ptr, double %x)     `with_entry`: the same in the host's convention, which the engine reads
    i32 @derivative(ptr result, ptr, double %x, ptr result.dot, double %x.dot)
    i32 @symbol(ptr results, double %x)        `for_kernels`: what kernels call, with the tangents that are asked for

Given   LLVM text of the function, or a forward derivative of it, and what is asked of it.
Gives   LLVM text with one more function.
Unsure  (a parameter whose type is more than a word) raises ValueError: numba-cuda passes leaves only.

Only forward mode makes sense here: a tape would need memory from the launch, of which a function knows nothing, and a
function of few numbers costs least with all its tangents side by side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from numbad.passes import llvm
from numbad.passes.pipeline import Derivative
from numbad.passes.text import definitions, parameter_types

ENTRY = "numbad_entry"
RESULT, FIRST_ARGUMENT = 0, 2
"""Parameters of the entry: the result's slot, that of an exception which nobody uses, the function's own."""

_SIZES = {"float": 4, "double": 8}


@dataclass(frozen=True)
class Output:
    """A number that the derivative gives: of the result (`lane` None) or of one of its tangents."""

    lane: int | None
    path: tuple[int, ...]
    """Where it stands in the result."""
    type: str
    """Its type there."""
    wanted: str
    """The type in which the caller wants it."""


@dataclass(frozen=True)
class Convention:
    """How a kernel calls a derivative.

    result    type of the primal's result in memory
    extra     types of parameters that follow the primal's
    tangents  for an active parameter of the entry its tangents, one for each lane: a constant (`1.0`), or the number of
              an extra parameter
    outputs   what is written behind the first pointer
    packed    the type of all outputs together
    """

    result: str
    extra: tuple[str, ...]
    tangents: dict[int, tuple[str | int, ...]]
    outputs: tuple[Output, ...]
    packed: str


def parameters(text: str, symbol: str) -> list[str]:
    """The types of a function's parameters."""
    for definition in definitions(text):
        if definition.name == symbol:
            found = parameter_types(definition)
            if "" in found:
                raise ValueError(f"{symbol} has a parameter that is no number and no pointer: {definition.parameters}")
            return found
    raise ValueError(f"{symbol} is not defined")


def with_entry(text: str, function: str) -> str:
    """The text with ENTRY, which calls the function."""
    result, *arguments = parameters(text, function)
    names = _named(arguments)
    return f"""{text}
define i32 @{ENTRY}({", ".join([f"{result} %result", "ptr %exception", *names])}) {{
  %status = call i32 @{_quoted(function)}({", ".join([f"{result} %result", *names])})
{_ending([])}
}}
"""


def for_kernels(derivative: Derivative, convention: Convention, lanes: int) -> tuple[str, str]:
    """The text of a derivative of ENTRY with a function that kernels can call, and the symbol of that."""
    shadows = derivative.shadows
    taken = parameters(derivative.text, derivative.symbol)
    own = taken[:len(taken) - lanes * len(shadows)]
    arguments, extra = own[FIRST_ARGUMENT:], convention.extra
    slots = ["%value", *(f"%dot{lane}" for lane in range(lanes))]
    lines = ["  %exception = alloca ptr"]
    for slot in slots:
        lines += [f"  {slot} = alloca {convention.result}", f"  store {convention.result} zeroinitializer, ptr {slot}"]
    operands = ["ptr %value", "ptr %exception", *_named(arguments)]
    for index in shadows:
        for lane in range(lanes):
            if index == RESULT:
                operands.append(f"ptr %dot{lane}")
            else:
                tangent = convention.tangents[index][lane]
                operands.append(f"{own[index]} {f'%extra{tangent}' if isinstance(tangent, int) else tangent}")
    lines.append(f"  %status = call i32 @{derivative.symbol}({', '.join(operands)})")
    stores = [line for place, output in enumerate(convention.outputs)
              for line in _stored(output, place, slots[0 if output.lane is None else 1 + output.lane], convention)]
    listed = ["ptr %results", *_named(arguments), *(f"{type} %extra{k}" for k, type in enumerate(extra))]
    body = "\n".join([*lines, _ending(stores)])
    symbol = f"numbad_function_{hashlib.sha256((derivative.text + body).encode()).hexdigest()[:32]}"
    whole = f"{derivative.text}\ndefine i32 @{symbol}({', '.join(listed)}) {{\n{body}\n}}\n"
    return llvm.internalised(whole, symbol), symbol


def _named(types: Sequence[str]) -> list[str]:
    return [f"{type} %a{k}" for k, type in enumerate(types)]


def _quoted(name: str) -> str:
    return f'"{name}"'


def _stored(output: Output, place: int, slot: str, convention: Convention) -> list[str]:
    """Lines that write one output."""
    found, value, target = f"%found{place}", f"%found{place}", f"%target{place}"
    steps = "".join(f", i32 {step}" for step in output.path)
    lines = [f"  {found}.place = getelementptr {convention.result}, ptr {slot}, i32 0{steps}",
             f"  {found} = load {output.type}, ptr {found}.place"]
    if output.type != output.wanted:
        value = f"%changed{place}"
        change = "fptrunc" if _SIZES[output.type] > _SIZES[output.wanted] else "fpext"
        lines.append(f"  {value} = {change} {output.type} {found} to {output.wanted}")
    return [*lines, f"  {target} = getelementptr {convention.packed}, ptr %results, i32 0, i32 {place}",
            f"  store {output.wanted} {value}, ptr {target}"]


def _ending(lines: list[str]) -> str:
    """The end of a function that has called another one: `lines` unless that one has raised."""
    return "\n".join(["  %fine = icmp eq i32 %status, 0", "  br i1 %fine, label %normal, label %raised",
                      "normal:", *lines, "  ret i32 0",
                      "raised:", "  ret i32 %status"])
