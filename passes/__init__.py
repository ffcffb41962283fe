"""The engine: LLVM IR in, LLVM IR out. It knows nothing of Numba, of Python functions or of arrays.

`ir` says what a program is, `analysis` what is known about it, `rules` hold the mathematics, `derivative`
joins them into new functions, and `pipeline` is the order of the journey on one page.
"""

if __name__ != "numbad.passes":
    raise ImportError("this folder is installed as numbad.passes; import it by that name")
