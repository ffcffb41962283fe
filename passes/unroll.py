"""Tell LLVM which tiny loops to unroll during preparation.

Given   LLVM text as LLVM prints it, with rotated loops: the test stands at the end of the body.
Gives   the text with a mark on every loop that runs a constant, small number of times and is small itself.
Unsure  leaves the loop as it is.

    header:                                                header:
      %i = phi i64 [ 0, %before ], [ %next, %header ]        ...
      ...                                            ->
      %next = add i64 %i, 1
      %more = icmp slt i64 %next, 3
      br i1 %more, label %header, label %after               br i1 %more, label %header, label %after, !llvm.loop !7

A loop over the three components of a vector is straight-line code in disguise: unrolled, its values stay in registers
of both sweeps, and indexing a tuple is free. Left alone, indexing a tuple is a `switch` that LLVM folds into the loop's
exit test. Loops that merely could be unrolled are not: each copy would be differentiated again.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from numbad.passes.llvm import NAME, definitions

TRIPS = 8
"""Iterations up to which a loop is unrolled."""
BUDGET = 400
"""Instructions up to which the unrolled loop may grow, counted before simplification."""

_LABEL = re.compile(rf"^({NAME}):.*$", re.M)
_TARGET = re.compile(rf"label %({NAME})")
_LATCH = re.compile(rf"^  br i1 (%(?:{NAME})), label %(?P<then>{NAME}), label %(?P<otherwise>{NAME})(?P<rest>[^\n]*)$")
_TESTS = {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "slt": lambda a, b: a < b, "sle": lambda a, b: a <= b,
          "sgt": lambda a, b: a > b, "sge": lambda a, b: a >= b, "ult": lambda a, b: a < b, "ule": lambda a, b: a <= b,
          "ugt": lambda a, b: a > b, "uge": lambda a, b: a >= b}


@dataclass
class _Block:
    name: str
    lines: list[str]

    def __post_init__(self) -> None:
        # A `switch` spans lines: its targets stand between the line that opens it and the closing bracket.
        last = max((number for number, line in enumerate(self.lines) if line.startswith("  switch ")), default=-1)
        self.terminator = "\n".join(self.lines[last:])
        self.successors = _TARGET.findall(self.terminator)


def mark(text: str) -> str:
    """Mark tiny loops for `llvm.prepare`."""
    pieces, start, marks = [], 0, 0
    number = 1 + max(map(int, re.findall(r"^!(\d+) = ", text, re.M)), default=-1)
    for definition in definitions(text):
        marked, count = _marked(definition.text, number + marks)
        pieces += [text[start:definition.start], marked]
        start = definition.end
        marks += count
    if not marks:
        return text
    full = number + marks
    nodes = [f"!{index} = distinct !{{!{index}, !{full}}}\n" for index in range(number, full)]
    return "".join([*pieces, text[start:], *nodes, f'!{full} = !{{!"llvm.loop.unroll.full"}}\n'])


def _marked(function: str, number: int) -> tuple[str, int]:
    if "\n  br i1 " not in function:
        return function, 0
    blocks = _blocks(function)
    loops = []
    for latch in blocks.values():
        branch = _LATCH.match(latch.lines[-1]) if latch.lines else None
        if branch is None or "!llvm.loop" in branch["rest"]:
            continue
        for header in {branch["then"], branch["otherwise"]}:
            trips = _trips(blocks[header], latch, branch, header)
            body = _body(blocks, header, latch.name) if trips else None
            if trips and body:
                loops.append((len(body), body, latch, trips))
    copies = dict.fromkeys(blocks, 1)               # of a block, once the loops inside are unrolled
    chosen = []
    for _, body, latch, trips in sorted(loops, key=lambda loop: loop[0]):
        if trips * sum(copies[name] * len(blocks[name].lines) for name in body) <= BUDGET:
            chosen.append(latch)
            copies.update({name: trips * copies[name] for name in body})
    for offset, latch in enumerate(chosen):
        function = _replaced(function, latch, f"{latch.lines[-1]}, !llvm.loop !{number + offset}")
    return function, len(chosen)


def _replaced(function: str, latch: _Block, line: str) -> str:
    at = re.search(rf"^{re.escape(latch.name)}:", function, re.M)
    end = function.index(latch.lines[-1] + "\n", at.end() if at else 0)
    return function[:end] + line + function[end + len(latch.lines[-1]):]


def _blocks(function: str) -> dict[str, _Block]:
    """Blocks by name, in order. The first has no label if its name is the number that LLVM gave it."""
    body = function[function.index("{\n") + 2:function.rindex("}")]
    labels = list(_LABEL.finditer(body))
    starts = [(match[1], match.end()) for match in labels]
    if not labels or labels[0].start() > 0:
        starts.insert(0, ("", 0))
    ends = [match.start() for match in labels if match.start() > 0] + [len(body)]
    return {name: _Block(name, [line for line in body[start:end].splitlines() if line.startswith("  ")])
            for (name, start), end in zip(starts, ends, strict=True)}


def _body(blocks: dict[str, _Block], header: str, latch: str) -> set[str] | None:
    """The blocks of the natural loop; None if the edge from latch to header does not close one."""
    before: dict[str, list[str]] = {}
    for block in blocks.values():
        for successor in block.successors:
            before.setdefault(successor, []).append(block.name)
    entry = next(iter(blocks))
    body, work = {header}, [latch]
    while work:
        name = work.pop()
        if name not in body:
            if name == entry:
                return None
            body.add(name)
            work += before.get(name, [])
    return body


def _trips(header: _Block, latch: _Block, branch: re.Match, target: str) -> int:
    """How often the body runs, if that is a constant up to `TRIPS`; else 0."""
    test = _defined(latch, branch[1], r"icmp (?:samesign )?(\w+) i\d+ (\S+), (-?\d+)")
    if test is None:
        return 0
    again = branch["then"] == target
    for counter in re.finditer(rf"^  (%(?:{NAME})) = phi i\d+ (\[[^\n]*?\](?:, \[[^\n]*?\])*)", "\n".join(header.lines),
                               re.M):
        incoming = dict((block, value) for value, block in re.findall(rf"\[ (\S+), %({NAME}) \]", counter[2]))
        following = incoming.pop(latch.name, None)
        starts = set(incoming.values())
        step = _defined(latch, following, rf"add (?:\w+ )*i\d+ {re.escape(counter[1])}, (-?\d+)") or \
            _defined(header, following, rf"add (?:\w+ )*i\d+ {re.escape(counter[1])}, (-?\d+)")
        if step is None or test[2] not in (counter[1], following) or len(starts) != 1:
            continue
        start = starts.pop()
        if re.fullmatch(r"-?\d+", start):
            return _simulate(int(start), int(step[1]), test, test[2] == following, again)
    return 0


def _simulate(value: int, step: int, test: re.Match, after: bool, again: bool) -> int:
    holds, limit = _TESTS[test[1]], int(test[3])
    unsigned = test[1].startswith("u")
    for trips in range(1, TRIPS + 1):
        tested = value + step if after else value
        if unsigned and (tested < 0 or limit < 0):
            return 0
        if holds(tested, limit) != again:
            return trips
        value += step
    return 0


def _defined(block: _Block, name: str | None, pattern: str) -> re.Match | None:
    """What defines the value, if it matches."""
    if name is None or not name.startswith("%"):
        return None
    return re.search(rf"^  {re.escape(name)} = {pattern}", "\n".join(block.lines), re.M)
