"""The traps of reverse mode, one or more programs for each.

`PITFALLS` maps the number of a trap to its programs, some of which live in other themes; `GPU_ONLY` names the traps
that a CPU program cannot show. Together the numbers run from 1 to 25, the known ways in which a working system failed.
"""

import math

import numpy as np
from numba import njit

from pool.entry import entry

GPU_ONLY = {
    19: "an atomic that returns the old value exists in kernels only; on the CPU Numba has no atomics",
    23: "the order of atomic float32 additions varies in kernels only",
    25: "debug information broke the PTX back end",
}


@entry(args=lambda rng: (0.8, 6))
def p01_adjoint_zeroed_in_loop(x, n):
    """An adjoint that is not zeroed after it was spread is counted once more in each iteration."""
    value = x
    for _ in range(n):
        value = 2.0 * value
        value = value + x
    return value


@entry(args=lambda rng: (0.5, 1.2, -0.3, 5))
def p02_phis_read_together(a, b, c, n):
    for _ in range(n):
        a, b, c = b, c, a
        a, b = b * c, a
    return a + 2.0 * b + 3.0 * c


@entry(
    args=lambda rng: (rng.normal(size=8),),
    no_layouts="a view of another type needs contiguous memory",
    no_complex="complex numbers inside",
    no_single="the complex numbers are as wide as two float64",
)
def p03_floats_read_as_complex(x):
    z = x.view(np.complex128)
    total = 0.0
    for i in range(len(z)):
        total += (z[i] * z[i]).imag
    return total


@entry(
    args=lambda rng: (rng.normal(size=5),),
    no_layouts="a view of another type needs contiguous memory",
    no_single="the integers are as wide as float64",
    no_complex="the integers are as wide as float64",
    may_refuse="floats move through integer memory",
)
def p03_floats_moved_as_integers(x):
    y = np.empty(5)
    bits = x.view(np.int64)
    target = y.view(np.int64)
    for i in range(5):
        target[i] = bits[4 - i]
    return np.sum(y * y * x)


@entry(args=lambda rng: (rng.normal(size=4), 3))
def p04_overwritten_by_outer_loop(x, n):
    """The load is safe within the inner loop; the outer loop overwrites what it read."""
    total = 0.0
    for k in range(n):
        for i in range(len(x)):
            total += x[i] * x[i] * (k + 1)
        for i in range(len(x)):
            x[i] = x[i] * 0.5 + 0.1 * k
    return total


@entry(args=lambda rng: (rng.normal(size=6), np.array([3, 0, 2, 5, 1, 4])))
def p05_triangular_and_loaded_bounds(x, bounds):
    total = 0.0
    for i in range(len(x)):
        for j in range(i + 1):
            for k in range(bounds[j]):
                total += x[i] * x[j] * x[k]
    return total


@entry(args=lambda rng: (np.array([[0.5, 0.7, 0.2], [0.3, 1.8, 0.4], [0.9, 0.1, 0.6]]), 1.5, 5.0))
def p06_exits_sharing_a_block(a, level, budget):
    """Three ways out of a nest that meet in one block."""
    total = 0.0
    product = 1.0
    for i in range(3):
        for j in range(3):
            total += a[i, j] * product
            if a[i, j] > level:
                return total * product
            product *= 1.0 + a[i, j]
            if product > budget:
                return total * product
    return total * product


@entry(
    args=lambda rng: (np.array([1.5, 2.0]), np.zeros(2), 2, 2), exact=lambda a, b, n, steps: (4.0 * a**3, np.zeros(2))
)
def p07_pointers_swapped_in_time_loop(a, b, n, steps):
    """x**4 by two sweeps over the caller's buffers: 13.5 and 32 are right; 45.5625 and 256 come from a reload."""
    u = a
    w = b
    for _ in range(steps):
        for i in range(n):
            w[i] = u[i] * u[i]
        u, w = w, u
    total = 0.0
    for i in range(n):
        total += u[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6), 3))
def p08_updated_in_place(x, n):
    for _ in range(n):
        for i in range(len(x)):
            x[i] = math.sin(x[i])
        x[1:] = x[:-1] * x[1:]
    return np.sum(x)


@entry(args=lambda rng: (rng.normal(size=5), 3))
def p09_cleared_in_loop(x, n):
    """The memset kills what the round before left: its adjoint must die there too."""
    work = np.zeros(5)
    total = 0.0
    for k in range(n):
        work[:] = 0.0
        for i in range(k + 2):
            work[i] += x[i] * x[i - 1]
        total += np.sum(work * work)
    return total


@entry(
    args=lambda rng: (0.0, 2.0),
    exact=lambda x, y: (2.0 * x, 0.0) if x == 0.0 else (y * x ** (y - 1.0), x**y * math.log(x)),
    generic=lambda rng: (0.7, 1.6),
    no_fd="powers of negative numbers surround the point",
    no_twice="the logarithm of zero",
)
def p10_power_at_zero(x, y):
    return x**y


