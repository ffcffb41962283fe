"""Decisions: if-chains, equality tests, selections of values, of loads and of whole arrays."""

import math

import numpy as np

from pool.entry import entry


@entry(args=lambda rng: (rng.normal(size=7), 0.1))
def leaky_relu_sum(x, slope):
    total = 0.0
    for v in x:
        if v > 0.0:
            total += v * v
        else:
            total += slope * v
    return total


@entry(args=lambda rng: (np.array([0.2, -1.7, 0.9, 3.0, -0.4]), 1.1))
def huber_loss(residuals, delta):
    total = 0.0
    for r in residuals:
        size = abs(r)
        if size <= delta:
            total += 0.5 * r * r
        else:
            total += delta * (size - 0.5 * delta)
    return total


@entry(args=lambda rng: (0.4, 1.2, -0.7))
def nested_decisions(x, y, z):
    if x > 0.0:
        if y > x:
            value = x * y if z < 0.0 else x - z
        else:
            value = y * z
    elif z > y:
        value = z * z
    else:
        value = math.exp(x)
    return value * x


@entry(args=lambda rng: (0.8, -1.3, 2))
def operation_by_number(x, y, which):
    if which == 0:
        return x + y
    elif which == 1:
        return x - y
    elif which == 2:
        return x * math.sin(y)
    elif which == 3:
        return x / y
    return 0.0


@entry(args=lambda rng: (np.array([2, 0, 1, 3, 1, 9]), 0.8, -1.3))
def interpreted_program(program, x, y):
    """A switch inside a loop: the operation changes from step to step."""
    value = x
    for code in program:
        match code:
            case 0:
                value = value * y
            case 1:
                value = math.sin(value) + x
            case 2:
                value = value - y
            case 3:
                value = value * value
            case _:
                value = -value
    return value


@entry(args=lambda rng: (0.3, 0.6, -0.2))
def short_circuits(x, y, z):
    if (x > 0.0 and y > x) or z > 1.0:
        value = x * y * z
    else:
        value = y
    if not (x < 0.0 or z < -1.0):
        value += x * x
    if 0.0 < y < 1.0:
        value *= y
    return value


@entry(args=lambda rng: (0.3, 0.6))
def stored_booleans(x, y):
    larger = y > x
    positive = x > 0.0
    both = larger and positive
    value = x if larger != positive else y
    return value * x + (y * y if both else x) + larger * x


@entry(
    args=lambda rng: (1.0, 2.5),
    exact=lambda x, a: (2.5, 1.0) if x == 1.0 else (a * a, 2.0 * a * x),
    generic=lambda rng: (1.7, 2.5),
    no_fd="the two branches have different slopes in x",
    no_twice="the function jumps at the equality",
)
def equal_to_constant(x, a):
    """An optimiser that replaces x by 1.0 in the first branch destroys d/dx."""
    if x == 1.0:
        return x * a
    return x * a * a


@entry(
    args=lambda rng: (0.0,),
    exact=lambda x: (0.0,) if x == 0.0 else ((x * math.cos(x) - math.sin(x)) / x**2,),
    generic=lambda rng: (0.6,),
    no_fd="x = 0 is a branch of its own",
    no_twice="the branch at 0 is a constant",
)
def sine_quotient(x):
    if x != 0.0:
        return math.sin(x) / x
    return 1.0


@entry(
    args=lambda rng: (0.7, 0.7),
    exact=lambda x, y: (3.0 * x * x, 0.0) if x == y else (2.0 * x - y, 2.0 * y - x),
    generic=lambda rng: (0.7, 0.2),
    no_fd="the function is different on the diagonal",
    no_twice="the function jumps at the equality",
)
def equal_to_each_other(x, y):
    if x == y:
        return x * x * x
    return x * x - x * y + y * y


@entry(
    args=lambda rng: (2.0, 0.3),
    exact=lambda x, a: {2.0: (a * a, 2.0 * a * x), 3.0: (math.exp(a), x * math.exp(a))}.get(x, (2.0 * x * a, x * x)),
    generic=lambda rng: (2.4, 0.3),
    no_fd="the function jumps at the constants",
    no_twice="the function jumps at the constants",
)
def equality_chain(x, a):
    if x == 1.0:
        return x * a
    elif x == 2.0:
        return x * a * a
    elif x == 3.0:
        return x * math.exp(a)
    return x * x * a


@entry(
    args=lambda rng: (np.array([1.0, 0.0, 2.0, 0.0]), 0.7),
    exact=lambda x, a: (np.where(x == 0.0, a, 2.0 * x), np.count_nonzero(x == 0.0) * 1.0 + (x[x == 0.0]).sum()),
    generic=lambda rng: (np.array([1.0, 0.4, 2.0, -0.3]), 0.7),
    no_fd="zeros are a branch of their own",
    no_twice="the function jumps at the zeros",
)
def zeros_marked_missing(x, a):
    total = 0.0
    for i in range(len(x)):
        if x[i] == 0.0:
            total += a * (1.0 + x[i])
        else:
            total += x[i] * x[i]
    return total


@entry(
    args=lambda rng: (1.5, 1.5),
    exact=lambda x, y: (2.0, 0.0) if x == y else ((2.0, 0.0) if x > y else (0.0, 2.0)),
    generic=lambda rng: (1.5, 0.9),
    no_fd="a corner of the function",
    no_twice="a corner of the function",
)
def tie_decided_by_branch(x, y):
    """The tie belongs to the branch the program takes: here to x."""
    if x >= y:
        return 2.0 * x
    return 2.0 * y


