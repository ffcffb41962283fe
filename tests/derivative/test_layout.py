"""Where stored values lie: records, and the tape that keeps them, run as machine code.

The tape gets its memory from a heap of the test's own (see `tapes`).
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding as llvm
import pytest
from numba import njit, types

from derivative.native import I64, Native, P
from derivative.tapes import Heap, Tape
from numbad.derive import derive
from numbad.passes.derivative.arena import ARENA, DRAIN, LIMIT, SLOTS
from numbad.passes.derivative.layout import Record, item_type
from numbad.passes.derivative.needs import Edge, Shadow
from numbad.passes.derivative.tape import BYTES, SIGNATURES, TEXT
from numbad.passes.ir.type_parser import parse_type
from numbad.passes.ir.types import PTR, size_of
from numbad.passes.ir.values import Argument
from numbad.passes.text import inlinable
from numbad.request import Request
from numbad.runtime import last_tape_bytes

HEAP = Heap()
WORDS = (I64 * (SLOTS + 1))()  # an arena of the test's own


@pytest.fixture(scope="module")
def native() -> Native:
    addresses = {name: ctypes.cast(f, P).value or 0 for name, f in
                 {"NRT_Allocate": HEAP.allocate, "NRT_Free": HEAP.free}.items()}
    return Native(TEXT + DRAIN, {**addresses, ARENA: ctypes.addressof(WORDS)})


@pytest.fixture
def tape(native: Native) -> Iterator[Tape]:
    HEAP.budget = None
    HEAP.sizes.clear()
    made = Tape(native, HEAP)
    yield made
    made.release()
    check_released(native)


def waiting() -> list[int]:
    """Sizes of the chunks in the arena."""
    return [len(HEAP.live[address]) for address in WORDS[1:] if address]


def check_released(native: Native) -> None:
    """Nothing is left but what the arena holds, which is freed here."""
    assert not HEAP.wrong
    assert sorted(HEAP.live) == sorted(address for address in WORDS[1:] if address)
    assert WORDS[0] == sum(waiting())
    kept = WORDS[0]
    assert native.function("numbad.arena.drain", I64)() == kept
    assert not HEAP.live and not any(WORDS) and not HEAP.wrong
    HEAP.freed.clear()


def contents(rng: random.Random, most: int) -> bytes:
    size = 8 * rng.choice([1, 1, 2, 3, 8, rng.randint(1, most)])
    return rng.randbytes(size)


def test_last_in_first_out_over_many_chunks(tape: Tape) -> None:
    rng = random.Random(0)
    pushed = [contents(rng, 400) for _ in range(600)]
    for content in pushed:
        assert tape.push(content)
    chunks = len(HEAP.live)
    assert chunks > 5
    for content in reversed(pushed):
        assert tape.pop(len(content)) == content
    assert waiting(), "the arena has the chunks that were left behind"


def test_chunks_grow(tape: Tape) -> None:
    for _ in range(3000):
        tape.push(bytes(64))
    assert HEAP.sizes == [4096 << k for k in range(len(HEAP.sizes))]
    tape.push(bytes(1_000_000))
    assert HEAP.sizes[-1] == 1_000_064


def test_all_that_a_tape_can_do(tape: Tape) -> None:
    """Against a list: pushes, pops, kept blocks, in random order."""
    rng = random.Random(1)
    stack: list[bytes] = []
    kept: list[tuple[int, bytes]] = []
    for step in range(4000):
        action = rng.choice(["push"] * 6 + ["pop"] * (4 if step % 1000 < 500 else 7) + ["keep"])
        if action == "push":
            stack.append(contents(rng, 200))
            tape.push(stack[-1])
        elif action == "pop" and stack:
            assert tape.pop(len(stack[-1])) == stack[-1]
            stack.pop()
        elif action == "keep":
            content = rng.randbytes(rng.randint(1, 300))
            kept.append((tape.keep(content) or 0, content))
    for content in reversed(stack):
        assert tape.pop(len(content)) == content
    for place, content in kept:
        assert HEAP.owns(place, len(content)) and ctypes.string_at(place, len(content)) == content
    assert len(kept) > 100


def test_rewinding(tape: Tape) -> None:
    """Against a list: what was pushed since the mark goes, over chunks and after pops."""
    rng = random.Random(4)
    stack: list[bytes] = []
    for _ in range(300):
        tape.call["mark"](tape.address)
        marked = len(stack)
        for _ in range(rng.randint(0, 12)):
            if len(stack) > marked and rng.random() < 0.3:
                assert tape.pop(len(stack[-1])) == stack.pop()
            else:
                stack.append(contents(rng, 150))
                assert tape.push(stack[-1])
        assert tape.call["is_over"](tape.address, sum(map(len, stack)) - 1)
        assert not tape.call["is_over"](tape.address, sum(HEAP.sizes))
        really = rng.random() < 0.6
        tape.call["rewind"](tape.address, really)
        if really:
            del stack[marked:]
    assert len(stack) > 100
    for content in reversed(stack):
        assert tape.pop(len(content)) == content


def test_a_rewound_tape_tells_its_bytes(tape: Tape) -> None:
    tape.push(bytes(8))
    for _ in range(50):
        tape.call["mark"](tape.address)
        tape.push(bytes(20_000))
        tape.call["rewind"](tape.address, 1)
    tape.release()
    assert last_tape_bytes() <= 2 * 20_064
    tape.call["init"](tape.address)


def test_pushing_again_onto_an_emptied_chunk(tape: Tape) -> None:
    first, second, large, last = b"1" * 2000, b"2" * 4000, b"3" * 9000, b"4" * 8
    tape.push(last)
    tape.push(first)
    tape.push(second)  # a chunk of its own
    assert tape.pop(len(second)) == second
    tape.push(large)  # does not fit into the chunk that is empty now
    assert tape.pop(len(large)) == large
    assert tape.pop(len(first)) == first
    assert tape.pop(len(last)) == last


def test_release_tells_the_bytes(tape: Tape) -> None:
    for _ in range(100):
        tape.push(bytes(80))
    tape.keep(bytes(100))
    assert len(HEAP.sizes) == 3
    tape.release()
    assert last_tape_bytes() == sum(HEAP.sizes) > 0
    tape.call["init"](tape.address)
    tape.release()
    assert last_tape_bytes() == 0


def test_chunks_wait_for_the_next_tape(native: Native) -> None:
    def run(pushes: int, kept: int) -> int:
        HEAP.sizes.clear()
        tape = Tape(native, HEAP)
        for number in range(pushes):
            tape.push(number.to_bytes(1000, "little"))
        place = tape.keep(b"k" * kept)
        for number in reversed(range(pushes)):
            assert tape.pop(1000) == number.to_bytes(1000, "little")
        assert place is not None and ctypes.string_at(place, kept) == b"k" * kept
        tape.release()
        return len(HEAP.sizes)

    assert run(100, 5000) == 6
    assert waiting() == [4096 << k for k in (4, 3, 2, 1)] + [5056 + 64, 4096]
    assert run(100, 5000) == 0
    assert run(10, 100) == 0
    assert run(300, 20000) > 0
    assert sorted(waiting(), reverse=True) == waiting()
    assert run(300, 20000) == 0
    check_released(native)


def test_the_smallest_chunk_goes(native: Native) -> None:
    """When all slots are taken."""
    tapes = [Tape(native, HEAP) for _ in range(SLOTS + 3)]
    for number, tape in enumerate(tapes):
        tape.push(bytes(100_000 * (number + 1)))
    for tape in random.Random(3).sample(tapes, len(tapes)):
        tape.release()
    assert waiting() == [100_000 * number + 64 for number in range(SLOTS + 3, 3, -1)]
    HEAP.sizes.clear()
    tape = Tape(native, HEAP)
    tape.push(bytes(100_000))
    assert not HEAP.sizes and waiting()[0] == 100_000 * (SLOTS + 2) + 64, "the largest is taken"
    tape.push(bytes(100_000 * (SLOTS + 2) + 1))
    assert HEAP.sizes and len(waiting()) == SLOTS - 1, "and none if none is large enough"
    assert tape.pop(100_000 * (SLOTS + 2) + 1) and tape.pop(100_000)
    tape.release()
    check_released(native)


def test_the_arena_is_bounded(native: Native) -> None:
    tapes = [Tape(native, HEAP) for _ in range(3)]
    for tape in tapes:
        tape.push(bytes(100 << 20))
    for tape in tapes:
        tape.release()
    assert waiting() == [(100 << 20) + 64] * 2 and sum(waiting()) <= LIMIT
    tape = Tape(native, HEAP)
    tape.push(bytes(LIMIT))
    tape.release()
    assert max(waiting()) < LIMIT
    check_released(native)


def test_two_tapes_at_a_time(native: Native) -> None:
    """A derivative within a derivative, on the same thread: they never share memory."""
    outer = Tape(native, HEAP)
    outer.push(b"o" * 3000)
    for _ in range(3):
        inner = Tape(native, HEAP)
        for _ in range(5):
            inner.push(b"i" * 3000)
        inner.keep(b"k" * 3000)
        outer.push(b"p" * 2000)
        assert [inner.pop(3000) for _ in range(5)] == [b"i" * 3000] * 5
        inner.release()
    assert [outer.pop(2000) for _ in range(3)] == [b"p" * 2000] * 3 and outer.pop(3000) == b"o" * 3000
    outer.release()
    check_released(native)


def test_tapes_of_several_threads(native: Native) -> None:
    def work(letter: bytes) -> bool:
        right = True
        for _ in range(40):
            tape = Tape(native, HEAP)
            for _ in range(30):
                tape.push(letter * 1000)
            right &= all(tape.pop(1000) == letter * 1000 for _ in range(30))
            tape.release()
        return right

    with ThreadPoolExecutor(3) as threads:
        assert all(threads.map(work, [b"a", b"b", b"c"]))
    check_released(native)


def test_without_memory_the_tape_stays_usable(tape: Tape) -> None:
    rng = random.Random(2)
    pushed: list[bytes] = []
    refused = 0
    for _ in range(400):
        HEAP.budget = rng.choice([0, 0, 1])
        content = contents(rng, 100)
        if tape.push(content) is None:
            refused += 1
        else:
            pushed.append(content)
        HEAP.budget = 0
        refused += tape.keep(bytes(5000)) is None
    assert refused > 400
    for content in reversed(pushed):
        assert tape.pop(len(content)) == content


def test_nothing_can_be_had(tape: Tape) -> None:
    HEAP.budget = 0
    assert tape.push(b"12345678") is None and tape.keep(b"1") is None
    HEAP.budget = None
    assert tape.push(b"12345678") and tape.pop(8) == b"12345678"


@pytest.mark.parametrize("bytes", [-1, -8, -63, -64, -65, 2**63 - 1, -2**63, 1 << 40])
def test_absurd_sizes_are_refused(tape: Tape, bytes: int) -> None:
    """Sizes whose sum with the header wraps around, too."""
    assert tape.push(b"12345678")
    assert tape.call["push"](tape.address, bytes, 0) is None
    assert tape.call["keep"](tape.address, bytes) is None
    assert tape.pop(8) == b"12345678"


def test_kept_blocks_are_apart(tape: Tape) -> None:
    """Shadows of arrays that are aligned to cache lines don't share one."""
    places = [tape.keep(bytes(size)) or 0 for size in (1, 64, 65, 8, 3)]
    assert [b - a for a, b in zip(places, places[1:], strict=False)] == [64, 64, 128, 64]