@entry(
    args=lambda rng: (0.0, 3.0),
    exact=lambda x, a: (math.inf, 0.0) if x == 0.0 else (a * 0.5 / math.sqrt(x), math.sqrt(x)),
    generic=lambda rng: (0.7, 3.0),
    no_fd="no negative numbers",
    no_twice="infinite",
)
def p10_sqrt_at_zero(x, a):
    """The slope is infinite, and said to be."""
    return a * math.sqrt(x)


@entry(
    args=lambda rng: (np.array([0.0, 0.25, 0.0, 4.0]),),
    exact=lambda x: (np.array([0.0 if v == 0.0 else 0.5 / math.sqrt(v) - 1.0 / v**2 + 1.0 / v for v in x]),),
    generic=lambda rng: (rng.uniform(0.5, 1.5, size=4),),
    no_fd="no negative numbers",
    no_twice="infinite partials",
)
def p10_zero_times_infinity(x):
    """`where` throws the infinite values away; a zero seed must not meet their infinite slopes."""
    positive = x > 0.0
    root = np.where(positive, np.sqrt(x), 0.0)
    inverse = np.where(positive, 1.0 / x, 0.0)
    logarithm = np.where(positive, np.log(x), 0.0)
    return np.sum(root + inverse + logarithm)


@entry(
    args=lambda rng: (0.0, 1.3),
    admissible=lambda args, slopes: -4.0 * args[1] <= slopes[0] <= 4.0 * args[1] and slopes[1] == 0.0,
    generic=lambda rng: (-0.4, 1.3),
    no_fd="a corner of the function",
    no_twice="a corner of the function",
)
def p10_absolute_value_at_zero(x, a):
    """Any slope between those of the two sides is defensible, the same one in both modes."""
    return a * (abs(x) + math.fabs(x) + np.abs(x) + np.fabs(x))


@entry(
    args=lambda rng: (1.5, 1.5),
    admissible=lambda args, slopes: 0.0 <= slopes[0] <= 63.0 and slopes[0] + slopes[1] == 63.0,
    generic=lambda rng: (1.5, 0.9),
    no_fd="a corner of the function",
    no_twice="a corner of the function",
)
def p10_ties_of_extremes(x, y):
    """The weight of a tie may be shared in any way; none of it may be lost or counted twice."""
    builtin = max(x, y) + 2.0 * min(x, y)
    return builtin + 4.0 * np.maximum(x, y) + 8.0 * np.minimum(x, y) + 16.0 * np.fmax(x, y) + 32.0 * np.fmin(x, y)


@entry(
    args=lambda rng: (1.0,),
    exact=lambda x: (3.0 + 2.0 * abs(x - 1.0),),
    generic=lambda rng: (0.4,),
    no_fd="the second derivative jumps",
    no_twice="the second derivative jumps",
)
def p10_tie_of_equal_slopes(x):
    """Both sides of the tie have the slope 3, and |x| x has the slope 0 where x is 0."""
    shifted = x - 1.0
    return max(x * 3.0, x + 2.0 * x) + abs(shifted) * shifted


@entry(
    args=lambda rng: (rng.normal(size=6), 0.1, 4),
    options={"boundscheck": True},
    raises=(IndexError, lambda rng: (rng.normal(size=6), 0.1, 6)),
)
def p11_bounds_checked_branches(x, rate, last):
    y = np.zeros_like(x)
    for i in range(1, last + 1):
        if x[i] > x[i - 1]:
            y[i] = x[i] - rate * (x[i + 1] - x[i])
        elif x[i] < 0.0:
            y[i] = y[i - 1] * x[i]
        else:
            y[i - 1] = x[i] * x[i]
    return np.sum(y * y)


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5), 3), diff=("x",))
def p12_constant_buffer_as_scratch(x, scratch, n):
    """The caller calls `scratch` constant; what flows through it is not."""
    for _ in range(n):
        for i in range(len(x)):
            scratch[i] = x[i] * scratch[i - 1]
    return np.sum(scratch)


def same_array_twice(rng):
    x = rng.normal(size=5)
    return x, x


@entry(args=same_array_twice)
def p13_one_array_for_two_arguments(x, y):
    """Each argument gets its own partial."""
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i] * y[i - 1]
    return total


