"""PTX: it is made for every architecture, it rounds as numba-cuda's does, and nothing ends the process."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache

import pytest

pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install numba-cuda")

from cuda import pathfinder
from numba import cuda, float32

from cuda_kernels import F4, F8, KERNELS
from numbad.cuda.numba_cuda import launcher, linked_names, lower, ptx
from numbad.passes import llvm, nvptx
from numbad.passes.derivative import runtime
from numbad.passes.device_symbols import check_callable
from numbad.passes.ir.parser import parse
from numbad.passes.llvm import InvalidIR
from numbad.passes.rules.targets import target_of
from numbad.passes.text import ptx_name

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_120")
DAILY = ("sm_75", "sm_90", "sm_120")
WITH_LIBDEVICE = ("loopy", "single")


def libdevice():
    try:
        return pathfinder.find_bitcode_lib("device")
    except pathfinder.BitcodeLibNotFoundError:
        return None


needs_libdevice = pytest.mark.skipif(libdevice() is None, reason="needs CUDA's libdevice: pip install nvidia-nvvm, or "
                                                                 "set CUDA_HOME")


@cache
def ready(name):
    kernel, argtypes = KERNELS[name]
    lowered = lower(kernel, argtypes)
    return lowered, nvptx.prepared(lowered.texts, lowered.entry)


def assembly(name, sm="sm_80", **options):
    text = with_runtime(ready(name)[1])
    return ptx(text, sm, linked=linked_names(text), **options)


def with_runtime(text):
    """What preparation has put calls of in place of instructions, defined."""
    module = parse(text)
    return llvm.link(text, *runtime.texts(module, target_of(module), 1))


kernels = pytest.mark.parametrize("name", [
    pytest.param(name, marks=needs_libdevice) if name in WITH_LIBDEVICE else name for name in KERNELS])


@kernels
@pytest.mark.parametrize("sm", [
    sm if sm in DAILY else pytest.param(sm, marks=pytest.mark.slow) for sm in ARCHITECTURES])
def test_every_kernel_for_every_architecture(name, sm, tmp_path):
    code = assembly(name, sm)
    assert f".target {sm}" in code and f".visible .entry {ready(name)[0].entry}(" in code
    assert "approx" not in code
    assert not re.search(r"(?<![\w.])(add|sub|mul)\.f(32|64)\b", code), "the assembler might fuse it"
    version = re.search(r"^\.version (\d+\.\d+)", code, re.M)[1]
    assert version == "8.0" or sm in ("sm_100", "sm_120")
    if shutil.which("ptxas"):
        (tmp_path / "code.ptx").write_text(code)
        command = ["ptxas", f"-arch={sm}", "-c", "code.ptx", "-o", "code.cubin"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name, wanted", [
    ("stencil", r"bar\.sync|barrier\.sync"), ("stencil", r"fma\.rn\.f64"), ("saxpy", r"fma\.rn\.f64"),
    ("stencil", r"\.shared"), ("shuffles", r"shfl\.sync\.down"), ("votes", r"vote\.sync\.ballot"),
    ("atomics", r"(atom|red)\.\S*add\.f64"), ("atomics", r"atom\.\S*cas\.b64"), ("fences", r"membar\.gl|fence"),
    ("dynamic", r"\.extern \.shared"), ("constants", r"\.const"), ("whole_grid", r"\.extern \.func.*\n?.*cudaCG"),
    ("bounded", r"\.maxntid 128"), ("bounded", r"\.minnctapersm 2"), ("saxpy", r"\.loc\s+\d+")])
def test_instructions(name, wanted):
    assert re.search(wanted, assembly(name))


@pytest.mark.parametrize("name, barriers", [("stencil", 1), ("tree_sum", 1 + 6), ("barrier_between_equal_tests", 1),
                                            ("barrier_in_both_branches", 2)])
def test_barriers_are_neither_lost_nor_copied(name, barriers):
    assert len(re.findall(r"\bbar(?:rier)?\.(?:cta\.)?sync", assembly(name))) == barriers


ROUNDED = """
declare float @llvm.sqrt.f32(float)
define ptx_kernel void @k(ptr %p, float %a, ptr %q, double %b) {
  %x = fdiv float %a, 3.0
  %y = call float @llvm.sqrt.f32(float %x)
  store float %y, ptr %p
  %z = fdiv double %b, 3.0
  store double %z, ptr %q
  ret void
}
"""


def test_rounding():
    code = nvptx.assembly(ROUNDED, "sm_80")
    assert {"div.rn.f32", "sqrt.rn.f32", "div.rn.f64"} <= set(re.findall(r"(?:div|sqrt)\.\S+", code))
    fast = nvptx.assembly(ROUNDED, "sm_80", fastmath=True)
    assert {"div.approx.ftz.f32", "sqrt.approx.ftz.f32", "div.rn.f64"} <= set(re.findall(r"(?:div|sqrt)\.\S+", fast))


@needs_libdevice
def test_libdevice_rounds_as_it_is_told():
    code = assembly("single")
    assert {"sqrt.rn.f32", "div.rn.f32"} <= set(re.findall(r"(?:div|sqrt)\.\S+", code)) and "fma.rn.f32" in code
    fast = assembly("single", fastmath=True)
    assert {"sqrt.approx.ftz.f32", "div.approx.ftz.f32"} <= set(re.findall(r"(?:div|sqrt)\.\S+", fast))


@needs_libdevice
@pytest.mark.parametrize("fastmath", [False, True])
def test_the_same_instructions_as_numba_cuda(fastmath):
    """The kinds of floating-point instructions that libNVVM makes of the same kernel; ours say that they round, so that
    the assembler fuses nothing more in one sweep than in the other."""
    from numba.cuda.cudadrv import nvvm
    if not nvvm.is_available() or pathfinder_misses("nvrtc"):
        pytest.skip("needs libNVVM and NVRTC: pip install nvidia-nvvm nvidia-cuda-nvrtc")

    def mixed(x, y):
        x[0] = x[1] / x[2] * x[3] + x[4]
        y[0] = y[1] / y[2] * y[3] + y[4] * x[5]

    theirs, _ = cuda.compile_ptx(mixed, (F4, F8), cc=(9, 0), fastmath=fastmath, device=False)
    kernel = cuda.jit(fastmath=fastmath)(mixed)
    lowered = lower(kernel, (F4, F8))
    ours = ptx(nvptx.prepared(lowered.texts, lowered.entry), "sm_90", fastmath=lowered.fastmath)
    kinds = re.compile(r"\b(?:div|mul|fma|add)\.\S*f(?:32|64)\b")
    theirs = re.sub(r"\b(mul|add)\.(ftz\.)?(?=f(?:32|64)\b)", r"\1.rn.\2", theirs)
    assert sorted(kinds.findall(ours)) == sorted(kinds.findall(theirs))


def test_libdevice_is_asked_for():
    with pytest.raises(InvalidIR, match="__nv_sin needs CUDA's libdevice"):
        nvptx.assembly("declare double @__nv_sin(double)", "sm_80")


@needs_libdevice
def test_what_libdevice_lacks_is_named():
    with open(libdevice(), "rb") as file, pytest.raises(InvalidIR, match="__nv_besselzeta is no function of libdevice"):
        nvptx.assembly(module("__nv_besselzeta", "double", 1), "sm_80", file.read())


REFUSED = [f"llvm.{function}.{ty}" for ty in ("f32", "f64") for function in (
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "exp", "exp10", "log", "log2", "log10")] + ["llvm.exp2.f64"]
UNARY = "sqrt fabs floor ceil trunc rint nearbyint round roundeven"
BINARY = "copysign minnum maxnum minimum maximum minimumnum maximumnum"
INTEGER = "smax smin umax umin sadd.sat uadd.sat ssub.sat usub.sat"
TYPES = {"f16": "half", "f32": "float", "f64": "double", "v2f64": "<2 x double>", "v2f32": "<2 x float>"}
INTEGERS = {"i8": "i8", "i16": "i16", "i32": "i32", "i64": "i64"}
ALLOWED = [(f"llvm.{name}.{code}", ty, arity) for names, arity, types in (
    (UNARY, 1, TYPES), (BINARY, 2, TYPES), ("fma fmuladd", 3, TYPES), (INTEGER, 2, INTEGERS),
    ("fshl fshr", 3, INTEGERS), ("ctpop bitreverse", 1, INTEGERS))
    for name in names.split() for code, ty in types.items()]
ALLOWED += [("llvm.bswap.i32", "i32", 1), ("llvm.exp2.f32", "float", 1)]


@pytest.mark.parametrize("name", REFUSED)
def test_what_llvm_has_no_code_for_is_refused(name):
    ty = "float" if name.endswith("f32") else "double"
    with pytest.raises(InvalidIR, match=re.escape(name)):
        nvptx.assembly(module(name, ty, 1), "sm_80")


@pytest.mark.parametrize("name", ["llvm.pow.f64", "llvm.atan2.f32", "llvm.powi.f64.i32", "llvm.lrint.i64.f64",
                                  "llvm.nvvm.wgmma.fence.sync.aligned", "llvm.va_start.p0", "sin", "cosf",
                                  "numba_xgesv", "llvm.sin.v2f64"])
def test_other_names_are_refused(name):
    with pytest.raises(InvalidIR, match=re.escape(name)):
        check_callable([name])


def test_linked_names_are_let_through():
    check_callable(["vprintf", "_ZplRK6__halfS1__nbst"], linked={"_ZplRK6__halfS1__nbst"})


def module(name, ty, arity):
    """A kernel that calls the function."""
    types, values = ", ".join([ty] * arity), ", ".join([f"{ty} %a"] * arity)
    return (f"declare {ty} @{name}({types})\ndefine ptx_kernel void @k(ptr %p) {{\n  %a = load {ty}, ptr %p\n"
            f"  %r = call {ty} @{name}({values})\n  store {ty} %r, ptr %p\n  ret void\n}}\n")


BACK_END = """
import sys
from numbad.passes import nvptx
for text in sys.stdin.read().split(";;"):
    nvptx.assembly(text, sys.argv[1])
    print("written", flush=True)
