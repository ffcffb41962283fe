"""numbad differentiates what Numba compiles."""

import llvmlite
import numba

from numbad.compat import LLVMLITE, NUMBA

NUMBA.check(numba.__version__)
LLVMLITE.check(llvmlite.__version__)

import numbad.inside  # noqa: E402, F401  (makes the functions below known to Numba)
from numbad import cuda, runtime  # noqa: E402
from numbad.agreement import check_grads  # noqa: E402
from numbad.api import grad, jvp, value_and_grad, vjp  # noqa: E402
from numbad.arena import release_memory  # noqa: E402
from numbad.differentiate import differentiate  # noqa: E402
from numbad.errors import EngineError, Error, NoDerivative, Unsupported, WrongDerivative  # noqa: E402
from numbad.inplace import Active, Const, Dup, autodiff  # noqa: E402

__all__ = ["Active", "Const", "Dup", "EngineError", "Error", "NoDerivative", "Unsupported", "WrongDerivative",
           "autodiff", "check_grads", "cuda", "differentiate", "grad", "jvp", "release_memory", "value_and_grad", "vjp"]


def _init_extension() -> None:
    """Numba calls this when it starts: code from its on-disk cache may need our symbols before numbad is imported."""
    runtime.register()
