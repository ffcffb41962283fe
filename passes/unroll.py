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
from dataclasses import dataclass

from numbad.passes.text import (
    BOUNDED,
    COUNTER,
    INCOMING,
    INTEGER,
    LATCH,
    LOOP_MARK,
    STATE,
    TEST,
    Block,
    blocks_of,
    definitions,
    first_free_node,
    is_only_added_to,
    meets_others,
    step_of,
)


@dataclass(frozen=True)
class Limits:
    """
    trips   iterations up to which a loop is unrolled
    size    instructions up to which the unrolled loop may grow, counted before simplification
    """

    trips: int
    size: int


FEW = Limits(8, 400)
MANY = Limits(32, 1600)
"""For GPUs: what a thread does not index stays in its registers, and memory is the slowest thing there."""


GROUP = 8
"""Iterations of a recurrence that a GPU keeps one state for, and computes again from that in registers."""

_ALL, _NONE = '!"llvm.loop.unroll.full"', '!"llvm.loop.unroll.disable"'
_GROUP = f'!"llvm.loop.unroll.count", i32 {GROUP}'

_TESTS = {"eq": operator.eq, "ne": operator.ne, "slt": operator.lt, "sle": operator.le, "sgt": operator.gt,
          "sge": operator.ge, "ult": operator.lt, "ule": operator.le, "ugt": operator.gt, "uge": operator.ge}

_STEPS = {"add": operator.add, "mul": operator.mul, "shl": operator.lshift, "lshr": operator.rshift,
          "ashr": operator.rshift, "udiv": operator.floordiv, "sdiv": operator.floordiv}


def mark(text: str, limits: Limits = FEW, in_groups: bool = False) -> str:
    """Mark the loops for LLVM's unrolling pass. `in_groups`: and those of which it is to unroll some iterations."""
    text = unmark(text)
    number = first_free_node(text)
    wishes = {_ALL: number, _NONE: number + 1, _GROUP: number + 2}
    nodes = [f"!{node} = !{{{wish}}}\n" for wish, node in wishes.items()]
    pieces, start = [], 0
    for definition in definitions(text):
        for end, wish in sorted(_loops(definition.text, limits, in_groups)):
            node = number + len(nodes)
            nodes.append(f"!{node} = distinct !{{!{node}, !{wishes[wish]}}}\n")
            pieces += [text[start:definition.start + end], f", !llvm.loop !{node}"]
            start = definition.start + end
    return "".join([*pieces, text[start:], *nodes])


def unmark(text: str) -> str:
    return LOOP_MARK.sub("", text)


def _loops(function: str, limits: Limits, in_groups: bool) -> list[tuple[int, str]]:
    """For every loop, where its latch ends, and how the loop is to be unrolled."""
    blocks = blocks_of(function)
    edges = _back_edges(blocks)
    counted = []
    for latch, header in edges:
        trips = _trips(blocks[header], blocks[latch], limits.trips)
        body = _body(blocks, header, latch) if trips > 1 else None      # LLVM drops a loop of one iteration anyway
        if body:
            counted.append((len(body), body, latch, trips))
    copies = dict.fromkeys(blocks, 1)               # of a block, once the loops inside are unrolled
    tiny = set()
    for _, body, latch, trips in sorted(counted, key=lambda loop: loop[0]):
        if trips * sum(copies[name] * blocks[name].size for name in body) <= limits.size:
            tiny.add(latch)
            copies.update({name: trips * copies[name] for name in body})
    groups = {latch for latch, header in edges if in_groups and latch not in tiny
              and _carries_state(blocks, edges, header, latch)}
    return [(blocks[latch].end, _ALL if latch in tiny else _GROUP if latch in groups else _NONE)
            for latch in dict.fromkeys(latch for latch, _ in edges)]


def _carries_state(blocks: dict[str, Block], edges: list[tuple[str, str]], header: str, latch: str) -> bool:
    """A counted innermost loop without calls that threads meet at, in which a number of the last iteration does more
    than being added to."""
    body = _body(blocks, header, latch)
    if body is None or any(other in body for _, other in edges if other != header):
        return False
    text = "".join(blocks[name].text for name in body)
    exits = [name for name in body if any(s not in body for s in blocks[name].successors)]
    if exits != [latch] or sum(blocks[name].size for name in body) * GROUP > FEW.size or meets_others(text):
        return False
    return _is_counted(blocks[header], blocks[latch]) and any(
        not is_only_added_to(state, text) for state in STATE.findall(blocks[header].text))


def _is_counted(header: Block, latch: Block) -> bool:
    """The loop goes on by a test of a counter that is stepped by a constant."""
    branch = LATCH.match(latch.text.rpartition("\n")[2])
    test = latch.defined(branch["test"], BOUNDED) if branch else None
    if not test:
        return False
    for counter in COUNTER.finditer(header.text):
        following = {block: value for value, block in INCOMING.findall(counter["incoming"])}.get(latch.name, "")
        increment = step_of(counter["name"])
        step = latch.defined(following, increment) or header.defined(following, increment)
        if step and step["operation"] == "add" and test["value"] in (counter["name"], following):
            return True
    return False


def _back_edges(blocks: dict[str, Block]) -> list[tuple[str, str]]:
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


def _body(blocks: dict[str, Block], header: str, latch: str) -> set[str] | None:
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


def _trips(header: Block, latch: Block, most: int) -> int:
    """How often the body runs, if that is a constant up to `most`; else 0."""
    branch = LATCH.match(latch.text.rpartition("\n")[2])
    test = latch.defined(branch["test"], TEST) if branch else None
    if not branch or not test:
        return 0
    for counter in COUNTER.finditer(header.text):
        incoming = {block: value for value, block in INCOMING.findall(counter["incoming"])}
        following = incoming.pop(latch.name, "")
        increment = step_of(counter["name"])
        step = latch.defined(following, increment) or header.defined(following, increment)
        starts = set(incoming.values())
        if step and len(starts) == 1 and test["value"] in (counter["name"], following):
            start = starts.pop()
            if INTEGER.fullmatch(start):
                return _simulated(int(start), step["operation"], int(step["step"]), test["test"], int(test["limit"]),
                                  test["value"] == following, branch["then"] == header.name, most)
    return 0


def _simulated(value: int, operation: str, step: int, test: str, limit: int, after: bool, again: bool,
               most: int) -> int:
    """The iterations; 0 where a test or a step might take a number for unsigned, or overflow."""
    if operation != "add" and step <= 0:
        return 0
    for trips in range(1, most + 1):
        following = _STEPS[operation](value, step)
        tested = following if after else value
        if (operation != "add" or test.startswith("u")) and (min(value, tested, limit) < 0 or following >= 1 << 31):
            return 0
        if _TESTS[test](tested, limit) != again:
            return trips
        value = following
    return 0
