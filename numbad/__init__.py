"""numbad differentiates what Numba compiles."""

import numba

from numbad.compat import check_numba

check_numba(numba.__version__)

from numbad import inside  # noqa: E402  (registers the functions below for compiled code)
from numbad.api import grad, jvp, value_and_grad, vjp  # noqa: E402
from numbad.differentiate import differentiate  # noqa: E402
from numbad.errors import EngineError, Error, NoDerivative, Unsupported  # noqa: E402
from numbad.inplace import Active, Const, Dup, autodiff  # noqa: E402

__all__ = ["Active", "Const", "Dup", "EngineError", "Error", "NoDerivative", "Unsupported", "autodiff",
           "differentiate", "grad", "jvp", "value_and_grad", "vjp"]


def _init_extension() -> None:
    """Numba's entry point: importing this module has registered everything that compiled code needs."""
    assert inside
