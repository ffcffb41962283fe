"""How functions end, and which of their ends matter: Numba's status convention, exceptions that somebody catches.

A function in the convention returns a status code: its result is there (a *normal* return), or it raises. Where a
caller can go on after an exception of a function, this function is *caught*, and then what it did before it raised
belongs to the computation like everything else.

Given   the functions of one call graph, in canonical form (`canonical`: each return has one outcome), the entry first.
Gives   `caught`: the functions after whose exceptions the entry may still return normally. `returns`, `live_blocks`:
        the returns of a function that matter, and the blocks that lead to one of them.
Unsure  means caught: then more is differentiated than has to be.
"""

from __future__ import annotations

from collections.abc import Sequence

from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Branch, Call, Compare, Instruction, Switch
from numbad.passes.ir.types import I32, PointerType
from numbad.passes.ir.values import ConstantInt, Value

NORMAL = (0, -2)  # the status codes of a normal return: success, and None of an Optional


def returns_status(function: Function) -> bool:
    """Numba's convention: a status code is returned, the first two parameters are the slots of result and exception."""
    parameters = function.signature.parameters
    return (function.signature.result == I32 and len(parameters) >= 2
            and all(isinstance(p, PointerType) for p in parameters[:2]))


def is_normal_return(block: Block) -> bool:
    """The block returns, and what it returns is a result."""
    terminator = block.terminator
    if terminator.opcode != "ret":
        return False
    if not returns_status(block.function):  # type: ignore[arg-type]
        return True
    status = terminator.operands[0]
    return isinstance(status, ConstantInt) and status.value in NORMAL


def returns(function: Function, caught: bool) -> list[Block]:
    """The returns that matter: the normal ones, and the exceptions of a function that is caught."""
    return [b for b in function.blocks if is_normal_return(b) or (caught and b.terminator.opcode == "ret")]


def live_blocks(function: Function, caught: bool) -> list[Block]:
    """Blocks from which a return that matters can be reached, in the function's order."""
    found = set(returns(function, caught))
    work = list(found)
    while work:
        for predecessor in work.pop().predecessors:
            if predecessor not in found:
                found.add(predecessor)
                work.append(predecessor)
    return [b for b in function.blocks if b in found]


def caught(functions: Sequence[Function]) -> set[Function]:
    """The functions that some caller goes on after when they raise. Nobody goes on after the entry, unless it is
    called by the others."""
    by_name = {f.name: f for f in functions}
    calls = [(i, callee) for f in functions for i in f.instructions
             if isinstance(i, Call) and (callee := by_name.get(i.callee_name or "")) and returns_status(callee)]
    found: set[Function] = set()
    size = -1
    while size != len(found):  # a caller that raises in turn matters if it is caught itself
        size = len(found)
        found |= {callee for call, callee in calls if callee not in found and _goes_on(call, call.function in found)}
    return found


def _goes_on(call: Call, is_caught: bool) -> bool:
    """A return that matters can be reached from the call when it has raised."""
    assert call.block is not None
    seen: set[Block] = set()
    work = [call.block]
    while work:
        block = work.pop()
        if is_normal_return(block) or (is_caught and block.terminator.opcode == "ret"):
            return True
        for successor in _successors(block.terminator, call):
            if successor is call.block:
                return True  # the call may come again, and return
            if successor not in seen:
                seen.add(successor)
                work.append(successor)
    return False


def _successors(terminator: Instruction, call: Call) -> list[Block]:
    """Where a block may lead after `call` has raised."""
    if isinstance(terminator, Branch) and terminator.is_conditional:
        condition, yes, no = terminator.operands
        holds = _holds(condition, call)
        return [b for b, way in ((yes, True), (no, False)) if holds in (way, None)]  # type: ignore[misc]
    if isinstance(terminator, Switch) and terminator.operands[0] is call:
        default = terminator.operands[1]
        return [default, *(b for code, b in terminator.cases if _raises(code))]  # type: ignore[list-item]
    return terminator.successors


def _raises(code: Value) -> bool:
    return not (isinstance(code, ConstantInt) and code.value in NORMAL)


def _holds(condition: Value, call: Call) -> bool | None:
    """What a condition is once the call has raised, None if that is not known."""
    if isinstance(condition, ConstantInt):
        return bool(condition.value)
    if isinstance(condition, Compare) and condition.predicate in ("eq", "ne") and condition.operands[0] is call:
        return None if _raises(condition.operands[1]) else condition.predicate == "ne"
    if isinstance(condition, Instruction) and condition.opcode in ("and", "or", "xor"):
        left, right = (_holds(o, call) for o in condition.operands)
        if condition.opcode == "xor":
            return None if None in (left, right) else left != right
        decisive = condition.opcode == "or"
        if decisive in (left, right):
            return decisive
        return None if None in (left, right) else not decisive
    return None
