"""Cuts a failing program down: leaves out what can be left out while it still fails in the same way.

Delta debugging on the tree of statements (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
2002, with single statements as the units): whole functions, then statements from the end, then heads around bodies.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace

from fuzz.code import Program, Statement


def shrunk(program: Program, fails: Callable[[Program], bool], tries: int = 300) -> Program:
    """`fails` must be true for the program; it is asked at most `tries` times."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(program):
            tries -= 1
            if tries < 0:
                return program
            if fails(candidate):
                program, smaller = candidate, True
                break
    return program


def _smaller(program: Program) -> Iterator[Program]:
    """Programs with one part less, the largest parts first."""
    for k in range(len(program.functions) - 1):
        yield replace(program, functions=[f for j, f in enumerate(program.functions) if j != k])
    places = sorted(_places(program), key=lambda place: -_size(_at(program, place)))
    for place in places:
        statement = _at(program, place)
        if statement.body and not statement.head.startswith("def "):
            yield _replaced(program, place, statement.body)
        if statement.more:
            yield _replaced(program, place, [Statement(statement.head, statement.body)])
        if not statement.head.startswith("return") or len(place) > 2:
            yield _replaced(program, place, [])


Place = tuple[int, ...]


def _places(program: Program) -> Iterator[Place]:
    """Of every statement in a body: the function, then the indices on the way; those of `more` count from -1 down."""
    def walk(statement: Statement, place: Place) -> Iterator[Place]:
        for k, inner in enumerate(statement.body):
            yield (*place, k)
            yield from walk(inner, (*place, k))
        for k, other in enumerate(statement.more):
            yield from walk(other, (*place, -1 - k))
    for k, function in enumerate(program.functions):
        yield from walk(function, (k,))


def _at(program: Program, place: Place) -> Statement:
    statement = program.functions[place[0]]
    for k in place[1:]:
        statement = statement.body[k] if k >= 0 else statement.more[-1 - k]
    return statement


def _replaced(program: Program, place: Place, statements: list[Statement]) -> Program:
    twin = copy.deepcopy(program)
    body = _at(twin, place[:-1]).body
    body[place[-1]:place[-1] + 1] = copy.deepcopy(statements)
    return twin


def _size(statement: Statement) -> int:
    return 1 + sum(map(_size, [*statement.body, *statement.more]))
