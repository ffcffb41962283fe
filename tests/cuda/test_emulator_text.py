"""What the emulator makes of IR that no front end wrote: generated code, and names that it does not know."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")


from cuda.emulated import ORDERS  # noqa: E402
from cuda.emulator import EmulatedKernel, Pointer, Race, Unsupported, available, flatten, operations  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)


GENERATED = """
target triple = "nvptx64-nvidia-cuda"
@shadow = internal unnamed_addr addrspace(3) global [32 x double] undef, align 8
@"a.name with blanks" = internal addrspace(3) global [4 x float] poison, align 4
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare void @llvm.memset.p3.i64(ptr addrspace(3), i8, i64, i1)
define internal void @accumulate(ptr %to, double %v) noinline {
  %old = atomicrmw fadd ptr %to, double %v syncscope("device") monotonic, align 8
  ret void
}
define ptx_kernel void @k(ptr %x, ptr addrspace(1) %x_bar, double %v, float %w, i32 %n, i1 %b) {
  %t = call range(i32 0, 1024) i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %first = icmp eq i32 %t, 0
  br i1 %first, label %zero, label %go
zero:
  call void @llvm.memset.p3.i64(ptr addrspace(3) align 8 @shadow, i8 0, i64 256, i1 false)
  store float 0.0, ptr addrspace(3) getelementptr inbounds nuw (i8, ptr addrspace(3) @"a.name with blanks", i64 8)
  br label %go
go:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %s = getelementptr double, ptr addrspace(3) @shadow, i32 %t
  %old = load double, ptr addrspace(3) %s, align 8
  %sum = fadd double %old, %v
  store double %sum, ptr addrspace(3) %s, align 8
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %other = xor i32 %t, 1
  %o = getelementptr double, ptr addrspace(3) @shadow, i32 %other
  %part = load double, ptr addrspace(3) %o, align 8
  %q = addrspacecast ptr addrspace(1) %x_bar to ptr
  call void @accumulate(ptr %q, double %part)
  ret void
}
"""


@pytest.mark.parametrize("order", ORDERS)
def test_what_generated_code_has(order):
    """Shadows of any name and linkage, other address spaces, scopes of atomics, local functions that stay, memset."""
    kernel = EmulatedKernel(GENERATED, "k", races=True)
    assert set(kernel.shared) == {"shadow", "a.name with blanks"}
    x_bar = np.zeros(1)
    for _ in range(2):
        kernel.launch(2, 32, flatten(Pointer(np.zeros(1)), Pointer(x_bar), 0.5, 0.25, 3, True), order=order)
    assert x_bar[0] == 2 * 2 * 32 * 0.5


def test_a_missing_barrier_in_generated_code_is_a_race():
    start = GENERATED.index("  call void @llvm.nvvm.barrier")
    end = GENERATED.index("\n", start)
    text = GENERATED[:start] + GENERATED[end:]
    with pytest.raises(Race, match="of shared memory"):
        EmulatedKernel(text, "k", races=True).launch(
            1, 32, flatten(Pointer(np.zeros(1)), Pointer(np.zeros(1)), 0.5, 0.25, 3, True))


def test_older_spelling_of_barriers():
    """LLVM 20 keeps barrier0; newer ones upgrade it when they parse."""
    text = operations.defined({"barrier0", "barrier0.popc", "barrier0.and", "barrier0.or"})
    assert all(f"@emu.nvvm.barrier0{end}(" in text for end in ("", ".popc", ".and", ".or"))


@pytest.mark.parametrize("call, message", [
    ("call void @unknown()", "unknown"),
    ("call void @llvm.nvvm.cp.async.wait.all()", "cp.async.wait.all"),
    ('call void asm sideeffect "trap;", ""()', "inline assembly"),
    ("call void @__nv_nothing()", "__nv_nothing"),
])
def test_unknown_names_are_refused(call, message):
    name = call.partition("@")[2].partition("(")[0]
    declaration = f"declare void @{name}()" if name else ""
    with pytest.raises(Unsupported, match=message):
        EmulatedKernel(f"{declaration}\ndefine void @k() {{\n  {call}\n  ret void\n}}\n", "k")