def test_a_block_without_bytes(tape: Tape) -> None:
    """The shadow of an empty array is no failure."""
    assert tape.call["keep"](tape.address, 0) is not None


def test_symbols_of_the_run_time() -> None:
    assert f"@{BYTES} = external global i64" in TEXT
    assert {f"@{name}(" for name in SIGNATURES} <= {line.split()[3].partition("(")[0] + "("
                                                  for line in TEXT.splitlines() if line.startswith("define")}


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("types, size", [
    ("i1 double i8", 16), ("i32", 8), ("double double", 16), ("i8 i16 i32 double float", 24), ("<2 x double> i1", 24),
    ("<4 x float> ptr i8 i8", 32), ("", 0),
])
def test_records(types: str, size: int) -> None:
    items = [Argument(parse_type(t.strip()), f"a{k}") for k, t in enumerate(_split(types))]
    record = Record(list(items))
    record.close()
    places = sorted((record.offsets[i], record.offsets[i] + size_of(i.type), i.type) for i in items)
    assert all(end <= start for (_, end, _), (start, _, _) in zip(places, places[1:], strict=False))
    assert all(start % min(8, size_of(type)) == 0 and end <= record.size for start, end, type in places)
    assert record.size == size


def _split(types: str) -> list[str]:
    vectors = {"<2 x double>": "@v2", "<4 x float>": "@v4"}
    for text, word in vectors.items():
        types = types.replace(text, word)
    back = {word: text for text, word in vectors.items()}
    return [back.get(word, word) for word in types.split()]


