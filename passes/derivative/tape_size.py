"""How much tape a thread of a kernel needs, as far as it is known before it runs.

Given   the plans of a kernel and of the functions that it calls.
Gives   `TapeSize.words`: the number of words, where all loops that keep something have constant trip counts;
        `TapeSize.follows_data`: whether it may depend on what memory holds, and not only on the numbers among the
        kernel's arguments and on where the thread is.
Unsure  is None and True: the size is then measured before each launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numbad.passes.derivative.facts import Facts
from numbad.passes.derivative.own_arrays import constant_runs
from numbad.passes.derivative.plan import Plan
from numbad.passes.ir.instructions import AtomicRMW, Call, Instruction, Load
from numbad.passes.ir.values import Value
from numbad.passes.rules.decisions import Elementary, Inactive
from numbad.passes.rules.symbols import classify


@dataclass(frozen=True)
class TapeSize:
    words: int | None
    follows_data: bool


def tape_size(facts: Facts, plans: Sequence[Plan]) -> TapeSize:
    """`plans`: that of the kernel alone gives a constant; called functions may be called any number of times."""
    words = _constant_words(plans[0]) if len(plans) == 1 else None
    return TapeSize(words, words is None and _follows_data(facts))


def _constant_words(plan: Plan) -> int | None:
    total = 0
    for loop, record in plan.layout.records.items():
        if loop is None or not record.size:  # what is kept once stays on the stack
            continue
        runs = constant_runs(loop, plan.trips)
        if runs is None:
            return None
        total += runs * record.size // 8
    return total


def _follows_data(facts: Facts) -> bool:
    """Some branch is decided by what was read from memory, or by what a call gives that is not known."""
    tainted: set[Value] = set()
    work: list[Instruction] = [i for f in facts.functions for i in f.instructions if _reads_data(facts, i)]
    while work:
        i = work.pop()
        if i.opcode in ("br", "switch"):
            return True
        if i not in tainted:
            tainted.add(i)
            work += i.users
    return False


def _reads_data(facts: Facts, i: Instruction) -> bool:
    if isinstance(i, Call):
        if facts.callee(i) is not None:
            return True
        decision = classify(i)
        return not (isinstance(decision, Elementary) or (isinstance(decision, Inactive) and decision.repeatable))
    return isinstance(i, (Load, AtomicRMW)) or i.opcode == "cmpxchg"
