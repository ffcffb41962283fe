"""What numba-cuda gets of a kernel that calls derivatives: PTX, which its own linker takes."""

import pickle
import subprocess
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda import pathfinder  # noqa: E402
from cuda.calls import device, potential  # noqa: E402
from cuda.emulated import F64  # noqa: E402
from numba import cuda, types  # noqa: E402
from numba.cuda import dispatcher  # noqa: E402
from numba.cuda.codegen import CUDACodeLibrary  # noqa: E402

import numbad as nd  # noqa: E402
from numbad.cuda import numba_cuda  # noqa: E402
from numbad.cuda.numba_cuda import calls  # noqa: E402


@device
def branchless(x):
    return x * x * x


def test_ptx_is_linked():
    """The kernel's library links the derivative as PTX with a visible function, once for all that call it."""
    gradient = nd.grad(branchless)

    @cuda.jit
    def kernel(x, y):
        x[0] = gradient(x[1]) + nd.grad(branchless)(x[2]) + nd.grad(branchless)(y[0])

    lowered = numba_cuda.lower(kernel, (F64, F64))
    (file,) = lowered.library._linking_files
    ptx = file.data.decode()
    assert f".visible .func  (.param .b32 func_retval0) {file.symbol}" in ptx
    assert ptx.count(".func") == 1
    assert "mul" in ptx


def test_always_the_same():
    assert nd.grad(potential) is nd.grad(potential, argnums="x")
    assert nd.grad(potential) is not nd.value_and_grad(potential)


def test_nothing_of_numba_cuda_is_imported():
    code = ("import sys, numbad as nd; nd.grad(lambda x: x * x)(1.0); "
            "assert not any(name.startswith(('numba_cuda', 'numba.cuda.dispatcher')) for name in sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pickle():
    assert pickle.loads(pickle.dumps(nd.grad(potential))).asked == nd.grad(potential).asked


def misses(*libraries):
    for library in libraries:
        try:
            pathfinder.load_nvidia_dynamic_lib(library)
        except pathfinder.DynamicLibNotFoundError:
            return True
    try:
        pathfinder.find_bitcode_lib("device")
    except pathfinder.BitcodeLibNotFoundError:
        return True
    return False


@pytest.mark.parametrize("lto", [False, True])
def test_cubin(monkeypatch, lto):
    """numba-cuda compiles the kernel as for a launch, by libNVVM, and links it with ours."""
    if misses("nvvm", "nvJitLink"):
        pytest.skip("needs libNVVM, libdevice and nvJitLink: pip install nvidia-nvvm nvidia-nvjitlink")
    gradient = nd.grad(potential, argnums=(0, 1))

    @cuda.jit(lto=lto)
    def kernel(x, out):
        i = cuda.grid(1)
        if i < x.size:
            a, b = gradient(x[i], 2.0)
            out[i] = a + b + nd.grad(nd.grad(branchless))(x[i])

    cubins = []

    def loaded(library):
        cubins.append(library.get_cubin(cc=(9, 0, "a")))
        return SimpleNamespace(module=SimpleNamespace(initialized=True))

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    monkeypatch.setattr(calls, "capability", lambda: (9, 0))
    monkeypatch.setattr(CUDACodeLibrary, "_ensure_cc", lambda library, cc=None: (9, 0, "a"))
    monkeypatch.setattr(CUDACodeLibrary, "get_cufunc", loaded)
    kernel.compile((F64, F64))
    assert len(cubins[0].code) > 1000


def test_what_numba_cuda_types_a_derivative_as():
    typing = potential.typingctx
    assert typing.resolve_value_type(nd.grad(host)).dispatcher.primal.py_func is host
    assert isinstance(typing.resolve_value_type(nd.grad(potential)), types.Dispatcher)


def host(x):
    return x * x
