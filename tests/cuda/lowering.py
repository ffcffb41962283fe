"""A kernel of numba-cuda as one LLVM module, without a GPU, a driver or libNVVM.

Given   a `@cuda.jit` kernel and the Numba types of its arguments.
Gives   the text of one module, simplified but not unrolled, and the name of the kernel in it.
"""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import llvmlite.binding as llvm
from numba.cuda import compiler, dispatcher
from numba.cuda.cudadrv import nvvm

CAPABILITY = (9, 0)


def lowered(kernel, argtypes: tuple, level: int = 2) -> tuple[str, str]:
    library = library_of(kernel, argtypes)
    module, *others = [llvm.parse_assembly(nvvm.llvm_replace(text)) for text in library.llvm_strs]
    for other in others:
        module.link_in(other)
    entry = library._entry_name
    for function in module.functions:
        if function.name.startswith("llvm."):
            continue
        function.add_function_attribute("convergent")  # numba-cuda sets none, and barriers must not move
        if function.name != entry and not function.is_declaration:
            function.linkage = "internal"
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("nvptx64-nvidia-cuda").create_target_machine(cpu="sm_90", opt=level)
    module.data_layout = str(target.target_data)
    if level:
        tuning = llvm.create_pipeline_tuning_options(speed_level=level)
        tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
        builder = llvm.create_pass_builder(target, tuning)
        builder.getModulePassManager().run(module, builder)
    return str(module), entry


def library_of(kernel, argtypes: tuple):
    """numba-cuda asks the current device for its capability, and libNVVM for its version, even when it only lowers."""
    device = SimpleNamespace(compute_capability=CAPABILITY)
    fake = SimpleNamespace(data_layout=nvvm._datalayout, get_ir_version=lambda: (2, 0, 3, 2))
    with mock.patch.object(dispatcher, "get_current_device", lambda: device), \
            mock.patch.object(nvvm, "NVVM", lambda: fake):
        library, _ = compiler._compile_pyfunc_with_fixup(
            kernel.py_func, argtypes, device=False, cc=CAPABILITY, abi="numba",
            fastmath=kernel.targetoptions.get("fastmath", False))
        library.llvm_strs  # noqa: B018  (asks for the version as well)
    return library
