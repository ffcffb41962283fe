"""A tape in machine code, on a run time of the test's own.

`Heap` counts blocks, fills them with rubbish, spoils them when they are freed, and can run out of memory. `Tape` has
operations of a tape as methods that check what every use of a tape relies on.
"""

from __future__ import annotations

import ctypes

from derivative.native import I64, Native, P
from numbad.passes.derivative.tape import SIGNATURES, TAPE
from numbad.passes.ir.types import I64 as LLVM_I64
from numbad.passes.ir.types import PTR, size_of

RESULTS = {PTR: P, LLVM_I64: I64}


class Heap:
    """`budget`: how many more blocks can be had, None for any number."""

    def __init__(self) -> None:
        self.live: dict[int, ctypes.Array] = {}
        self.freed: list[ctypes.Array] = []  # not given back to Python, so that no address is used twice
        self.sizes: list[int] = []
        self.budget: int | None = None
        self.wrong: list[str] = []
        self.allocate = ctypes.CFUNCTYPE(P, I64)(self._allocate)
        self.free = ctypes.CFUNCTYPE(None, P)(self._free)

    def _allocate(self, size: int) -> int | None:
        if size < 0 or size > 1 << 32 or self.budget == 0:
            return None
        if self.budget is not None:
            self.budget -= 1
        block = (ctypes.c_uint8 * size)(*b"\xa5" * min(size, 4096))
        self.live[ctypes.addressof(block)] = block
        self.sizes.append(size)
        return ctypes.addressof(block)

    def _free(self, address: int | None) -> None:
        block = self.live.pop(address or 0, None)
        if block is None:
            self.wrong.append(f"free of {address}")
            return
        ctypes.memset(block, 0x5A, len(block))
        self.freed.append(block)

    def owns(self, address: int, bytes: int) -> bool:
        blocks = list(self.live.items())  # other threads may allocate meanwhile
        return any(start <= address and address + bytes <= start + len(block) for start, block in blocks)


class Tape:
    def __init__(self, native: Native, heap: Heap):
        self.heap = heap
        self.block = (ctypes.c_uint8 * (size_of(TAPE) + 8))(*b"\xa5" * (size_of(TAPE) + 8))
        self.address = ctypes.addressof(self.block)
        parameters = {name: tuple(P if p == PTR else I64 for p in s.parameters) for name, s in SIGNATURES.items()}
        self.call = {name.rpartition(".")[2]: native.function(
            name, RESULTS.get(signature.result), *parameters[name]) for name, signature in SIGNATURES.items()}
        self.call["init"](self.address)

    def push(self, content: bytes) -> int | None:
        return self.fill(self.call["push"](self.address, len(content), 0), content)

    def keep(self, content: bytes) -> int | None:
        place = self.call["keep"](self.address, len(content))
        if place is not None:
            assert ctypes.string_at(place, len(content)) == bytes(len(content)), "kept memory is zero at first"
        return self.fill(place, content)

    def fill(self, place: int | None, content: bytes) -> int | None:
        if place is not None:
            assert self.heap.owns(place, len(content)) and place % 8 == 0
            ctypes.memmove(place, content, len(content))
        return place

    def pop(self, bytes: int) -> bytes:
        place = self.call["pop"](self.address, bytes, 0)
        assert self.heap.owns(place, bytes)
        return ctypes.string_at(place, bytes)

    def release(self) -> None:
        self.call["release"](self.address)
        assert bytes(self.block[-8:]) == b"\xa5" * 8, "a tape does not write behind its end"
