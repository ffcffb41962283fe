"""Loops of a few iterations, whose records lie in arrays on the function's own stack.

    for k in range(40):                     kept: [40 x double]     forward  kept[k] = x[i]
        x[i] = math.sin(x[i])                                       reverse  ... kept[k]

An array for each item, indexed by the iteration: nothing is pushed, nothing can be too short, and where LLVM unrolls
the loop in both sweeps the array becomes registers. On a GPU the stack of a thread is memory beside that of the other
threads, word by word, which the cache of the multiprocessor holds and which no launch has to bring along.

Given   what each iteration of each loop keeps, the constant trip counts, how many bytes there may be in all.
Gives   `constant_runs`: how often the body of a loop runs in one call; `own_arrays`: the loops that are chosen, with
        that number. The smaller ones come first.
Unsure  is None, and not chosen: a trip count that is not constant, of the loop or of one around it.
"""

from __future__ import annotations

from collections.abc import Mapping

from numbad.passes.analysis.loops import Loop


def constant_runs(loop: Loop, trips: Mapping[Loop, int]) -> int | None:
    """Exact but for loops that some paths leave out: these run less often."""
    runs = 1
    for around in loop.nest:
        if around not in trips:
            return None
        runs *= trips[around]
    return runs


def own_arrays(kept: Mapping[Loop, int], trips: Mapping[Loop, int], room: int) -> dict[Loop, int]:
    """`kept`: bytes that each iteration keeps, by loop; `trips`: those that are constant."""
    counted = [(bytes * runs, loop, runs) for loop, bytes in kept.items()
               if bytes and (runs := constant_runs(loop, trips)) is not None]
    chosen = {}
    for bytes, loop, runs in sorted(counted, key=lambda found: found[0]):
        if bytes <= room:
            room -= bytes
            chosen[loop] = runs
    return chosen
