"""What the derivative is where there is none: one table for both modes, since both use the same formulas.

Where JAX has a convention, it is taken. A seed of 0 gives 0 whatever the partial is, for the functions in `STRONG`:
those whose partials are infinite or nan at some finite point (but for overflow, as of exp). Under fast-math flags
nothing of this is promised.

Comparisons, and what rounds (`floor`, `ceil`, `trunc`, `rint`, conversions to integers), have the derivative 0
everywhere. What a program writes with branches follows the branch that is taken: `abs(x)` is fabs, but
`x if x >= 0 else -x` has the derivative 1 at 0, and `max(a, b)` of Python follows its comparison.

Every row is tested, with the formula on floats and compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan


@dataclass(frozen=True)
class Convention:
    """The partials of a function at a point, None where it has none by that operand."""

    function: str
    point: tuple[float, ...]
    partials: tuple[float | None, ...]
    reason: str


CONVENTIONS: tuple[Convention, ...] = tuple(Convention(*row) for row in (
    ("fabs", (0.0,), (0.0,), "the middle of -1 and 1; of -0.0 too"),
    ("fabs", (-0.0,), (0.0,), "as for 0.0"),
    ("copysign", (0.0, -1.0), (0.0, None), "as |x| at 0"),
    ("min", (1.0, 1.0), (1.0, 0.0), "equal operands: all to the first"),
    ("max", (1.0, 1.0), (1.0, 0.0), "equal operands: all to the first"),
    ("max", (-0.0, 0.0), (1.0, 0.0), "zeros are equal"),
    ("max", (nan, 1.0), (0.0, 1.0), "the operand that is no nan was taken"),
    ("fdim", (1.0, 1.0), (0.0, 0.0), "equal operands: the result is the constant 0"),
    ("frem", (3.0, 0.0), (1.0, nan), "the result is nan"),
    ("frem", (3.0, 1.0), (1.0, -3.0), "at a jump: the derivative from the side on which the result is the value"),
    ("mod", (-3.0, 2.0), (1.0, 2.0), "away from the jumps: x - floor(x / y) y"),
    ("mod", (6.0, 2.0), (1.0, -3.0), "at a jump: from the side on which the result is the value"),
    ("fdiv", (1.0, 0.0), (inf, -inf), "the limit from above"),
    ("sqrt", (0.0,), (inf,), "the limit"),
    ("cbrt", (0.0,), (inf,), "the limit"),
    ("reciprocal", (0.0,), (-inf,), "the limit from above"),
    ("rsqrt", (0.0,), (-inf,), "the limit"),
    ("rcbrt", (0.0,), (-inf,), "the limit from above"),
    ("saturate", (0.0,), (1.0,), "an end of the interval: the operand was taken, as by min and max"),
    ("saturate", (1.0,), (1.0,), "as at 0"),
    ("saturate", (nan,), (0.0,), "the result is the constant 0"),
    ("log", (0.0,), (inf,), "the limit from above"),
    ("log1p", (-1.0,), (inf,), "the limit from above"),
    ("asin", (1.0,), (inf,), "the limit"),
    ("acos", (-1.0,), (-inf,), "the limit"),
    ("acosh", (1.0,), (inf,), "the limit"),
    ("atanh", (1.0,), (inf,), "the limit from below"),
    ("pow", (0.0, 2.0), (0.0, 0.0), "0**y does not depend on y > 0"),
    ("pow", (0.0, 1.0), (1.0, 0.0), "the limit"),
    ("pow", (0.0, 0.5), (inf, 0.0), "as sqrt"),
    ("pow", (0.0, 0.0), (0.0, 0.0), "x**0 is 1 for every x; 0**y as for y > 0"),
    ("pow", (2.0, 0.0), (0.0, 0.6931471805599453), "x**0 is 1 for every x"),
    ("pow", (-2.0, 3.0), (12.0, nan), "of a negative base there is no power nearby in y"),
    ("powi", (0.0, 0), (0.0, None), "x**0 is 1 for every x"),
    ("powi", (0.0, 1), (1.0, None), "away from the singular point"),
    ("powi", (0.0, -1), (-inf, None), "the limit"),
    ("hypot", (0.0, 0.0), (0.0, 0.0), "the middle of all directions"),
    ("norm3d", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), "as hypot"),
    ("norm4d", (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0), "as hypot"),
    ("rhypot", (0.0, 0.0), (nan, nan), "a pole: no direction is the middle"),
    ("rnorm3d", (0.0, 0.0, 0.0), (nan, nan, nan), "as rhypot"),
    ("rnorm4d", (0.0, 0.0, 0.0, 0.0), (nan, nan, nan, nan), "as rhypot"),
    ("atan2", (0.0, 0.0), (nan, nan), "the angle of the origin is undefined"),
    ("sinc", (0.0,), (0.0,), "differentiable: sin(pi x) / (pi x) continued"),
    ("logaddexp", (-inf, 0.0), (0.0, 1.0), "the limit"),
    ("logaddexp", (inf, 0.0), (1.0, 0.0), "the limit"),
    ("tgamma", (-1.0,), (nan,), "a pole"),
    ("lgamma", (0.0,), (nan,), "a pole"),
    ("erfinv", (1.0,), (inf,), "the limit"),
    ("erfcinv", (0.0,), (-inf,), "the limit"),
    ("normcdfinv", (0.0,), (inf,), "the limit"),
    ("j1", (0.0,), (0.5,), "differentiable, though j1(x) / x is no number there"),
    ("jn", (0, 0.0), (None, 0.0), "as j0"),
    ("cyl_bessel_i1", (0.0,), (0.5,), "as j1"),
    ("y0", (0.0,), (inf,), "the limit"),
    ("y1", (0.0,), (nan,), "a pole"),
    ("yn", (2, 0.0), (None, nan), "a pole"),
    ("nextafter", (1.0, 2.0), (1.0, None), "as the identity; the direction has no derivative"),
))

STRONG = frozenset("""fdiv reciprocal frem mod remainder sqrt cbrt rsqrt rcbrt log log2 log10 log1p asin acos acosh
atanh pow powi hypot norm3d norm4d rhypot rnorm3d rnorm4d atan2 tgamma lgamma polygamma erfinv erfcinv normcdfinv y0
y1 yn""".split())
"""Functions whose products with a seed are strong. Not where what is known of the operands keeps them away from the
singular points (`regular`): infinite or nan operands and results are then as those of a product or of exp."""
