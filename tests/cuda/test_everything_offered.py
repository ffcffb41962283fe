"""All that numba-cuda offers in kernels, beside Python, `math` and libdevice, has a derivative, is beside it, or is
refused with a reason; and nothing that it offers is missing here.

Each row is a line of a kernel that adds to `r`, of which `x * r` is returned: `v` is a number that is differentiated,
`k` an integer, `i` the thread. (For libdevice see `test_libdevice`.)
"""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.agreement import check_derivatives, derivative_of  # noqa: E402
from cuda.emulator import available  # noqa: E402
from cuda.pool import Kernel  # noqa: E402
from numba import cuda, types  # noqa: E402
from numba.cuda import cache_hints, cg, fp16, intrinsics, stubs  # noqa: E402

import numbad as nd  # noqa: E402
from numbad.source import define  # noqa: E402

pytestmark = pytest.mark.skipif(not available(), reason=available().reason)

DIFFERENTIATED = {
    "shfl_sync": "r += cuda.shfl_sync(FULL, v, k)",
    "shfl_up_sync": "r += cuda.shfl_up_sync(FULL, v, 2)",
    "shfl_down_sync": "r += cuda.shfl_down_sync(FULL, v, k)",
    "shfl_xor_sync": "r += cuda.shfl_xor_sync(FULL, v, 4)",
    "fma": "r += cuda.fma(v, v, 2.0)",
    "cbrt": "r += cuda.cbrt(v)",
    "selp": "r += cuda.selp(k > 3, v, 2.0 * v * v)",
    "atomic.add": "cuda.atomic.add(total, 0, v * v)",
    "atomic.sub": "cuda.atomic.sub(total, 0, v * v)",
    "shared": "s = cuda.shared.array(32, float64)\ns[i] = v\ncuda.syncthreads()\nr += s[31 - i]",
    "double2": "p = cuda.double2(v, v * v)\nr += p.x * p.y",
    "local": "s = cuda.local.array(2, float64)\ns[k % 2] = v\nr += s[k % 2]",
}

BESIDE = {
    "grid": "r += cuda.grid(1)",
    "gridsize": "r += cuda.gridsize(1)",
    "threadIdx": "r += cuda.threadIdx.x",
    "blockIdx": "r += cuda.blockIdx.x",
    "blockDim": "r += cuda.blockDim.x",
    "gridDim": "r += cuda.gridDim.x",
    "laneid": "r += cuda.laneid",
    "warpsize": "r += cuda.warpsize",
    "lanemask_lt": "r += cuda.lanemask_lt()",
    "activemask": "r += cuda.activemask() & 1",
    "const": "r += cuda.const.array_like(TABLE)[k % 4]",
    "syncthreads": "cuda.syncthreads()",
    "syncthreads_and": "r += cuda.syncthreads_and(int32(v > 0.0))",
    "syncthreads_or": "r += cuda.syncthreads_or(int32(v > 0.0))",
    "syncthreads_count": "r += cuda.syncthreads_count(int32(v > 1.0))",
    "syncwarp": "cuda.syncwarp()",
    "threadfence": "cuda.threadfence()",
    "threadfence_block": "cuda.threadfence_block()",
    "threadfence_system": "cuda.threadfence_system()",
    "all_sync": "r += int32(cuda.all_sync(FULL, v > 1.0))",
    "any_sync": "r += int32(cuda.any_sync(FULL, v > 1.0))",
    "eq_sync": "r += int32(cuda.eq_sync(FULL, v > 1.0))",
    "ballot_sync": "r += cuda.popc(int32(cuda.ballot_sync(FULL, v > 1.0)))",
    "match_any_sync": "r += cuda.match_any_sync(FULL, int32(k)) & 7",
    "match_all_sync": "r += int32(cuda.match_all_sync(FULL, int32(k))[1])",
    "popc": "r += cuda.popc(k)",
    "brev": "r += cuda.brev(uint32(k)) >> 24",
    "clz": "r += cuda.clz(int32(k))",
    "ffs": "r += cuda.ffs(int32(k))",
    "nanosleep": "cuda.nanosleep(uint32(8))",
    "atomic.and_": "cuda.atomic.and_(n, i, 7)",
    "atomic.or_": "cuda.atomic.or_(n, i, 7)",
    "atomic.xor": "cuda.atomic.xor(n, i, 7)",
    "atomic.exch": "cuda.atomic.exch(n, i, 7)",
    "cg.this_grid": "cg.this_grid().sync()",
}

