"""Kernels become text that the engine can read: complete, in canonical form, and with every barrier in its place."""

from __future__ import annotations

import re
import threading

import pytest

pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install numba-cuda")

from numba import cuda, float64, int64, types
from numba.cuda.core import errors

from cuda_kernels import F4, F8, KERNELS, loopy, poly, saxpy, stencil
from numbad.cuda.numba_cuda import lower
from numbad.errors import Unsupported
from numbad.passes import llvm, nvptx
from numbad.passes.analysis.dominators import Dominators
from numbad.passes.analysis.loops import Loops
from numbad.passes.diagnostics import locate
from numbad.passes.ir.parser import parse
from numbad.passes.text import definitions

BARRIER = re.compile(r"call [^@\n]*@llvm\.nvvm\.barrier(?:0|\.cta)[\w.]*\(")


def ready(name):
    kernel, argtypes = KERNELS[name]
    lowered = lower(kernel, argtypes)
    return lowered, nvptx.prepared(lowered.texts, lowered.entry)


all_kernels = pytest.mark.parametrize("name", KERNELS)


@all_kernels
def test_text_is_complete_and_its_parameters_are_known(name):
    lowered, text = ready(name)
    llvm.check(text)
    entry, = (each for each in definitions(text) if each.name == lowered.entry)
    assert "ptx_kernel" in entry.head
    given = [piece.split()[0] for piece in re.split(r", (?![^(]*\))", entry.parameters)]
    expected = {types.float64: "double", types.float32: "float", types.int64: "i64", types.intp: "i64"}
    assert given == [expected.get(each.leaf, "ptr") for each in lowered.parameters]
    assert [each.name for each in definitions(text) if " internal " not in each.head] == [lowered.entry]
    assert not re.search(r"^declare [^@]*@(_ZN|___numba_atomic_\w+_sub)", text, re.M)
    assert "NumbaEnv" not in text and "llvm.used" not in text
    assert not re.search(r"<\d+ x (double|float)>", text), "vectorised"


@all_kernels
def test_loops_are_in_canonical_form(name):
    _, text = ready(name)
    for function in parse(text).functions.values():
        differentiated = not function.is_declaration and not function.name.startswith("numbad.")
        for loop in Loops(function, Dominators(function)).loops if differentiated else ():
            assert len(loop.latches) == 1
            entering, = (b for b in loop.header.predecessors if b not in loop.blocks)
            assert entering.successors == [loop.header], "a preheader"
            assert len(loop.latch.successors) == 2, "rotated: the test is at the end"
            for block in loop.blocks:
                for follower in block.successors:
                    assert follower in loop.blocks or set(follower.predecessors) <= loop.blocks, "a dedicated exit"
                for user in (user for instruction in block.instructions for user in instruction.users):
                    assert user.block in loop.blocks or user.opcode == "phi", "in LCSSA form"


@pytest.mark.parametrize("name, barriers", [
    ("stencil", 1), ("tree_sum", 1 + 6), ("barrier_in_function", 1), ("barrier_between_equal_tests", 1), ("dynamic", 1),
    ("barrier_in_both_branches", 2),
    ("votes", 2), ("saxpy", 0)])
def test_barriers_are_neither_lost_nor_copied(name, barriers):
    """The loop over halves of `tree_sum` is written out, each iteration with its barrier."""
    _, text = ready(name)
    assert len(BARRIER.findall(text)) == barriers


def test_barriers_do_not_move():
    """Between two equal tests, where a CPU would jump from the first to the second."""
    _, text = ready("barrier_between_equal_tests")
    function = next(definitions(text)).text
    blocks = re.split(r"\n(?=[\w.]+:)", function)
    block, = (each for each in blocks if BARRIER.search(each))
    assert block.count("= phi") >= 1, "the values of both branches meet where the barrier is"
    before, after = function.split(BARRIER.search(function)[0])
    assert "load" in before and "store" not in before and "store" in after


def test_a_function_with_a_barrier_may_not_be_moved():
    lowered = lower(*KERNELS["barrier_in_function"])
    text = nvptx.prepared(lowered.texts, lowered.entry)
    assert re.search(r"^attributes #\d+ = \{ convergent ", text, re.M)
    head = next(definitions(text)).text.split(BARRIER.search(text)[0])[0]
    assert "br i1" not in head, "all threads reach the barrier"


def test_exchanges_in_a_warp_may_not_be_moved_either():
    for name, functions in {"shuffles": ["numbad.shfl.f64", "numbad.shfl.f32"],
                            "votes": ["llvm.nvvm.vote.sync", "llvm.nvvm.match.all.sync.i32"]}.items():
        _, text = ready(name)
        for function in functions:
            assert re.search(rf"^; Function Attrs: convergent .*\n(?:;.*\n)?declare [^@]*@{function}\(",
                             text, re.M)


def test_tiny_loops_only_are_unrolled():
    _, text = ready("loopy")
    assert len(re.findall(r"^.*= phi i64 ", text, re.M)) >= 2


