"""Products that are added become one operation, rounded once: a * b + c is `fma(a, b, c)`.

    %p = fmul double %a, %b
    %s = fadd double %p, %c         ->      %s = call double @llvm.fma.f64(double %a, double %b, double %c)

Given   LLVM text for a machine on which this costs nothing.
Gives   the text with every sum of a product fused, wherever the product was computed and whatever else it is used for;
        of two products the one with fewer uses, as LLVM's back ends choose.
Unsure  leaves an instruction alone that LLVM may rewrite (`fast` and its parts), and vectors.

A back end that is allowed to fuse does so where both stand in one block and as it sees fit. The reverse sweep computes
values again, in other blocks and beside other code: a determinant a * d - b * c that is 0 in the forward sweep would be
a tiny number there, and another branch be taken. What is fused here, before anything is copied, is the same everywhere.
"""

from __future__ import annotations

import re
from collections import Counter

_SUFFIX = {"float": "f32", "double": "f64"}
_NAME = r'%(?:[\w.$-]+|"[^"]*")'
_OPERATION = re.compile(rf"^ +({_NAME}) = (fmul|fadd|fsub) (?:nsz )?(float|double) ([^ ,]+), ([^ ,]+)((?:,.*)?)$")
_USES = re.compile(_NAME)
_FUNCTION = re.compile(r"^define [^\n]*\{\n.*?^\}$", re.M | re.S)


def fused(text: str) -> str:
    found: set[str] = set()
    text = _FUNCTION.sub(lambda function: _in_function(function[0], found), text)
    declared = set(re.findall(r"^declare [^\n]*@(llvm\.fma\.\w+)\(", text, re.M))
    return text + "".join(f"\ndeclare {type} @{name}({type}, {type}, {type})\n" for type in sorted(found)
                          if (name := f"llvm.fma.{_SUFFIX[type]}") not in declared)


def _in_function(text: str, types: set[str]) -> str:
    if "fmul" not in text:
        return text
    lines: list[str | None] = list(text.split("\n"))
    operations = {k: match for k, line in enumerate(lines) if line is not None and (match := _OPERATION.match(line))}
    products = {match[1]: match for match in operations.values() if match[2] == "fmul"}
    uses = Counter(_USES.findall(text))  # one of them is the definition
    for k, match in operations.items():
        if match[2] == "fmul":
            continue
        name, opcode, type, left, right, rest = match.groups()
        candidates = [operand for operand in (left, right) if operand in products]
        if not candidates:
            continue
        product = min(candidates, key=lambda operand: uses[operand])
        a, b = products[product].group(4, 5)
        other = right if product == left else left
        if opcode == "fsub":
            negated = '%"negated.' + name[1:].strip('"') + '"'
            is_first = product == left
            lines[k] = f"  {negated} = fneg {type} {other if is_first else a}{rest}\n"
            a, other = (a, negated) if is_first else (negated, other)
        else:
            lines[k] = ""
        operands = ", ".join(f"{type} {operand}" for operand in (a, b, other))
        lines[k] = f"{lines[k]}  {name} = call {type} @llvm.fma.{_SUFFIX[type]}({operands}){rest}"
        types.add(type)
        uses[product] -= 1
        uses.update(operand for operand in products[product].group(4, 5) if operand.startswith("%"))
    for k, match in reversed(operations.items()):
        if match[2] == "fmul" and uses[match[1]] == 1:
            lines[k] = None
            uses.subtract(operand for operand in match.group(4, 5) if operand.startswith("%"))
    return "\n".join(line for line in lines if line is not None)
