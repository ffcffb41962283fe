"""The fence for code that many threads run at once.

Given   Facts of a kernel.   Gives   nothing, or raises `Refusal` as `fence` does.
Unsure  refuses: a barrier that a thread might miss, operations of a warp whose mask may name lanes that have returned,
        additions that would have to be atomic and are not.
"""

from __future__ import annotations

from numbad.passes.analysis.uniformity import Uniformity
from numbad.passes.derivative.facts import Facts
from numbad.passes.diagnostics import refuse
from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Call, Compare, Instruction
from numbad.passes.ir.values import ConstantInt, Value
from numbad.passes.rules import memory as effects
from numbad.passes.rules.threads import OF_A_WARP


def check_threads(facts: Facts) -> None:
    calls_of = {f: [i for block in facts.live[f] for i in block.instructions if isinstance(i, Call)]
                for f in facts.functions}
    together = _of_warps(facts, calls_of)
    for function, calls in calls_of.items():
        parting = Uniformity(function, facts.live[function], facts.memory, function is facts.entry)
        _check_meetings(facts, function, calls, parting)
        if facts.task.mode == "reverse":
            _check_warps(facts, function, [i for i in calls if i in together], parting)
        for call in calls:
            if isinstance(effects.effect_of(call), effects.Copy):
                _check_copy(facts, call)


def _check_meetings(facts: Facts, function: Function, calls: list[Call], parting: Uniformity) -> None:
    """Where all threads of a block wait for each other, all must come: in the reverse sweep they wait again, and the
    threads that passed by would not know when."""
    meetings = [i for i in calls if isinstance(effect := effects.effect_of(i), effects.Synchronise) and effect.block]
    if not meetings:
        return
    if function is not facts.entry:
        raise refuse("unsupported", "a barrier in a function that is called", "keep it in the kernel", meetings[0])
    for i in meetings:
        if i.block in parting.divergent_blocks:
            raise refuse("unsupported", "a barrier that not all threads of a block may come to (a branch, a loop or a "
                         "return before it depends on the thread, or on memory that the kernel writes)",
                         "let all threads come to it, and test inside of what is between the barriers", i)


def _of_warps(facts: Facts, calls: dict[Function, list[Call]]) -> set[Call]:
    """What the lanes of a warp do together, and calls of functions in which they do."""
    found = {i for mine in calls.values() for i in mine if (i.callee_name or "").startswith(OF_A_WARP)}
    before = -1
    while before != len(found):
        before = len(found)
        busy = {function for function, mine in calls.items() if not found.isdisjoint(mine)}
        found |= {i for mine in calls.values() for i in mine if facts.callee(i) in busy}
    return found


def _check_warps(facts: Facts, function: Function, together: list[Call], parting: Uniformity) -> None:
    """Lanes that a mask names may have returned; then the others do not wait for them. In the derivative these lanes
    go back: if they meet lanes of their warp there, at an operation before that branch, both wait for each other."""
    mirrored = {i.block for i in together if _is_mirrored(facts, i)}
    headers = {loop.header for loop in facts.loops[function].loops}
    for block in facts.live[function]:
        branch = block.terminator
        if not mirrored or branch.opcode not in ("br", "switch") or not branch.operands:
            continue
        condition = branch.operands[0]
        if not parting.differs_there(condition, headers) or _is_same_in_warps(facts, condition, parting):
            continue
        between = parting.between(block)
        for i in together:
            if i.block in between and _names_all(i) and any(_leads_to(m, block) for m in mirrored if m is not None):
                raise refuse("unsupported", "an operation of a warp that some of its lanes do not come to, after they "
                             "have met the others before", "let all lanes come to it, or give the mask of those that "
                             "do (ballot_sync before the branch)", i)


def _leads_to(start: Block, end: Block) -> bool:
    seen, work = {start}, [start]
    while work:
        block = work.pop()
        if block is end:
            return True
        work += [s for s in block.successors if s not in seen]
        seen |= set(block.successors)
    return False


def _is_mirrored(facts: Facts, i: Call) -> bool:
    effect = effects.effect_of(i)
    if isinstance(effect, effects.Shuffle):
        return facts.activity.is_active(i)
    return facts.callee(i) is not None or (isinstance(effect, effects.Synchronise) and facts.has_active_memory)


def _names_all(i: Call) -> bool:
    mask = i.arguments[0] if i.arguments else None
    return not (i.callee_name or "").startswith(OF_A_WARP) or (isinstance(mask, ConstantInt) and mask.value == -1)


def _is_same_in_warps(facts: Facts, condition: Value, parting: Uniformity) -> bool:
    """A test of which warp it is: the thread's number against a multiple of 32, in a block of one dimension; or one
    that is the same for all threads, or made of such tests."""
    if condition not in parting.divergent_values:
        return True
    if isinstance(condition, Instruction) and condition.opcode in ("and", "or", "xor", "select", "freeze"):
        return all(_is_same_in_warps(facts, part, parting) for part in condition.operands)
    if not facts.task.in_a_row or not isinstance(condition, Compare):
        return False
    left, right = condition.operands
    if isinstance(left, Instruction) and left.opcode in ("zext", "sext"):
        left = left.operands[0]
    number = isinstance(left, Call) and left.callee_name == "llvm.nvvm.read.ptx.sreg.tid.x"
    inclusive = condition.predicate in ("ugt", "sgt", "ule", "sle")
    return number and isinstance(right, ConstantInt) and (right.value + inclusive) % 32 == 0 \
        and condition.predicate not in ("eq", "ne")


def _check_copy(facts: Facts, i: Call) -> None:
    if facts.activity.is_active_memory(i.arguments[0]) and facts.activity.is_active_memory(i.arguments[1]) \
            and facts.is_seen_by_others(i.arguments[1]):
        raise refuse("unsupported", "a copy of memory that other threads may be at", "copy element by element", i)
