"""Random CUDA kernels without races, their derivatives checked on the emulator, and failures cut down to a few lines.

    python -m cuda.fuzz --count 500 --inputs 3 --log /tmp/kernels.jsonl      in tests/, resumes where the log ends
    python -m cuda.fuzz --show 17                                            the kernel of a seed

`kernels` writes them: what a thread does by itself (`threads`), how the threads of a warp (`warps`) and of a block meet
(`meetings`), what they may touch in between (`places`), the functions that they call (`functions`), launch shapes and
arguments (`shapes`). `checking` asks what is wrong with one. The tree of
statements, the scissors and the run are those of `fuzz`, where programs for the host are written. What is found goes
to the pool.
"""
