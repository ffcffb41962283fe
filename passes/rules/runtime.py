"""Functions that derivatives call and no library has. `RUNTIME[symbol](library)` is LLVM text that defines the symbol
for a machine with this library of elementary functions (see `targets`).

polygamma(n, x): the n-th derivative of digamma, which is the logarithmic derivative of the gamma function. Relative
error about 1e-14 for n = 0 ... 10, absolute near the zeros of digamma; nan at the poles 0, -1, -2 ...

How     x > 0: psi(n, x) = (-1)^(n+1) n! sum of 1 / (x + k)^(n+1) over k = 0, 1 ...; the terms up to x + k = n + 10 are
        summed, the rest z = x + k is the asymptotic series (Abramowitz and Stegun 6.4.11)
            psi(n, z) ~ (-1)^(n+1) [(n-1)! / z^n + n! / (2 z^(n+1)) + sum of B_2k (2k+n-1)! / ((2k)! z^(2k+n))]
        with log z in place of -(n-1)! / z^n for n = 0.
        x < 0: the same sum split at 0. With g = the fraction of -x and f = 1 - g, both found without rounding,
            psi(n, x) = psi(n, f) + (-1)^(n+1) (psi(n, g) - psi(n, 1 - x)).

`polygamma` below is the same algorithm in Python: the text follows it line by line, and a test compares them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from numbad.passes.ir.types import DOUBLE
from numbad.passes.ir.values import floating
from numbad.passes.rules.names import symbol

POLYGAMMA = "numbad.polygamma.f64"

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def polygamma(n: int, x: float) -> float:
    """The n-th derivative of digamma at x."""
    if not x <= 0:
        return _positive(n, x)
    g = -x - math.floor(-x) if math.isfinite(x) else math.nan
    if g == 0:
        return math.nan
    reflected = _positive(n, g) - _positive(n, 1 - x)
    return _positive(n, 1 - g) + (reflected if n % 2 else -reflected)


def _positive(n: int, x: float) -> float:
    total = 0.0
    z = x
    while z < n + 10:
        total += _term(n, z)
        z += 1
    last = _term(n, z)
    total += last / 2
    factor = last * (n + 1) / (2 * z)
    for k, number in enumerate(_BERNOULLI, start=1):
        total += number * factor
        factor *= (2 * k + n) * (2 * k + n + 1) / ((2 * k + 1) * (2 * k + 2)) / (z * z)
    if n == 0:
        return math.log(z) - total
    total += _term(n - 1, z)
    return total if n % 2 else -total


def _term(n: int, z: float) -> float:
    """n! / z^(n+1)"""
    result = 1 / z
    for j in range(1, n + 1):
        result *= j / z
    return result


# --- the same as LLVM text --------------------------------------------------------------------------------------------


def _constant(number: float) -> str:
    return str(floating(DOUBLE, float(number)))


def _series() -> str:
    """The asymptotic sum, unrolled: from %halved and %factor.1 to %series.N."""
    lines = []
    total = "%halved"
    for k, number in enumerate(_BERNOULLI, start=1):
        lines += [f"%part.{k} = fmul double %factor.{k}, {_constant(number)}",
                  f"%series.{k} = fadd double {total}, %part.{k}"]
        total = f"%series.{k}"
        if k < len(_BERNOULLI):
            lines += [f"%even.{k} = fadd double %order, {_constant(2 * k)}",
                      f"%odd.{k} = fadd double %order, {_constant(2 * k + 1)}",
                      f"%rising.{k} = fmul double %even.{k}, %odd.{k}",
                      f"%ratio.{k} = fdiv double %rising.{k}, {_constant((2 * k + 1) * (2 * k + 2))}",
                      f"%scaled.{k} = fdiv double %ratio.{k}, %square",
                      f"%factor.{k + 1} = fmul double %factor.{k}, %scaled.{k}"]
    return "\n  ".join(lines)


def polygamma_text(library: str) -> str:
    log = symbol("log", (DOUBLE,), library)
    pure = "nounwind willreturn memory(none)"
    return f"""
