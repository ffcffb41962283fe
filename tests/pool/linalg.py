"""Linear algebra: np.dot and @ on vectors and matrices, and the solvers people write with them."""

import numpy as np

from pool.entry import entry

NO_MIX = "arrays of float32 and float64 meet, which Numba refuses"
FACTORISED = "factorisations of NumPy are external routines; a rule or a refusal is right"


def spd(rng, n):
    """A symmetric positive definite matrix."""
    a = rng.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5)))
def inner_product(x, y):
    return np.dot(x, y) * x[0] + x @ y


@entry(args=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4)))
def matrix_times_vector(a, x):
    return np.dot(a, x) + a @ (x * x)


@entry(args=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=3)))
def vector_times_matrix(a, x):
    return x @ a


@entry(args=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=(4, 2))))
def matrix_product(a, b):
    return a @ b


@entry(args=lambda rng: (rng.normal(size=(3, 4)),))
def gram_matrix(a):
    return np.dot(a.T, a)


@entry(args=lambda rng: (rng.normal(size=(3, 3)), rng.normal(size=3)))
def quadratic_form(a, x):
    return np.dot(x, np.dot(a, x))


@entry(args=lambda rng: (rng.normal(size=(3, 3)),))
def matrix_power(a):
    """Both factors are the same array."""
    b = a @ a
    return np.sum(b @ a)


@entry(
    args=lambda rng: (rng.normal(size=(3, 4)), rng.normal(size=4), np.zeros(3)),
    outputs=("out",),
    no_layouts="np.dot with out= needs contiguous memory",
)
def dot_into_output(a, x, out):
    np.dot(a, x, out)


@entry(args=lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4)))
def least_squares_residual(a, x, b):
    r = a @ x - b
    return np.dot(r, r)


@entry(args=lambda rng: (rng.normal(size=3), rng.normal(size=4)))
def outer_products(x, y):
    return np.outer(x, y) * x[0] + np.vdot(x, x)


@entry(args=lambda rng: (rng.normal(size=(2, 3, 4)), rng.normal(size=4)))
def products_of_slices(a, x):
    total = 0.0
    for i in range(2):
        total += np.dot(a[i] @ x, a[1 - i, :, 0].copy())
    return total


@entry(args=lambda rng: (spd(rng, 3), rng.normal(size=3), 6), rtol=1e-7)
def power_iteration(a, v, steps):
    for _ in range(steps):
        v = a @ v
        v = v / np.sqrt(np.dot(v, v))
    return np.dot(v, a @ v)


@entry(args=lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=4), rng.normal(size=3)))
def tiny_network(w, b, readout, x):
    """A multilayer perceptron of one hidden layer."""
    hidden = np.tanh(w @ x + b)
    return np.dot(readout, hidden) ** 2


@entry(args=lambda rng: (spd(rng, 4), rng.normal(size=4)), step=5e-4)
def conjugate_gradients(a, b):
    x = np.zeros_like(b)
    r = b - a @ x
    p = r.copy()
    rr = np.dot(r, r)
    for _ in range(3):
        ap = a @ p
        alpha = rr / np.dot(p, ap)
        x = x + alpha * p
        r = r - alpha * ap
        new = np.dot(r, r)
        if new < 1e-24:
            break
        p = r + (new / rr) * p
        rr = new
    return x


@entry(
    args=lambda rng: (np.array([[1.0, 0.1], [0.0, 1.0]]), spd(rng, 2), rng.normal(size=(6, 1)), 0.7), no_single=NO_MIX
)
def kalman_filter(f, q, observations, noise):
    """Negative log likelihood of a position-velocity model; two states, one observation."""
    x = np.zeros(2)
    p = np.eye(2)
    h = np.array([1.0, 0.0])
    loss = 0.0
    for t in range(observations.shape[0]):
        x = f @ x
        p = f @ p @ f.T + q
        innovation = observations[t, 0] - np.dot(h, x)
        s = np.dot(h, p @ h) + noise
        gain = (p @ h) / s
        x = x + gain * innovation
        p = p - np.outer(gain, h @ p)
        loss += 0.5 * (np.log(s) + innovation * innovation / s)
    return loss


@entry(
    args=lambda rng: (np.zeros(3), 0.7),
    exact=lambda x, y: (np.zeros(3), 1.0) if not x.any() else (y * x / np.linalg.norm(x), np.linalg.norm(x) + 1.0),
    no_fd="a corner of the function",
    generic=lambda rng: (rng.normal(size=3), 0.7),
    no_complex="norms take absolute values",
)
def norm_of_zeros(x, y):
    return np.linalg.norm(x) * y + y


@entry(args=lambda rng: (rng.normal(size=(3, 3)), rng.normal(size=3)), no_single="its terms cancel")
def products_of_temporaries(a, x):
    """Snapshots of arrays that the function allocates, differentiated again in second order."""
    z = 2.0 * x
    for _ in range(2):
        z = a @ z
    b = a.copy()
    return np.dot(z, z) + np.sum(b @ b) * x[0] + x @ b @ x


@entry(args=lambda rng: (rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=2)), diff=("x",),
       no_complex="np.dot of complex and real numbers", no_single="the matrix stays in double precision")
def constant_product_over_active_memory(a, b, x):
    y = np.empty(2)
    y[:] = x * x
    total = y[0] * y[1]
    np.dot(a, b, y)
    return total + np.sum(y * y) * x[0]


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=(2, 3))), no_complex="norms take absolute values")
def norms(x, a):
    return np.linalg.norm(x) * np.linalg.norm(a)


@entry(args=lambda rng: (spd(rng, 3), rng.normal(size=3)), may_refuse=FACTORISED, rtol=1e-7)
def solved_by_numpy(a, b):
    return np.linalg.solve(a, b)


