"""The private names of numba-cuda that numbad uses are there, and mean what numbad takes them for."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install numba-cuda")

import numpy as np
from numba import cuda, float64, int64, types
from numba.core.datamodel import models
from numba.cuda import compiler, dispatcher
from numba.cuda.codegen import CUDACodeLibrary, ExternalCodeLibrary
from numba.cuda.core import funcdesc
from numba.cuda.core.callconv import CUDACallConv
from numba.cuda.cudadrv import driver, nvvm
from numba.cuda.cudadrv.error import CudaDriverError, CudaSupportError
from numba.cuda.cudadrv.linkable_code import PTXSource
from numba.cuda.descriptor import cuda_target
from numba.cuda.dispatcher import CUDADispatcher, _Kernel, _LaunchConfiguration
from numba.cuda.errors import normalize_kernel_dimensions
from numba.cuda.typing import templates

from cuda_kernels import F8, KERNELS, loopy, saxpy
from numbad.compat import NUMBA_CUDA
from numbad.cuda import numba_cuda
from numbad.cuda.numba_cuda import calls, capability, code, device_function_of, functions, launcher, launching, lower
from numbad.errors import Unsupported

PROJECT = Path(__file__).parent.parent.parent
no_gpu = pytest.mark.skipif(cuda.is_available(), reason="there is a GPU, and it would run the kernel")
pytestmark = pytest.mark.filterwarnings("ignore::numba.cuda.core.errors.NumbaPerformanceWarning")


def names_of(function):
    return set(inspect.signature(function).parameters)


def test_this_version_is_accepted():
    NUMBA_CUDA.check(version("numba-cuda"))


def test_the_installer_gets_the_same_versions():
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert NUMBA_CUDA.requirement in extras["test"]
    assert NUMBA_CUDA.requirement.replace("numba-cuda", "numba-cuda[cu13]") in extras["cuda"]


def test_compilation():
    assert {"pyfunc", "return_type", "args", "lineinfo", "fastmath", "nvvm_options", "cc",
            "max_registers"} <= names_of(
        compiler.compile_cuda)
    assert list(inspect.signature(compiler.kernel_fixup).parameters) == ["kernel", "debug"]
    assert list(inspect.signature(nvvm.set_launch_bounds).parameters) == ["kernel", "launch_bounds"]
    assert "e-p:64:64" in nvvm._datalayout
    assert {"NVVM"} <= set(vars(nvvm))
    assert {"compile_cuda", "get_current_device"} <= set(vars(dispatcher))
    assert list(inspect.signature(CUDADispatcher.compile_device).parameters) == ["self", "args", "return_type"]
    assert isinstance(saxpy.overloads, dict) and isinstance(saxpy.targetoptions, dict)


def test_device_functions_are_looked_up_where_they_are_kept_apart():
    source = inspect.getsource(CUDADispatcher.compile_device)
    assert "self.overloads[args] = cres" in source and "insert_user_function" in source
    assert "get_current_device().compute_capability" in source and "compile_cuda(" in source


def test_types_and_data_models_are_numbas():
    import numba.cuda.datamodel.models
    import numba.cuda.types
    assert numba.cuda.types.Array is types.Array
    assert numba.cuda.datamodel.models.StructModel is models.StructModel


def test_library():
    library = CUDACodeLibrary(None, "name", entry_name="entry")
    held = {"_llvm_strs", "_finalized", "_linking_files", "_setup_functions", "_teardown_functions", "_ptx_cache",
            "referenced_objects", "use_cooperative", "needs_cudadevrt", "_max_registers"}
    assert held <= set(dir(library))
    assert library._ensure_cc((9, 0, "a")) == (9, 0, "a")
    assert "self.get_asm_strs(cc=cc)" in inspect.getsource(CUDACodeLibrary._link_all)


def test_size_of_blocks():
    assert {"func", "b2d_func", "memsize", "blocksizelimit"} <= names_of(driver.Context.get_max_potential_block_size)
    source = inspect.getsource(dispatcher.ForAll)
    assert "func=kernel._codelibrary.get_cufunc()" in source and "_, tpb = ctx.get_max_potential_block_size" in source
    assert "(self.ntasks + blockdim - 1) // blockdim" in source and "if self.ntasks == 0:\n            return" in source
    assert list(inspect.signature(CUDADispatcher.forall).parameters) == ["self", "ntasks", "tpb", "stream", "sharedmem"]


def test_kernel():
    assert {"cooperative", "name", "signature", "codelibrary", "debug", "lineinfo", "call_helper",
            "extensions"} <= names_of(_Kernel._rebuild)
    assert list(inspect.signature(_Kernel.launch).parameters) == [
        "self", "args", "griddim", "blockdim", "stream", "sharedmem"]
    assert list(inspect.signature(_LaunchConfiguration).parameters) == [
        "dispatcher", "griddim", "blockdim", "stream", "sharedmem"]
    assert "self.dispatcher.call(args, self)" in inspect.getsource(_LaunchConfiguration.__call__)


def test_foreign_functions():
    """What `calls` declares is numba-cuda's `declare_device`, with a library of ours to be linked."""
    held = {"_linking_files", "_setup_functions", "_teardown_functions", "use_cooperative", "modules"}
    assert held <= set(dir(ExternalCodeLibrary(None, "name")))
    assert "linking_libraries" in dir(CUDACodeLibrary)
    source = inspect.getsource(compiler.declare_device_function)
    for name in ("ExternFunction(", "make_concrete_template(", "insert_user_function(", "ExternalFunctionDescriptor("):
        assert name in source
    assert list(inspect.signature(compiler.ExternFunction).parameters) == ["name", "sig"]
    assert list(inspect.signature(templates.make_concrete_template).parameters) == ["name", "key", "signatures"]
    assert {"name", "restype", "argtypes"} <= names_of(funcdesc.ExternalFunctionDescriptor)
    assert list(inspect.signature(CUDACallConv).parameters) == ["context"]
    assert names_of(cuda_target.target_context.insert_user_function) >= {"func", "fndesc", "libs"}
    assert hasattr(cuda_target.target_context.data_model_manager[float64], "get_return_type")