@njit
def branching_walk(x, depth, total):
    if depth == 0:
        return total
    for i in range(depth):
        total = total * 0.9 + x[i] * x[depth]
    return branching_walk(x, depth - 1, total) * x[depth] + branching_walk(x, depth // 2, total)


@entry(args=lambda rng: (rng.normal(size=6),))
def p14_recursion_with_loops(x):
    return branching_walk(x, 4, 1.0)


@entry(args=lambda rng: (rng.normal(size=5), 3), no_single="the array changes its type in the loop")
def p15_freed_in_loop(x, n):
    """A temporary dies in each iteration while the reverse sweep still needs what it held."""
    kept = x
    for k in range(n):
        temporary = kept * kept * 0.5
        kept = np.sin(temporary) + x * (k + 1)
    return np.sum(kept)


@entry(args=lambda rng: (-0.4, rng.normal(size=4)))
def p16_return_before_loop(c, x):
    if c < 0.0:
        return c * c * x[0]
    total = 0.0
    for v in x:
        total += v * v * c
    return total


@entry(args=lambda rng: (rng.normal(size=4), np.array([0, 2, 0, 3])))
def p17_loops_of_no_iterations(x, lengths):
    """Some inner loops run zero times; the value they would change is used after."""
    total = 0.0
    for i in range(len(lengths)):
        value = x[i]
        for j in range(lengths[i]):
            value *= x[j]
        total += value * value
    for _ in range(len(x), len(lengths)):
        total *= 2.0
    return total


@entry(args=lambda rng: (rng.normal(size=7), 0.3, 5))
def p18_integers_and_flags_kept(x, c, n):
    """What the reverse sweep must remember are a byte, a flag and an index."""
    state = np.int8(1)
    flag = False
    total = 1.0
    for k in range(n):
        flag = (x[k] > c) != flag
        state = np.int8((3 * state + k) % 7)
        if flag:
            total += x[state] * x[k]
        else:
            total *= x[state]
    return total


@entry(args=lambda rng: (rng.normal(size=4), 0.8, 4))
def p20_loop_differentiated_twice(x, a, n):
    """A tape that is grown and freed becomes part of a program that is differentiated again."""
    work = x.copy()
    for _ in range(n):
        for i in range(len(x)):
            work[i] = math.sin(work[i] * a) + work[i - 1] * 0.3
        if work[0] > 0.5:
            a = a * work[1]
    return np.sum(work * work) * a


@entry(args=lambda rng: (rng.normal(size=6), 0.7), options={"fastmath": True})
def p21_fast_math(x, a):
    total = 0.0
    for v in x:
        total += math.exp(-a * v * v) / (1.0 + v * v)
    return total / a


@entry(args=lambda rng: (7.3, -2.2, 5.5))
def p22_remainders(x, y, z):
    """Truncated and floored remainders differ in the slope of the second argument."""
    return np.fmod(x, y) * z + (x % y) * (z % y) + np.remainder(-z, x) + np.fmod(-z, y)


@entry(args=lambda rng: (1.3, -0.4, 0.6, 2.1), no_complex="complex numbers inside")
def p22_complex_division(a, b, c, d):
    z = complex(a, b) / complex(c, d)
    w = 1.0 / complex(d, z.real)
    return z.real * z.imag + w.imag * a


@njit(inline="never")
def reads_only(x, w):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i] * w
    return total


@njit(inline="never")
def writes_only(x, w):
    for i in range(len(x)):
        x[i] = 0.1 * w * i


@entry(args=lambda rng: (0.3 * rng.normal(size=5), 0.6))
def p24_attributes_of_the_primal(x, w):
    """One callee only reads, the other only writes; their derivatives do neither."""
    before = reads_only(x, w)
    work = np.empty(5)
    writes_only(work, before)
    after = reads_only(work, w) + reads_only(x, before)
    writes_only(x, after)
    return reads_only(x, w)


PITFALLS = {
    1: ("p01_adjoint_zeroed_in_loop",),
    2: ("p02_phis_read_together", "fibonacci_scalars", "rotating_scalars"),
    3: ("p03_floats_read_as_complex", "p03_floats_moved_as_integers"),
    4: ("p04_overwritten_by_outer_loop",),
    5: ("p05_triangular_and_loaded_bounds", "ragged_rows", "pairwise_products"),
    6: ("p06_exits_sharing_a_block", "search_with_return"),
    7: ("p07_pointers_swapped_in_time_loop", "arguments_swapped", "three_buffers_rotating"),
    8: ("p08_updated_in_place", "reversed_onto_itself", "shifted_onto_itself"),
    9: ("p09_cleared_in_loop",),
    10: (
        "p10_power_at_zero",
        "p10_sqrt_at_zero",
        "p10_zero_times_infinity",
        "p10_absolute_value_at_zero",
        "p10_ties_of_extremes",
        "p10_tie_of_equal_slopes",
    ),
    11: ("p11_bounds_checked_branches", "checked_stencil"),
    12: ("p12_constant_buffer_as_scratch", "constant_scratch"),
    13: ("p13_one_array_for_two_arguments",),
    14: ("p14_recursion_with_loops", "recursion_over_array"),
    15: ("p15_freed_in_loop", "allocated_in_loop"),
    16: ("p16_return_before_loop",),
    17: ("p17_loops_of_no_iterations", "loop_that_never_runs", "sum_of_nothing"),
    18: ("p18_integers_and_flags_kept", "generator_of_integers"),
    20: ("p20_loop_differentiated_twice",),
    21: ("p21_fast_math",),
    22: ("p22_remainders", "p22_complex_division", "remainders_of_c", "remainders_of_python"),
    24: ("p24_attributes_of_the_primal",),
}