@entry(args=lambda rng: (spd(rng, 3),), may_refuse=FACTORISED, rtol=1e-7)
def inverse_and_determinant(a):
    return np.sum(np.linalg.inv(a)) * np.linalg.det(a)


@entry(args=lambda rng: (spd(rng, 4),), rtol=1e-7)
def lu_log_determinant(a):
    """Elimination in place, without pivots."""
    n = a.shape[0]
    logdet = 0.0
    for k in range(n):
        logdet += np.log(abs(a[k, k]))
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return logdet


@entry(args=lambda rng: (np.array([[0.1, 2.0, 1.0], [1.5, 0.3, -1.0], [-0.7, 1.1, 0.9]]), rng.normal(size=3)))
def gaussian_elimination_with_pivots(a, b):
    """Rows trade places in memory where the data say so."""
    n = len(b)
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[p, k]):
                p = i
        if p != k:
            for j in range(n):
                a[k, j], a[p, j] = a[p, j], a[k, j]
            b[k], b[p] = b[p], b[k]
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            for j in range(k, n):
                a[i, j] -= factor * a[k, j]
            b[i] -= factor * b[k]
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        s = b[i]
        for j in range(i + 1, n):
            s -= a[i, j] * x[j]
        x[i] = s / a[i, i]
    return x


@entry(args=lambda rng: (spd(rng, 4), rng.normal(size=4)), rtol=1e-7)
def cholesky_solve(a, b):
    n = len(b)
    factor = np.zeros((n, n))
    for j in range(n):
        s = a[j, j]
        for k in range(j):
            s -= factor[j, k] ** 2
        factor[j, j] = np.sqrt(s)
        for i in range(j + 1, n):
            s = a[i, j]
            for k in range(j):
                s -= factor[i, k] * factor[j, k]
            factor[i, j] = s / factor[j, j]
    y = b.copy()
    for i in range(n):
        for k in range(i):
            y[i] -= factor[i, k] * y[k]
        y[i] /= factor[i, i]
    return np.dot(y, y)


def tridiagonal_system(rng):
    return rng.uniform(0.1, 0.5, 4), rng.uniform(2.0, 3.0, 5), rng.uniform(0.1, 0.5, 4), rng.normal(size=5)


@entry(args=tridiagonal_system)
def thomas_solver(lower, diagonal, upper, rhs):
    """A tridiagonal system; the coefficients are overwritten."""
    n = len(rhs)
    for i in range(1, n):
        w = lower[i - 1] / diagonal[i - 1]
        diagonal[i] -= w * upper[i - 1]
        rhs[i] -= w * rhs[i - 1]
    x = np.empty(n)
    x[n - 1] = rhs[n - 1] / diagonal[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = (rhs[i] - upper[i] * x[i + 1]) / diagonal[i]
    return x


@entry(args=lambda rng: (spd(rng, 4), rng.normal(size=4), 8), rtol=1e-7)
def gauss_seidel(a, b, sweeps):
    """In place: a sweep reads what it has just written."""
    x = np.zeros(len(b))
    for _ in range(sweeps):
        for i in range(len(b)):
            s = b[i]
            for j in range(len(b)):
                if j != i:
                    s -= a[i, j] * x[j]
            x[i] = s / a[i, i]
    return x


@entry(args=lambda rng: (rng.normal(size=(3, 3)),))
def gram_schmidt(a):
    """Columns made orthonormal in place; the last one is returned."""
    for j in range(a.shape[1]):
        for k in range(j):
            overlap = 0.0
            for i in range(a.shape[0]):
                overlap += a[i, j] * a[i, k]
            for i in range(a.shape[0]):
                a[i, j] -= overlap * a[i, k]
        size = np.sqrt(np.sum(a[:, j] ** 2))
        a[:, j] /= size
    return a[:, 1] * 2.0 + a[0, 2]


# --- a triangle of an array is written while the rest of it is read --------------------------------------------------


@entry(args=lambda rng: (rng.normal(size=(4, 4)) + 3.0 * np.eye(4), rng.normal(size=4)))
def solved_by_columns(a, x):
    """Forwards by the lower triangle, then backwards by the upper one: what is read lies before or behind the rest."""
    n = x.size
    for j in range(n):
        x[j] /= a[j, j]
        for i in range(j + 1, n):
            x[i] -= a[i, j] * x[j] * x[j]
    for j in range(n - 1, -1, -1):
        x[j] /= a[j, j]
        for i in range(j - 1, -1, -1):
            x[i] -= a[i, j] * x[j] * x[j]
    return x


@entry(args=lambda rng: (rng.normal(size=6),))
def written_where_it_is_read(x):
    """The first place that each row writes is the one that it reads; and one that comes round to it."""
    n = x.size
    for j in range(n):
        for i in range(j, n):
            x[i] = x[i] * 0.5 + 0.1 * np.sin(x[j] * x[j])
    for j in range(1, n):
        for i in range(j - 1, n):
            x[i] = x[i] * 0.5 + 0.1 * np.cos(x[j] * x[j])
    for j in range(n):
        for i in range(n):
            x[(j + i + 1) % n] += x[j] * x[j] * 0.01
    return x


@entry(args=lambda rng: (rng.normal(size=8),))
def views_that_overlap(x):
    """One array under two names, one place apart: what one writes the other reads an iteration later."""
    ahead, behind = x[1:], x[:-1]
    for i in range(1, behind.size):
        for j in range(i, ahead.size):
            ahead[j] -= behind[i] * behind[i] * 0.1
            behind[j] += ahead[0] * ahead[0] * 0.1
    return x