"""


@pytest.mark.parametrize("sm", ["sm_75", "sm_90", "sm_120"])
def test_nothing_that_is_let_through_ends_the_process(sm):
    texts = [module(*each) for each in ALLOWED]
    done = subprocess.run([sys.executable, "-c", BACK_END, sm], input=";;".join(texts), capture_output=True, text=True,
                          timeout=300)
    written = done.stdout.count("written")
    assert written == len(texts), f"{ALLOWED[written][0]}: {done.stderr[-500:]}"


def test_names():
    assert ptx_name("numbad_derivative.0a1b") == "numbad_derivative_$_0a1b"
    text = ("@shadow.of.x = addrspace(1) global double 0.0\n"
            "define ptx_kernel void @derivative.of.k(ptr %p) {\n  %v = load double, ptr addrspace(1) @shadow.of.x\n"
            "  store double %v, ptr %p\n  ret void\n}\n")
    code = nvptx.assembly(text, "sm_80")
    assert ".visible .entry derivative_$_of_$_k(" in code and "shadow_$_of_$_x" in code
    assert ".of." not in code


def test_several_kernels_in_one_module():
    text = "".join(f"define ptx_kernel void @k{i}(ptr %p) {{\n  store i32 {i}, ptr %p\n  ret void\n}}\n" for i in "12")
    code = nvptx.assembly(text, "sm_80")
    assert code.count(".visible .entry") == 2


@kernels
def test_cubins(name):
    """Linked by numba-cuda's own linker."""
    if pathfinder_misses("nvJitLink"):
        pytest.skip("needs nvJitLink: pip install nvidia-nvjitlink")
    kernel, argtypes = KERNELS[name]
    lowered, text = ready(name)
    if lowered.library.use_cooperative and pathfinder_misses("cudart"):
        pytest.skip("needs the CUDA runtime, for the barrier of the whole grid: pip install nvidia-cuda-runtime")
    text = with_runtime(text)
    ours = launcher(lambda sm: ptx(text, sm, linked=linked_names(text)), lowered.entry, argtypes, lowered)
    assert len(ours.kernel._codelibrary.get_cubin(cc=(9, 0, "a")).code) > 1000


def pathfinder_misses(library):
    try:
        pathfinder.load_nvidia_dynamic_lib(library)
    except pathfinder.DynamicLibNotFoundError:
        return True
    return False


def test_fastmath_is_known():
    @cuda.jit(fastmath=True)
    def scaled(x):
        x[0] /= float32(3.0)

    assert lower(scaled, (F4,)).fastmath
    assert not ready("single")[0].fastmath