def test_linked_sources_are_read_when_they_are_linked():
    """`calls.Ptx` makes its PTX then."""
    assert isinstance(PTXSource.data, property) and issubclass(calls.Ptx, cuda.PTXSource)
    assert "data" not in vars(PTXSource(b"text", name="name.ptx")) and PTXSource is cuda.PTXSource


def test_device_functions_are_asked_for_templates_and_overloads():
    for name in ("get_call_template", "get_overload", "fold_argument_types"):
        assert hasattr(CUDADispatcher, name)
    assert list(inspect.signature(CUDADispatcher.get_call_template).parameters) == ["self", "args", "kws"]
    assert "_compiling_counter" in dir(saxpy) and "_can_compile" in dir(saxpy) and "typingctx" in dir(saxpy)
    assert list(inspect.signature(functions.CUDADispatcher).parameters)[:2] == ["py_func", "targetoptions"]


def test_dispatchers_for_the_host_are_compiled_by_an_attribute():
    """Which the wrappers of derivatives define."""
    from numba import njit
    from numba.cuda.target import CUDATypingContext
    assert "__dispatcher" in inspect.getsource(CUDATypingContext.resolve_value_type)
    host = njit(lambda x: x)
    assert isinstance(device_function_of(host), CUDADispatcher)
    assert host._CUDATypingContext__dispatcher is device_function_of(host)


def test_what_numba_cuda_compiles_is_recognised_without_importing_it():
    from numbad.cuda import is_for_gpu
    assert sys.modules["numba.cuda.dispatcher"].CUDADispatcher is type(saxpy)
    assert is_for_gpu(saxpy) and not is_for_gpu(saxpy.py_func)


def test_errors():
    assert issubclass(CudaDriverError, Exception) and not issubclass(CudaSupportError, CudaDriverError)
    assert normalize_kernel_dimensions(4, (32, 2)) == ((4, 1, 1), (32, 2, 1))


# --- launching -------------------------------------------------------------------------------------------------------

def launched(name="saxpy"):
    kernel, argtypes = KERNELS[name]
    lowered = lower(kernel, argtypes)
    return launcher(lambda sm: f"// {sm}", "our_kernel", argtypes, lowered)


def test_ptx_is_asked_for_once_for_each_architecture():
    asked = []
    lowered = lower(loopy, (F8, F8, int64))
    ours = launcher(lambda sm: asked.append(sm) or f"// {sm}", "our_kernel", (F8,), lowered)
    library = ours.kernel._codelibrary
    for _ in range(2):
        assert library.get_asm_strs(cc=(9, 0, "a")) == ["// sm_90a"]
        assert library.get_asm_strs(cc=(7, 5)) == ["// sm_75"]
    assert asked == ["sm_90a", "sm_75"]


def test_a_kernel_for_the_whole_grid_is_launched_as_one():
    ours = launched("whole_grid")
    assert ours.kernel.cooperative and ours.kernel._codelibrary.needs_cudadevrt
    assert not launched("saxpy").kernel.cooperative


def test_files_and_limits_of_the_primal_are_kept():
    @cuda.jit(link=[cuda.PTXSource(b"// theirs")], max_registers=40)
    def scaled(x):
        x[0] *= 2.0

    library = launcher(lambda sm: "", "our_kernel", (F8,), lower(scaled, (F8,))).kernel._codelibrary
    assert [type(file) for file in library._linking_files] == [cuda.PTXSource]
    assert library._max_registers == 40


