"""Races, from the notes of all accesses.

Two accesses *conflict* if they share a byte, different threads make them, one writes, and not both are atomic (1). They
are *ordered* if a barrier lies between them: of the block if both are of one block (2), of the warp if both are of one
warp (3), of the grid (4). A conflict that is not ordered is a race.

Given   notes of one launch, as rows of NOTE.
Gives   the first race found, or None.
Unsure  means a race: partial warp barriers and fences order nothing here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from cuda.emulator.blocks import BLOCK_EPOCHS, WARP_EPOCHS, WARP_SIZE
from cuda.emulator.dialect import ATOMIC, ATOMIC_READ, READ, WRITE


class Access(NamedTuple):
    address: int
    size: int
    kind: int
    site: int
    thread: int
    """Counted over the grid."""
    block: int
    epoch: int


def compressed(notes: np.ndarray) -> np.ndarray:
    """Each different note once, told apart by 64-bit hashes: sorting whole rows is many times slower."""
    hashes = np.zeros(len(notes), np.uint64)
    for name in notes.dtype.names:
        hashes = (hashes ^ notes[name].view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> np.uint64(29)
    return notes[np.unique(hashes, return_index=True)[1]]


def found(notes: np.ndarray, threads_per_block: int, shared: list[tuple[int, int]]) -> tuple[Access, Access] | None:
    """Two accesses that race. `shared` are the extents of shared memory: each block has its own."""
    if not notes.size:
        return None
    grains, rows = in_grains(notes)
    block = rows["thread"] // threads_per_block
    of_block = np.zeros(len(rows), bool)
    for low, high in shared:
        of_block |= (rows["address"] >= low) & (rows["address"] < high)
    between_blocks = ~of_block
    return (race_in_groups(rows, [grains, block, rows["epoch"] // WARP_EPOCHS], rows["thread"], threads_per_block)
            or race_in_groups(rows[between_blocks],
                              [grains[between_blocks], rows["epoch"][between_blocks] // (WARP_EPOCHS * BLOCK_EPOCHS)],
                              block[between_blocks], threads_per_block, between_blocks=True))


def in_grains(notes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each note repeated for the grains that it covers; a grain is the largest power of two that all are made of."""
    mixed = int(np.bitwise_or.reduce(notes["address"] | notes["size"]))
    grain = min(mixed & -mixed, 16) or 1
    counts = np.maximum(notes["size"] // grain, 1)
    rows = np.repeat(notes, counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows["address"] // grain + within, rows


def race_in_groups(rows: np.ndarray, keys: list[np.ndarray], who: np.ndarray, threads_per_block: int,
                   between_blocks: bool = False) -> tuple[Access, Access] | None:
    """A race inside a group of rows with equal keys; `who` must differ in a group for it to be worth a closer look."""
    if not len(rows):
        return None
    order = np.lexsort(keys)
    change = np.zeros(len(rows), bool)
    change[0] = True
    for key in keys:
        change[1:] |= np.diff(key[order]) != 0
    starts = np.flatnonzero(change)
    kind, who = rows["what"][order] & 255, who[order]
    several = np.minimum.reduceat(who, starts) != np.maximum.reduceat(who, starts)
    written = np.logical_or.reduceat((kind == WRITE) | (kind == ATOMIC), starts)
    plain = np.logical_or.reduceat((kind == READ) | (kind == WRITE), starts)
    ends = np.append(starts[1:], len(rows))
    for group in np.flatnonzero(several & written & plain):
        accesses = [access(row, threads_per_block) for row in rows[order[starts[group]:ends[group]]].tolist()]
        for a in accesses:
            for b in accesses:
                if conflict(a, b) and not same_warp_ordered(a, b, threads_per_block) \
                        and (not between_blocks or a.block != b.block):
                    return a, b
    return None


def access(row: tuple, threads_per_block: int) -> Access:
    address, size, what, thread, epoch = row
    return Access(address, size, what & 255, what >> 8, thread, thread // threads_per_block, epoch)


def conflict(a: Access, b: Access) -> bool:
    """(1), of accesses to the same grain."""
    atomic = (ATOMIC, ATOMIC_READ)
    return (a.thread != b.thread and (a.kind in (WRITE, ATOMIC) or b.kind in (WRITE, ATOMIC))
            and not (a.kind in atomic and b.kind in atomic))


def same_warp_ordered(a: Access, b: Access, threads_per_block: int) -> bool:
    """(3)"""
    warp_a, warp_b = (x.thread % threads_per_block // WARP_SIZE for x in (a, b))
    return a.block == b.block and warp_a == warp_b and a.epoch != b.epoch
