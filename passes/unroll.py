"""Tell LLVM which tiny loops to unroll during preparation, and to leave all others alone.

Given   LLVM text as LLVM prints it, with loops in canonical form: one latch, the test at the end of the body.
Gives   `mark`: the text with a mark on every loop; `unmark`: the text without marks.
Unsure  means leave the loop alone.

    header:                                                header:
      %i = phi i64 [ 0, %before ], [ %next, %header ]        ...
      ...                                            ->
      %next = add i64 %i, 1
      %more = icmp slt i64 %next, 3
      br i1 %more, label %header, label %after               br i1 %more, label %header, label %after, !llvm.loop !7

A loop over the three components of a vector is straight-line code in disguise: unrolled, its values stay in registers
in both sweeps, and indexing a tuple is free. Left alone, indexing a tuple is a `switch` that LLVM folds into the loop's
exit test. Other loops are left alone because every copy of their bodies would be differentiated again.
"""
from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field

from numbad.passes.text import NAME, definitions

TRIPS = 8
"""Iterations up to which a loop is unrolled."""
BUDGET = 400
"""Instructions up to which the unrolled loop may grow, counted before simplification."""

_LABEL = re.compile(rf"^({NAME}):.*$", re.M)
_TARGET = re.compile(rf"label %({NAME})")
_LATCH = re.compile(rf"  br i1 (?P<test>%(?:{NAME})), label %(?P<then>{NAME}), label %(?:{NAME})")
_MARK = re.compile(r", !llvm\.loop !\d+")
_TESTS = {"eq": operator.eq, "ne": operator.ne, "slt": operator.lt, "sle": operator.le, "sgt": operator.gt,
          "sge": operator.ge, "ult": operator.lt, "ule": operator.le, "ugt": operator.gt, "uge": operator.ge}


@dataclass
class _Block:
    name: str
    text: str
    end: int
    """Where the terminator ends in the function's text."""
    successors: list[str] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        switch = self.text.rfind("\n  switch ")         # spans lines, unlike other terminators
        start = switch if switch >= 0 else self.text.rfind("\n  ")
        self.successors = _TARGET.findall(self.text, max(start, 0))
        self.size = self.text.count("\n  ")


def mark(text: str) -> str:
    """Mark the loops for LLVM's unrolling pass."""
    text = unmark(text)
    number = 1 + max(map(int, re.findall(r"^!(\d+) = ", text, re.M)), default=-1)
    unroll, keep = number, number + 1
    nodes = [f'!{unroll} = !{{!"llvm.loop.unroll.full"}}\n', f'!{keep} = !{{!"llvm.loop.unroll.disable"}}\n']
    pieces, start = [], 0
    for definition in definitions(text):
        for end, is_tiny in sorted(_loops(definition.text)):
            node = number + len(nodes)
            nodes.append(f"!{node} = distinct !{{!{node}, !{unroll if is_tiny else keep}}}\n")
            pieces += [text[start:definition.start + end], f", !llvm.loop !{node}"]
            start = definition.start + end
    return "".join([*pieces, text[start:], *nodes])


def unmark(text: str) -> str:
    return _MARK.sub("", text)


def _loops(function: str) -> list[tuple[int, bool]]:
    """For every loop, where its latch ends, and whether the loop is to be unrolled."""
    blocks = _blocks(function)
    edges = _back_edges(blocks)
    counted = []
    for latch, header in edges:
        trips = _trips(blocks[header], blocks[latch])
        body = _body(blocks, header, latch) if trips > 1 else None      # LLVM drops a loop of one iteration anyway
        if body:
            counted.append((len(body), body, latch, trips))
    copies = dict.fromkeys(blocks, 1)               # of a block, once the loops inside are unrolled
    tiny = set()
    for _, body, latch, trips in sorted(counted, key=lambda loop: loop[0]):
        if trips * sum(copies[name] * blocks[name].size for name in body) <= BUDGET:
            tiny.add(latch)
            copies.update({name: trips * copies[name] for name in body})
    return [(blocks[latch].end, latch in tiny) for latch in dict.fromkeys(latch for latch, _ in edges)]


def _blocks(function: str) -> dict[str, _Block]:
    """Blocks by name, in order. The first has no label if LLVM numbered it."""
    first = function.index("{\n") + 1
    labels = list(_LABEL.finditer(function, first))
    starts = [(match[1], match.end()) for match in labels]
    if not labels or function[first:labels[0].start()].strip():
        starts.insert(0, ("", first))
    ends = [match.start() for match in labels[-len(starts) + 1:]] if len(starts) > 1 else []
    blocks = {}
    for (name, start), end in zip(starts, [*ends, len(function) - 1], strict=True):
        text = function[start:end].rstrip()
        blocks[name] = _Block(name, text, start + len(text))
    return blocks


def _back_edges(blocks: dict[str, _Block]) -> list[tuple[str, str]]:
    """The edges (latch, header) that close a cycle, by a walk in depth."""
    entry = next(iter(blocks))
    edges, seen, path = [], {entry}, {entry}
    stack = [(entry, iter(blocks[entry].successors))]
    while stack:
        name, successors = stack[-1]
        following = next(successors, None)
        if following is None:
            path.discard(name)
            stack.pop()
        elif following in path:
            edges.append((name, following))
        elif following not in seen:
            seen.add(following)
            path.add(following)
            stack.append((following, iter(blocks[following].successors)))
    return edges


def _body(blocks: dict[str, _Block], header: str, latch: str) -> set[str] | None:
    """The blocks of the natural loop; None if the header can be passed by."""
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


def _trips(header: _Block, latch: _Block) -> int:
    """How often the body runs, if that is a constant up to `TRIPS`; else 0."""
    branch = _LATCH.match(latch.text.rpartition("\n")[2])
    test = _defined(latch, branch["test"], r"icmp (?:samesign )?(\w+) i\d+ (\S+), (-?\d+)") if branch else None
    if not branch or not test:
        return 0
    for counter in re.finditer(rf"^  (%(?:{NAME})) = phi i\d+ (\[.*)$", header.text, re.M):
        incoming = {block: value for value, block in re.findall(rf"\[ (\S+), %({NAME}) \]", counter[2])}
        following = incoming.pop(latch.name, "")
        increment = rf"add (?:\w+ )*i\d+ {re.escape(counter[1])}, (-?\d+)"
        step = _defined(latch, following, increment) or _defined(header, following, increment)
        starts = set(incoming.values())
        if step and len(starts) == 1 and test[2] in (counter[1], following):
            start = starts.pop()
            if re.fullmatch(r"-?\d+", start):
                return _simulated(int(start), int(step[1]), test, test[2] == following, branch["then"] == header.name)
    return 0


def _simulated(value: int, step: int, test: re.Match, after: bool, again: bool) -> int:
    holds, limit = _TESTS[test[1]], int(test[3])
    for trips in range(1, TRIPS + 1):
        tested = value + step if after else value
        if test[1].startswith("u") and (tested < 0 or limit < 0):
            return 0
        if holds(tested, limit) != again:
            return trips
        value += step
    return 0


def _defined(block: _Block, name: str, pattern: str) -> re.Match | None:
    """What defines the value, if it matches."""
    return re.search(rf"^  {re.escape(name)} = {pattern}", block.text, re.M) if name.startswith("%") else None