def test_launch_configuration(monkeypatch):
    seen = []
    monkeypatch.setattr(_Kernel, "launch", lambda self, *given: seen.append(given))
    ours = launched()
    ours[4, 32](1.0, 2, 3, 4)
    ours[(4, 2), (32, 1, 2), 0, 256](1.0, 2, 3, 4)
    (arguments, grid, block, _, shared), (_, grid2, block2, _, shared2) = seen
    assert (arguments, grid, block, shared) == ((1.0, 2, 3, 4), (4, 1, 1), (32, 1, 1), 0)
    assert (grid2, block2, shared2) == ((4, 2, 1), (32, 1, 2), 256)
    with pytest.raises(TypeError, match="takes 4 arguments, and 1 were given"):
        ours[4, 32](1.0)
    with pytest.raises(ValueError, match="launched with"):
        ours[4, 32, 0, 0, 0]
    with pytest.raises(ValueError, match="launched with"):
        ours[(4,)]


def test_the_size_of_blocks_is_asked_for_our_kernel(monkeypatch):
    asked = []

    def get_max_potential_block_size(**given):
        asked.append(given)
        return 20, 96

    ours = launched()
    monkeypatch.setattr(ours.kernel._codelibrary, "get_cufunc", lambda: "our function")
    monkeypatch.setattr(launching, "get_context", lambda: SimpleNamespace(
        get_max_potential_block_size=get_max_potential_block_size))
    assert numba_cuda.block_size(ours, 512) == 96
    assert asked == [{"func": "our function", "b2d_func": 0, "memsize": 512, "blocksizelimit": 1024}]


def test_arguments_are_passed_as_the_parameters_say(monkeypatch):
    """With the device arrays faked: what `_prepare_args` appends is one value for each parameter, in order."""
    def on_device(array):
        layout = SimpleNamespace(strides_in_bytes=array.strides, is_contiguous_c=True, is_contiguous_f=True)
        return SimpleNamespace(size=array.size, dtype=array.dtype, ptr=array.ctypes.data, shape=array.shape,
                               _layout=layout)

    monkeypatch.setattr(dispatcher, "wrap_arg", lambda value: SimpleNamespace(
        to_device=lambda copies, stream: on_device(value)))
    lowered = lower(saxpy, (float64, F8, F8, F8))
    kernel = launched().kernel
    arrays = [np.arange(5.0) for _ in range(3)]
    flat = []
    for ty, value in zip(kernel.argument_types, (2.0, *arrays), strict=True):
        kernel._prepare_args(ty, value, 0, [], flat)
    assert len(flat) == len(lowered.parameters)
    by_path = {(each.name, each.path): value for each, value in zip(lowered.parameters, flat, strict=True)}
    assert by_path["a", ()].value == 2.0
    assert by_path["x", ("data",)] == arrays[0].ctypes.data
    assert (by_path["y", ("shape", 0)], by_path["y", ("strides", 0)]) == (5, 8)
    assert by_path["out", ("nitems",)] == 5 and by_path["out", ("itemsize",)] == 8


@no_gpu
def test_without_a_gpu_the_launch_says_so():
    with pytest.raises(Unsupported, match="no CUDA GPU"):
        launched()[1, 1](1.0, 2, 3, 4)


@no_gpu
def test_without_a_gpu_the_oldest_is_compiled_for():
    assert capability() == (7, 5)


# --- what is missing -------------------------------------------------------------------------------------------------

def run(code, **environment):
    import os
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


def test_importing_numbad_needs_no_numba_cuda():
    done = run("import sys, numbad, numbad.cuda\nprint([n for n in sys.modules if n.startswith('numba.cuda.codegen')])")
    assert done.stdout == "[]\n", done.stderr


def test_missing_numba_cuda():
    done = run("import importlib.metadata as m\n"
               "old = m.version\n"
               "def version(name):\n"
               "    if name == 'numba-cuda': raise m.PackageNotFoundError(name)\n"
               "    return old(name)\n"
               "m.version = version\n"
               "import numbad.cuda.numba_cuda")
    assert "ImportError: derivatives of CUDA kernels need numba-cuda: pip install 'numbad[cuda]'" in done.stderr


def test_other_versions_are_refused():
    done = run("import importlib.metadata as m\nold = m.version\n"
               "m.version = lambda name: '9.1.0' if name == 'numba-cuda' else old(name)\n"
               "import numbad.cuda.numba_cuda")
    assert "ImportError: this numbad was not tested with numba-cuda 9.1.0" in done.stderr


def test_the_simulator_is_refused():
    done = run("import numbad.cuda.numba_cuda", NUMBA_ENABLE_CUDASIM="1")
    assert "ImportError: NUMBA_ENABLE_CUDASIM is set" in done.stderr


def test_missing_toolkit(monkeypatch):
    from cuda import pathfinder

    def missing(name):
        raise pathfinder.BitcodeLibNotFoundError("not here")

    monkeypatch.setattr(pathfinder, "find_bitcode_lib", missing)
    code._libdevice.cache_clear()
    code.ptx.cache_clear()
    with pytest.raises(Unsupported, match="pip install 'numbad\\[cuda\\]'"):
        code.ptx("declare double @__nv_sin(double)", "sm_90")
