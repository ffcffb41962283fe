"""The threads of one block: who may run, who waits for whom.

Threads run in rounds, one after another until each yields; between rounds barriers and warp operations whose threads
have all come are done. Threads that have returned take part in nothing more, as on all GPUs since Volta.

Given   `run`, which resumes threads in an order and returns when all have yielded.
Gives   a generator that yields whenever no thread can go on before other blocks do: at a grid barrier (True), or where
        all that run wait for a store of another block (False).
Unsure  raises Misuse, Deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from cuda.emulator.errors import Deadlock, Misuse
from cuda.emulator.operations import AND, COUNT, SYNCWARP
from cuda.emulator.runtime import BARRIER, DONE, GRID, PAUSE, WARP
from cuda.emulator.warps import done_together, ready_groups

WARP_SIZE = 32
WARP_EPOCHS, BLOCK_EPOCHS = 1 << 20, 1 << 20
"""An epoch is one number: barriers passed of the grid, of the block and of the warp, the last in the lowest bits."""

Order = Callable[[list[int]], list[int]]


def threads_of_block(records: np.ndarray, run: Callable[[list[int]], None], order: Order,
                     sites: list[str], name: str) -> Iterator[bool]:
    ready = list(range(len(records)))
    while True:
        run(order(ready))
        reasons = records["reason"]
        paused = np.flatnonzero(reasons == PAUSE).tolist()
        ready = released(records, sites, name, stuck=not paused)
        if ready or paused:
            if not ready:
                yield False
            ready = sorted(ready + paused)
            continue
        living = np.flatnonzero(reasons != DONE)
        if not living.size:
            return
        if not np.all(reasons[living] == GRID):
            raise Deadlock(f"block {name}: {described(records, living, sites)}")
        yield True
        grid_epoch = WARP_EPOCHS * BLOCK_EPOCHS
        records["epoch"] = (records["epoch"] // grid_epoch + 1) * grid_epoch
        ready = living.tolist()


def released(records: np.ndarray, sites: list[str], name: str, stuck: bool) -> list[int]:
    """The threads whose wait is over, with their results in place."""
    reasons = records["reason"]
    living = np.flatnonzero(reasons != DONE)
    if living.size and np.all(reasons[living] == BARRIER):
        barrier(records, living, sites, name)
        return living.tolist()
    ready: list[int] = []
    waiting = np.flatnonzero(reasons == WARP)
    for warp in np.unique(waiting // WARP_SIZE).tolist():
        first = warp * WARP_SIZE
        alive = {t - first for t in living.tolist() if first <= t < first + WARP_SIZE}
        lanes = {t - first: tuple(records["operand"][t].tolist())
                 for t in waiting.tolist() if first <= t < first + WARP_SIZE}
        for group in ready_groups(lanes, alive, stuck and not ready):
            for lane, result in done_together(group).items():
                records["result"][first + lane] = result
            if next(iter(group.values()))[0] == SYNCWARP:
                passed_together(records, first, group, alive)
            ready += [first + lane for lane in group]
    reasons[ready] = PAUSE  # no longer waiting
    return ready


def barrier(records: np.ndarray, threads: np.ndarray, sites: list[str], name: str) -> None:
    operands = records["operand"][threads]
    if len({tuple(o) for o in operands[:, :2].tolist()}) > 1 or len(np.unique(records["site"][threads])) > 1:
        raise Misuse(f"threads of block {name} wait at different barriers: {described(records, threads, sites)}")
    kind, predicates = operands[0, 0], operands[:, 2] != 0
    result = predicates.sum() if kind == COUNT else predicates.all() if kind == AND else predicates.any()
    records["result"][threads, 0] = int(result)
    records["epoch"] = (records["epoch"] // WARP_EPOCHS + 1) * WARP_EPOCHS


def passed_together(records: np.ndarray, first: int, group: dict, alive: set[int]) -> None:
    """A barrier of the whole warp orders its accesses. One of some lanes counts as none: the safe direction."""
    if alive <= group.keys():
        records["epoch"][first:first + WARP_SIZE] += 1


def described(records: np.ndarray, threads: np.ndarray, sites: list[str]) -> str:
    """Where some of the threads wait."""
    places: dict[str, list[int]] = {}
    for t in threads.tolist():
        reason = records["reason"][t]
        place = {WARP: "a warp operation", GRID: "the grid's barrier"}.get(reason) or sites[records["site"][t]]
        places.setdefault(place, []).append(t)
    return "; ".join(f"threads {', '.join(map(str, ts[:4]))}{' ...' if len(ts) > 4 else ''} at {place}"
                     for place, ts in places.items())
