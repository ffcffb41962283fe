"""What the calls that touch memory mean: allocation, release, copies, reference counts, the tape.

`effect_of(call)` names the effect; None means that the call is none of these (see `symbols.classify`). A table per
run-time library; the walks ask for effects, never for symbols.
"""

from __future__ import annotations

from dataclasses import dataclass

from numbad.passes.ir.instructions import Call
from numbad.passes.rules.threads import SHUFFLE, SYNCHRONISATIONS, Shuffle, Synchronise

HEADER_DATA = 24  # where a MemInfo keeps its data pointer
HEADER_BYTES = 64  # room for a MemInfo


@dataclass(frozen=True)
class Allocate:
    """Returns fresh memory of `arguments[size]` bytes; `header`: it is a MemInfo that points to its data.

    resizable   the memory of a list or a set: it may be exchanged for a larger one later (`Resize`)
    """

    size: int
    header: bool
    resizable: bool = False


@dataclass(frozen=True)
class Resize:
    """Gives the object of the MemInfo `arguments[0]` other memory, and returns its address."""


@dataclass(frozen=True)
class Release:
    """Frees what `arguments[0]` points to."""


@dataclass(frozen=True)
class Count:
    """Changes a reference count of `arguments[0]`."""


@dataclass(frozen=True)
class Copy:
    """memcpy, memmove: arguments destination, source, bytes."""


@dataclass(frozen=True)
class Fill:
    """memset: arguments destination, byte, bytes."""


@dataclass(frozen=True)
class Drop:
    """Only a hint for the optimiser: not copied into derivatives."""


@dataclass(frozen=True)
class Integers:
    """Reads and writes integers behind its pointers, keeps none of them and touches no float."""


@dataclass(frozen=True)
class Tape:
    """An operation of the tape; `arguments[0]` is the tape.

    gives    the result points into memory of the tape
    fresh    nothing else ever points to it, as for an allocation
    """

    gives: bool
    fresh: bool = False


@dataclass(frozen=True)
class Part:
    """Gives the address of an array in the record `arguments[0]` of a tape; `arguments[2]` says which array."""


Effect = Allocate | Resize | Release | Count | Copy | Fill | Drop | Integers | Tape | Part \
    | Synchronise | Shuffle

_EXACT: dict[str, Effect] = {
    **SYNCHRONISATIONS,
    "NRT_MemInfo_alloc": Allocate(0, True),
    "NRT_MemInfo_alloc_safe": Allocate(0, True),
    "NRT_MemInfo_alloc_aligned": Allocate(0, True),
    "NRT_MemInfo_alloc_safe_aligned": Allocate(0, True),
    "NRT_MemInfo_new_varsize": Allocate(0, True, resizable=True),
    "NRT_MemInfo_new_varsize_dtor": Allocate(0, True, resizable=True),
    "NRT_MemInfo_varsize_alloc": Resize(),
    "NRT_MemInfo_varsize_realloc": Resize(),
    "NRT_MemInfo_varsize_free": Count(),
    "NRT_Allocate": Allocate(0, False),
    "malloc": Allocate(0, False),
    "NRT_Free": Release(),
    "free": Release(),
    "NRT_incref": Count(),
    "NRT_decref": Count(),
    "NRT_MemInfo_call_dtor": Count(),
    "numbad.shadow.free": Count(),
    "numba_attempt_nocopy_reshape": Integers(),
    "numbad.tape.init": Tape(False),
    "numbad.tape.open": Tape(False),
    "numbad.tape.push": Tape(True),
    "numbad.tape.pop": Tape(True),
    "numbad.tape.part": Part(),
    "numbad.tape.keep": Tape(True, fresh=True),
    "numbad.tape.mark": Tape(False),
    "numbad.tape.is_over": Tape(False),
    "numbad.tape.rewind": Tape(False),
    "numbad.tape.release": Tape(False),
}

_PREFIX: tuple[tuple[str, Effect], ...] = (
    (SHUFFLE, Shuffle()),
    ("llvm.memcpy.", Copy()),
    ("llvm.memmove.", Copy()),
    ("llvm.memset.", Fill()),
    ("llvm.lifetime.", Drop()),
    ("llvm.assume", Drop()),
    ("llvm.invariant.", Drop()),
    ("llvm.experimental.noalias.scope.decl", Drop()),
    ("llvm.dbg.", Drop()),
    ("llvm.prefetch", Drop()),
    ("llvm.donothing", Drop()),
    ("llvm.sideeffect", Drop()),
)


def effect_of(call: Call) -> Effect | None:
    """The effect of a direct call of a known symbol."""
    name = call.callee_name
    if name is None:
        return None
    found = _EXACT.get(name)
    if found is None:
        found = next((effect for prefix, effect in _PREFIX if name.startswith(prefix)), None)
    return found
