"""The fence for code that many threads run at once.

Given   Facts of a kernel.   Gives   nothing, or raises `Refusal` as `fence` does.
Unsure  refuses: a barrier that a thread might miss, additions that would have to be atomic and are not.
"""

from __future__ import annotations

from numbad.passes.analysis.uniformity import Uniformity
from numbad.passes.derivative.facts import Facts
from numbad.passes.diagnostics import refuse
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Call
from numbad.passes.rules import memory as effects


def check_threads(facts: Facts) -> None:
    for function in facts.functions:
        calls = [i for block in facts.live[function] for i in block.instructions if isinstance(i, Call)]
        _check_meetings(facts, function, calls)
        for call in calls:
            if isinstance(effects.effect_of(call), effects.Copy):
                _check_copy(facts, call)


def _check_meetings(facts: Facts, function: Function, calls: list[Call]) -> None:
    """Where all threads of a block wait for each other, all must come: in the reverse sweep they wait again, and the
    threads that passed by would not know when."""
    meetings = [i for i in calls if isinstance(effect := effects.effect_of(i), effects.Synchronise) and effect.block]
    if not meetings:
        return
    if function is not facts.entry:
        raise refuse("unsupported", "a barrier in a function that is called", "keep it in the kernel", meetings[0])
    divergent = Uniformity(function, facts.live[function], facts.memory).divergent_blocks
    for i in meetings:
        if i.block in divergent:
            raise refuse("unsupported", "a barrier that not all threads of a block may come to (a branch, a loop or a "
                         "return before it depends on the thread, or on memory that the kernel writes)",
                         "let all threads come to it, and test inside of what is between the barriers", i)


def _check_copy(facts: Facts, i: Call) -> None:
    if facts.activity.is_active_memory(i.arguments[0]) and facts.activity.is_active_memory(i.arguments[1]) \
            and facts.is_seen_by_others(i.arguments[1]):
        raise refuse("unsupported", "a copy of memory that other threads may be at", "copy element by element", i)