def test_items_that_are_no_values() -> None:
    pointer = Argument(PTR, "p")
    assert item_type(Shadow(pointer)) == PTR
    assert size_of(item_type(Edge(None))) == 4
    record = Record([Edge(None), Shadow(pointer), pointer])
    record.close()
    assert record.offsets == {Shadow(pointer): 0, pointer: 8, Edge(None): 16} and record.size == 24


def test_what_seldom_runs_stays_out_of_line() -> None:
    """Else `pop` is too large to be inlined; what was kept out of line to be recognised may be inlined again."""
    made = derive(njit(lambda x, n: x**n), (types.float64, types.int64), Request("reverse", (True, False)))
    module = llvm.parse_assembly(made.text)
    attributes = {function.name: " ".join(map(bytes.decode, function.attributes)) for function in module.functions}
    kept = [name for name, words in attributes.items() if "noinline" in words]
    assert set(kept) <= {"numbad.tape.grow", "numbad.tape.drop", "numbad.tape.free", "numbad.arena.take",
                         "numbad.arena.give", "numbad.arena.free"}
    text = TEXT + "define void @helper() noinline {\n  ret void\n}\n"
    canonical = inlinable(str(llvm.parse_assembly(text)))
    words = {f.name: " ".join(map(bytes.decode, f.attributes)) for f in llvm.parse_assembly(canonical).functions}
    assert "noinline" in words["numbad.tape.grow"] and "noinline" in words["numbad.arena.give"]
    assert "noinline" not in words["helper"] and "inlinehint" in words["helper"]
