"""A kernel of numba-cuda as one LLVM module, to be run by itself: what its derivatives are compared with.

Given   a `@cuda.jit` kernel and the Numba types of its arguments.
Gives   the text of one module and the name of the kernel in it. None of the engine's preparation is in it: LLVM's own
        pipeline at `level` has simplified it, without unrolling loops: each barrier is there once.
"""

from __future__ import annotations

import llvmlite.binding as binding

from numbad.cuda import numba_cuda
from numbad.passes import llvm, nvptx
from numbad.passes.atomics import with_bodies


def lowered(kernel, argtypes: tuple, level: int = 2) -> tuple[str, str]:
    found = numba_cuda.lower(kernel, argtypes)
    machine = nvptx.machine("sm_90")
    text = with_bodies(nvptx.attributed(llvm.link(*found.texts, machine=machine)))
    text = llvm.internalised(text, found.entry)
    return simplified(text, level) if level else text, found.entry


def simplified(text: str, level: int) -> str:
    module = binding.parse_assembly(text)
    target = binding.Target.from_triple(nvptx.TRIPLE).create_target_machine(cpu="sm_90", opt=level)
    tuning = binding.PipelineTuningOptions(speed_level=level)
    tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
    builder = binding.create_pass_builder(target, tuning)
    builder.getModulePassManager().run(module, builder)
    return str(module)
