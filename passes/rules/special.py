"""Partial derivatives of the special functions. See `elementary`."""

from __future__ import annotations

import math

from numbad.passes.rules.algebra import exp, polygamma
from numbad.passes.rules.table import partials

_SLOPE = 2.0 / math.sqrt(math.pi)

partials("erf", lambda x, y: _SLOPE * exp(-(x * x)))
partials("erfc", lambda x, y: -_SLOPE * exp(-(x * x)))
partials("tgamma", lambda x, y: y * polygamma(0, x), strong=True)
partials("lgamma", lambda x, y: polygamma(0, x), strong=True)
partials("polygamma", lambda n, x, y: (None, polygamma(n + 1, x)), strong=True)
