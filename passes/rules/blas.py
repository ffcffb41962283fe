"""The products that Numba hands to BLAS: `np.dot` and `@` of vectors and matrices."""

from __future__ import annotations

from numbad.passes.ir.instructions import Call


def is_blas(call: Call) -> bool:
    """The call is one of Numba's BLAS shims."""
    return (call.callee_name or "") in ("numba_xxdot", "numba_xxgemv", "numba_xxgemm")
