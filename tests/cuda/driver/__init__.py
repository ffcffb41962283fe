"""numba-cuda's real launcher without a GPU: a driver that is none, whose kernels run on the emulator.

    libcuda.c   the stand-in for NVIDIA's libcuda.so.1; its header says what it does and what it does not show
    build       compiles it, and says what a process needs to find it; or why it cannot be used here
    kernels     in that process: finds the LLVM text of each kernel that is launched, and runs it

A process with it sees one GPU. numba-cuda types, links (by the toolkit's nvJitLink) and loads its kernels as ever, and
packs arguments and launches them by cuda-core; what is launched is then the kernel's LLVM text, on the emulator, with
the parameters that the driver was given. That text becomes machine code is not shown: the linked image is not run.
"""