NO_RULE, ASSEMBLY, OTHERS = "and there is no rule for it", "of inline assembly", "depends on other threads"

REFUSED = {
    "atomic.max": ("cuda.atomic.max(total, 0, v)", NO_RULE),
    "atomic.min": ("cuda.atomic.min(total, 0, v)", NO_RULE),
    "atomic.nanmax": ("cuda.atomic.nanmax(total, 0, v)", NO_RULE),
    "atomic.nanmin": ("cuda.atomic.nanmin(total, 0, v)", NO_RULE),
    "atomic.inc": ("cuda.atomic.inc(u, i, uint64(7))", NO_RULE),
    "atomic.dec": ("cuda.atomic.dec(u, i, uint64(7))", NO_RULE),
    "atomic.cas": ("cuda.atomic.cas(n, i, k, 7)", OTHERS),
    "atomic.compare_and_swap": ("cuda.atomic.compare_and_swap(n[i:], k, 7)", OTHERS),
    **{name: (f"r += cuda.{name}(x, i)", ASSEMBLY) for name in ("ldca", "ldcg", "ldcs", "ldcv", "ldlu")},
    **{name: (f"cuda.{name}(out, i, v)", ASSEMBLY) for name in ("stcg", "stcs", "stwb", "stwt")},
    "float16": ("r += float64(float16(v) * float16(2.0))", ASSEMBLY),
    "fp16.hsin": ("r += float64(fp16.hsin(float16(v)))", ASSEMBLY),
}


def kernel_of(name: str, lines: str) -> Kernel:
    body = ["i = cuda.grid(1)", "v, k, r = x[i], n[i], 0.0", *lines.splitlines(), "out[i] += x[i] * (1.0 + r)"]
    known = {"cuda": cuda, "cg": cg, "fp16": fp16, "FULL": 0xFFFFFFFF, "TABLE": np.arange(4.0)}
    known |= {ty: getattr(types, ty) for ty in ("int32", "uint32", "uint64", "float16", "float64")}

    def arguments(rng):
        return (rng.uniform(0.5, 1.5, 32), rng.integers(0, 16, 32), np.arange(32, dtype=np.uint64), np.zeros(1),
                np.zeros(32))
    kernel = cuda.jit(define("kernel", "x, n, u, total, out", body, known))
    return Kernel(name, kernel, arguments, grid=1, block=32, active=(0, 3, 4))


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_differentiated(name):
    check_derivatives(kernel_of(name, DIFFERENTIATED[name]))


def test_beside_the_derivative():
    check_derivatives(kernel_of("beside", "\n".join(BESIDE.values())))


@pytest.mark.slow
@pytest.mark.parametrize("name", BESIDE)
def test_each_beside_the_derivative(name):
    check_derivatives(kernel_of(name, BESIDE[name]))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("mode", [pytest.param("forward", marks=pytest.mark.slow), "reverse"])
def test_refused(mode, name):
    line, reason = REFUSED[name]
    with pytest.raises((nd.NoDerivative, nd.Unsupported), match=reason):
        derivative_of(kernel_of(name, line), mode)


def test_nothing_is_missing():
    """Types of short vectors are many; `double2` stands for them, `float16` and `hsin` for numbers of 16 bits."""
    modules = {intrinsics.__name__, cache_hints.__name__}
    offered = {name for name, value in vars(cuda).items()
               if isinstance(value, type) and issubclass(value, stubs.Stub)
               or getattr(value, "__module__", None) in modules}
    offered = {name for name in offered if not re.fullmatch(r"u?[a-z]+\d*(x|(?<!\d))[1-4]", name)}
    offered |= {f"atomic.{name}" for name in vars(cuda.atomic) if not name.startswith("_")}
    listed = DIFFERENTIATED.keys() | BESIDE.keys() | REFUSED.keys()
    assert offered - {"atomic"} == listed - {"double2", "float16", "fp16.hsin", "cg.this_grid"}
    assert len(listed) == len(DIFFERENTIATED) + len(BESIDE) + len(REFUSED)