@entry(
    args=lambda rng: (np.array([0.4, np.nan, -1.2, np.nan, 2.0]),),
    no_fd="nan in, nan out by perturbation",
    exact=lambda x: (np.where(np.isnan(x), 0.0, 2.0 * np.nan_to_num(x)),),
    generic=lambda rng: (rng.normal(size=5),),
    no_twice="not a number has no tangent",
)
def missing_values_skipped(x):
    total = 0.0
    for v in x:
        if not math.isnan(v):
            total += v * v
    return total


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5), 0.4))
def chosen_array(x, y, c):
    """The branch selects an array: a phi of pointers."""
    u = x if c > 0.0 else y
    w = y if c > 0.0 else x
    total = 0.0
    for i in range(len(u)):
        total += u[i] * u[i] * c - w[i]
    return total


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5), 0.4), diff=("x",))
def chosen_constant_array(x, table, c):
    """One of the arrays selected from is a constant."""
    u = table if c > 1.0 else x
    v = table if c < 1.0 else x
    total = 0.0
    for i in range(len(u)):
        total += u[i] * v[i] + u[i] * u[i]
    return total


@entry(args=lambda rng: (rng.normal(size=6), rng.normal(size=6), np.array([1, 0, 0, 1, 1, 0])))
def chosen_per_element(x, y, mask):
    total = 0.0
    for i in range(len(x)):
        v = x[i] if mask[i] != 0 else y[i]
        total += v * v * x[i]
    return total


@entry(args=lambda rng: (0.9, -0.4))
def several_returns(x, y):
    if y > 0.0:
        return y * y
    if x > 2.0:
        return x
    z = x * y
    if z < -0.3:
        return z * math.sin(x)
    return z


@entry(args=lambda rng: (3.2e4, 1.7))
def income_tax(income, scale):
    """Brackets, a piecewise linear function."""
    tax = 0.0
    if income > 1.0e4:
        tax += 0.1 * (min(income, 2.0e4) - 1.0e4)
    if income > 2.0e4:
        tax += 0.2 * (min(income, 5.0e4) - 2.0e4)
    if income > 5.0e4:
        tax += 0.4 * (income - 5.0e4)
    return tax * scale


@entry(args=lambda rng: (np.array([0.1, 0.4, 0.2, 0.9, 1.0, 0.7]),))
def limited_slopes(u):
    """The minmod limiter of a finite volume scheme."""
    total = 0.0
    for i in range(1, len(u) - 1):
        left, right = u[i] - u[i - 1], u[i + 1] - u[i]
        if left * right <= 0.0:
            slope = 0.0
        elif abs(left) < abs(right):
            slope = left
        else:
            slope = right
        total += slope * u[i]
    return total


@entry(args=lambda rng: (0.37, np.array([0.3, -1.0, 0.8, 1.4, -0.2])))
def piecewise_linear(x, knots):
    """The interval is found by integer arithmetic on a float."""
    position = x * (len(knots) - 1)
    i = min(int(position), len(knots) - 2)
    w = position - i
    return (1.0 - w) * knots[i] + w * knots[i + 1]


@entry(args=lambda rng: (0.35,))
def smooth_step(x):
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    return x * x * (3.0 - 2.0 * x)


@entry(args=lambda rng: (-3.1, 0.8))
def stable_sigmoid(x, scale):
    if x >= 0.0:
        return scale / (1.0 + math.exp(-x))
    e = math.exp(x)
    return scale * e / (1.0 + e)


@entry(args=lambda rng: (0.8, True, False))
def flags(x, square, negate):
    value = x * x if square else x
    if negate:
        value = -value
    elif square and not negate:
        value += x
    return value


@entry(args=lambda rng: (0.8, 1.4, 6))
def parity(x, y, n):
    value = 1.0
    for i in range(n):
        if i & 1:
            value = value * x
        elif i % 3 == 0:
            value = value + y
        else:
            value -= x * y
    return value


@entry(args=lambda rng: (rng.normal(size=6),))
def branch_writes_memory(x):
    out = np.zeros(2)
    for v in x:
        if v > 0.0:
            out[0] += v * v
        else:
            out[1] -= v
    return out[0] * out[1]


@entry(args=lambda rng: (1.3, 3))
def assigned_in_some_branches(x, n):
    value = x
    if n > 5:
        extra = x * x
    if n > 2:
        extra = math.sin(x)
        value += extra
    return value * x


@entry(
    args=lambda rng: (np.array([0.3, -0.8, 1.2]), 2.0, np.inf),
    diff=("x", "z"),
    exact=lambda x, z, y: (np.full(3, z * y), y * x.sum()) if y < 1e300 else (np.ones(3), 0.0),
    no_fd="an infinity that the branch keeps away",
    generic=lambda rng: (rng.normal(size=3), 1.3, 0.7),
    no_complex="infinities",
    no_twice="infinities",
)
def guarded_product(x, z, y):
    """LLVM moves the product out of the loop, and thereby out of the branch that keeps the infinity away."""
    total = 0.0
    for i in range(x.size):
        if y < 1e300 and x[i] > -100.0:
            total += z * y * x[i]
        else:
            total += x[i]
    return total