def test_atomics():
    _, text = ready("atomics")
    added = re.findall(r"atomicrmw (?:volatile )?fadd ptr [^,]*, double \S+ (.*?),", text)
    assert added == ['syncscope("device") monotonic'] * 2
    assert "fneg" in text
    assert {"___numba_atomic_double_max", "___numba_atomic_double_nanmin"} <= set(llvm.declared(text))


def test_powers_and_functions_of_libdevice_are_calls():
    _, text = ready("loopy")
    assert "@numbad.powi.f64.i64(" in text and "@__nv_sin(" in text
    assert re.search(r"^; Function Attrs: .*memory\(none\)\ndeclare double @__nv_sin", text, re.M)


def test_remainders_and_powers_are_calls_that_the_rules_know():
    def mixed(x, y, n):
        x[0] = x[1] // y[0] + x[2] % x[3] + x[4] ** n + y[1] ** n + y[2] % y[3]

    lowered = lower(mixed, (F8, F4, int64))
    text = nvptx.prepared(lowered.texts, lowered.entry)
    assert set(re.findall(r"call [^@\n]*@(numbad\.[\w.]+)\(", text.partition("\n}")[0])) == {
        "numbad.floordiv.f64", "numbad.mod.f64", "numbad.mod.f32", "numbad.powi.f64.i64", "numbad.powi.f32.i64"}


def test_shared_memory_stays_generic():
    _, text = ready("stencil")
    assert "ptr addrspacecast (ptr addrspace(3) @_cudapy_smem" in text
    assert not re.search(r"(load|store) [^\n]*, ptr addrspace\(3\)", text)


def test_launch_bounds():
    _, text = ready("bounded")
    assert '"nvvm.maxntid"="128"' in text and '"nvvm.minctasm"="2"' in text


def test_whole_grids_are_known():
    assert lower(*KERNELS["whole_grid"]).library.use_cooperative
    assert not lower(*KERNELS["saxpy"]).library.use_cooperative


def test_lines():
    lowered, text = ready("loopy")
    code = loopy.py_func.__code__
    assert (lowered.name, lowered.filename, lowered.line) == ("loopy", code.co_filename, code.co_firstlineno)
    reference = re.search(r"call double @__nv_sin.*!dbg (!\d+)", text)[1]
    inner, outer = locate(parse(text), reference)
    assert (inner.line, inner.file) == (poly.py_func.__code__.co_firstlineno + 2, code.co_filename)
    assert outer.line == code.co_firstlineno + 9 and outer.function == "loopy"


def test_paths():
    lowered = lower(saxpy, (float64, F8, F8, F8))
    assert [(each.name, each.path) for each in lowered.parameters[:8]] == [
        ("a", ()), ("x", ("meminfo",)), ("x", ("parent",)), ("x", ("nitems",)), ("x", ("itemsize",)), ("x", ("data",)),
        ("x", ("shape", 0)), ("x", ("strides", 0))]


def test_device_functions():
    lowered = lower(poly, (float64, float64), device=True)
    assert lowered.result == float64 and len(lowered.parameters) == 2
    text = nvptx.prepared(lowered.texts, lowered.entry)
    entry, = (each for each in definitions(text) if each.name == lowered.entry)
    assert entry.head.startswith("define noundef i32")


def test_a_plain_function_is_a_kernel():
    def scale(x):
        x[0] *= 2.0

    assert lower(scale, (F8,)).name.endswith("scale")


def test_the_users_dispatchers_are_not_touched():
    @cuda.jit(device=True)
    def doubled(v):
        return 2.0 * v

    @cuda.jit
    def kernel(x):
        x[0] = doubled(x[0])

    first = lower(kernel, (F8,))
    assert not kernel.overloads and not doubled.overloads
    again = lower(kernel, (F8,))
    assert len(first.texts) == len(again.texts) == 2
    assert any("doubled" in text for text in again.texts[1:])


def test_refusals():
    with pytest.raises(Unsupported, match="poly is a device function"):
        lower(poly, (float64, float64))
    with pytest.raises(Unsupported, match="saxpy is a kernel and no device function"):
        lower(saxpy, (float64, F8, F8, F8), device=True)
    with pytest.raises(Unsupported, match="neither a @cuda.jit kernel nor a Python function"):
        lower(3, (float64,))


def test_numbas_own_errors_pass_through():
    def wrong(x):
        x[0] = x.nothing

    with pytest.raises(errors.TypingError, match="Unknown attribute 'nothing'"):
        lower(wrong, (F8,))


def test_threads():
    found = {}

    def work(name):
        found[name] = lower(*KERNELS[name]).texts

    threads = [threading.Thread(target=work, args=(name,)) for name in ("loopy", "stencil", "dynamic", "votes")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["dynamic", "loopy", "stencil", "votes"]
    assert any("poly" in text for text in found["loopy"][1:])


def test_nothing_is_asked_of_a_toolkit(monkeypatch):
    from numba.cuda.cudadrv import nvvm
    asked = []
    monkeypatch.setattr(nvvm, "NVVM", lambda: asked.append(1))
    lower(stencil, (F8, F8))
    lower(loopy, (F8, F8, int64))
    assert not asked
