"""What the lanes of a warp get from an operation that they do together, by PTX's definition.

Given   the operands of the lanes that take part, by lane: what the IR passed, with the operation's kind first.
Gives   the result of each of those lanes, and its predicate where there is one.
Unsure  raises Misuse where PTX leaves the operation undefined, but a value that is undefined is POISON and no error:
        kernels read a lane that is not there and throw the result away.
"""

from __future__ import annotations

from cuda.emulator.errors import Misuse
from cuda.emulator.operations import (
    ACTIVE,
    ALL,
    ANY,
    BUTTERFLY,
    DOWN,
    IDX,
    MATCH_ALL,
    MATCH_ANY,
    SHUFFLE,
    SYNCWARP,
    UNIFORM,
    UP,
    VOTE,
)

POISON = 0x7FF7DEAD
"""A NaN both as float32 and as the upper half of a float64."""

FULL = 0xFFFFFFFF
Lanes = dict[int, tuple[int, ...]]
Results = dict[int, tuple[int, int]]


def mask_of(operands: tuple[int, ...]) -> int:
    """The lanes that an operation names; ACTIVE names none."""
    return operands[1] & FULL


def done_together(lanes: Lanes) -> Results:
    """The results of lanes that all wait at the same operation with the same mask."""
    kind = next(iter(lanes.values()))[0]
    if kind == ACTIVE:
        return {lane: (bits(lanes), 0) for lane in lanes}
    mask = mask_of(next(iter(lanes.values())))
    if kind == SHUFFLE:
        return {lane: shuffled(lane, lanes) for lane in lanes}
    if kind == VOTE:
        return {lane: voted(operands[2], lanes) for lane, operands in lanes.items()}
    if kind == MATCH_ANY:
        return {lane: (bits(j for j in lanes if lanes[j][2] == own[2]), 0) for lane, own in lanes.items()}
    if kind == MATCH_ALL:
        same = len({operands[2] for operands in lanes.values()}) == 1
        return {lane: (mask if same else 0, int(same)) for lane in lanes}
    assert kind == SYNCWARP
    return {lane: (0, 0) for lane in lanes}


def shuffled(lane: int, lanes: Lanes) -> tuple[int, int]:
    _, _, mode, _, b, c = lanes[lane]
    b, clamp, segment = b & 31, c & 31, c >> 8 & 31
    highest = lane & segment | clamp & ~segment
    lowest = lane & segment
    if mode == UP:
        source = lane - b
        within = source >= highest
    else:
        source = {DOWN: lane + b, BUTTERFLY: lane ^ b, IDX: lowest | b & ~segment & 31}[mode]
        within = source <= highest
    if not within:
        source = lane
    return (lanes[source][3] if source in lanes else POISON), int(within)


def voted(mode: int, lanes: Lanes) -> tuple[int, int]:
    yes = [lane for lane, operands in lanes.items() if operands[3]]
    if mode == ALL:
        flag = len(yes) == len(lanes)
    elif mode == ANY:
        flag = bool(yes)
    elif mode == UNIFORM:
        flag = len(yes) in (0, len(lanes))
    else:
        flag = False
    return bits(yes), int(flag)


def bits(lanes) -> int:
    return sum(1 << lane for lane in lanes)


def ready_groups(waiting: Lanes, alive: set[int], stuck: bool) -> list[Lanes]:
    """Groups of waiting lanes of a warp that may go on. `alive` are the lanes that have not returned.

    A group is complete when all living lanes that its mask names wait at the same operation. Lanes that meet without
    the others of the group do so first, and those that ask which lanes are active: these wait until the others can go
    no further (`stuck`), so that the answer is as converged as it can be.
    """
    groups, seen = [], set()
    for lane, own in sorted(waiting.items()):
        if lane in seen or own[0] == ACTIVE:
            continue
        mask = mask_of(own)
        if not mask >> lane & 1:
            raise Misuse(f"lane {lane} does a warp operation whose mask {mask:#x} does not name it")
        named = {other for other in alive if mask >> other & 1}
        if not named <= waiting.keys():
            continue
        group = {other: waiting[other] for other in named}
        if any(operands[0] == ACTIVE or not mask_of(operands) >> lane & 1 for operands in group.values()):
            continue
        for other, operands in group.items():
            if (operands[0], mask_of(operands)) != (own[0], mask) \
                    or own[0] in (SHUFFLE, VOTE) and operands[2] != own[2]:
                raise Misuse(f"lanes {lane} and {other} of a warp wait at different operations or with different masks")
        seen |= named
        groups.append(group)
    if not groups and stuck:
        active = {lane: own for lane, own in waiting.items() if own[0] == ACTIVE}
        if active:
            groups.append(active)
    return groups
