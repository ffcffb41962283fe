"""What was asked of the engine, in Numba's terms: hashable, the key of everything that is cached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """One derivative of one function at one list of argument types.

    mode        "forward" or "reverse"
    active      per Python argument: does it carry a derivative (perturbed / differentiated)?
                Pointers of inactive array arguments get a shadow only if active data is written into them.
    width       tangents at once (forward mode)
    seeded      reverse: seeds are added into the shadow of the result between the sweeps by `@<symbol>.seed`
                (for results that hold arrays); otherwise the caller puts seeds into the shadow of the return slot
    in_a_row    a kernel that is launched in one dimension
    disjoint    no array argument that is written overlaps another one (the functional layer checks that)
    """

    mode: str
    active: tuple[bool, ...]
    width: int = 1
    seeded: bool = False
    disjoint: bool = True
    in_a_row: bool = False