define linkonce_odr double @{POLYGAMMA}(i64 %n, double %x) {pure} {{
entry:
  %positive = fcmp ugt double %x, 0.0
  br i1 %positive, label %right, label %left
right:
  %direct = call double @numbad.runtime.polygamma_positive(i64 %n, double %x)
  ret double %direct
left:
  %distance = fneg double %x
  %whole = call double @llvm.floor.f64(double %distance)
  %g = fsub double %distance, %whole
  %pole = fcmp oeq double %g, 0.0
  br i1 %pole, label %undefined, label %reflect
undefined:
  ret double 0x7FF8000000000000
reflect:
  %f = fsub double 1.0, %g
  %far = fsub double 1.0, %x
  %at_f = call double @numbad.runtime.polygamma_positive(i64 %n, double %f)
  %at_g = call double @numbad.runtime.polygamma_positive(i64 %n, double %g)
  %at_far = call double @numbad.runtime.polygamma_positive(i64 %n, double %far)
  %reflected = fsub double %at_g, %at_far
  %sum = fadd double %at_f, %reflected
  %difference = fsub double %at_f, %reflected
  %parity = trunc i64 %n to i1
  %result = select i1 %parity, double %sum, double %difference
  ret double %result
}}

define linkonce_odr double @numbad.runtime.polygamma_positive(i64 %n, double %x) {pure} {{
entry:
  %order = sitofp i64 %n to double
  %bound = fadd double %order, {_constant(10)}
  br label %head
head:
  %z = phi double [ %x, %entry ], [ %next, %body ]
  %total = phi double [ 0.0, %entry ], [ %more, %body ]
  %small = fcmp olt double %z, %bound
  br i1 %small, label %body, label %rest
body:
  %term = call double @numbad.runtime.polygamma_term(i64 %n, double %z)
  %more = fadd double %total, %term
  %next = fadd double %z, 1.0
  br label %head
rest:
  %last = call double @numbad.runtime.polygamma_term(i64 %n, double %z)
  %half = fmul double %last, 0.5
  %halved = fadd double %total, %half
  %above = fadd double %order, 1.0
  %raised = fmul double %last, %above
  %twice = fadd double %z, %z
  %factor.1 = fdiv double %raised, %twice
  %square = fmul double %z, %z
  {_series()}
  %digamma = icmp eq i64 %n, 0
  br i1 %digamma, label %logarithm, label %power
logarithm:
  %log = call double @{log}(double %z)
  %psi = fsub double %log, %series.{len(_BERNOULLI)}
  ret double %psi
power:
  %below = sub i64 %n, 1
  %leading = call double @numbad.runtime.polygamma_term(i64 %below, double %z)
  %sum = fadd double %series.{len(_BERNOULLI)}, %leading
  %minus = fneg double %sum
  %parity = trunc i64 %n to i1
  %result = select i1 %parity, double %sum, double %minus
  ret double %result
}}

define linkonce_odr double @numbad.runtime.polygamma_term(i64 %n, double %z) {pure} {{
entry:
  %inverse = fdiv double 1.0, %z
  br label %head
head:
  %j = phi i64 [ 1, %entry ], [ %following, %body ]
  %result = phi double [ %inverse, %entry ], [ %longer, %body ]
  %more = icmp sle i64 %j, %n
  br i1 %more, label %body, label %done
body:
  %number = sitofp i64 %j to double
  %ratio = fdiv double %number, %z
  %longer = fmul double %result, %ratio
  %following = add i64 %j, 1
  br label %head
done:
  ret double %result
}}

declare double @llvm.floor.f64(double)
declare double @{log}(double)
"""


RUNTIME: dict[str, Callable[[str], str]] = {POLYGAMMA: polygamma_text}
