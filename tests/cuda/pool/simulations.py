"""Whole small computations as they are written for GPUs."""

import math

import numpy as np
from cuda.pool.entry import entry
from numba import cuda, float64, uint64


@entry(arguments=lambda rng: (rng.normal(size=(96, 3)), rng.uniform(0.5, 1, 96), np.zeros((96, 3))), grid=3, block=32,
       active=(0, 1, 2))
def nbody(position, mass, acceleration):
    tile = cuda.shared.array((32, 4), float64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    ax, ay, az = 0.0, 0.0, 0.0
    for start in range(0, mass.size, 32):
        for k in range(3):
            tile[t, k] = position[start + t, k]
        tile[t, 3] = mass[start + t]
        cuda.syncthreads()
        for j in range(32):
            dx, dy, dz = tile[j, 0] - position[i, 0], tile[j, 1] - position[i, 1], tile[j, 2] - position[i, 2]
            r2 = dx * dx + dy * dy + dz * dz + 0.1
            w = tile[j, 3] / (r2 * math.sqrt(r2))
            ax, ay, az = ax + w * dx, ay + w * dy, az + w * dz
        cuda.syncthreads()
    acceleration[i, 0], acceleration[i, 1], acceleration[i, 2] = ax, ay, az


@nbody.numpy
def _(position, mass, acceleration):
    d = position[None] - position[:, None]
    r2 = np.sum(d * d, axis=2) + 0.1
    acceleration[:] = np.sum((mass / r2 ** 1.5)[:, :, None] * d, axis=1)


@cuda.jit(device=True)
def random_number(state):
    """The next state of a linear congruential generator, and a number in [0, 1)."""
    state = state * uint64(6364136223846793005) + uint64(1442695040888963407)
    return state, float64(state >> uint64(11)) / float64(uint64(1) << uint64(53))


@entry(arguments=lambda rng: (1.0, 0.05, 0.2, 8, np.zeros(64)), grid=2, block=32, active=(0, 1, 2, 4))
def monte_carlo(start, drift, volatility, steps, out):
    """Random walks; each thread draws its own numbers."""
    i = cuda.grid(1)
    state = uint64(i + 1) * uint64(2654435769)
    s, average = start, 0.0
    for _ in range(steps):
        state, u = random_number(state)
        s *= 1.0 + drift / steps + volatility * (u - 0.5)
        average += s
    out[i] = max(average / steps - 0.9, 0.0)


@monte_carlo.numpy
def _(start, drift, volatility, steps, out):
    for i in range(out.size):
        state, s, average = (i + 1) * 2654435769 % 2 ** 64, start, 0.0
        for _ in range(steps):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
            s *= 1.0 + drift / steps + volatility * ((state >> 11) / 2.0 ** 53 - 0.5)
            average += s
        out[i] = max(average / steps - 0.9, 0.0)


@entry(arguments=lambda rng: (rng.uniform(0, 1, (20, 24)), 0.3, np.zeros((21, 25))), grid=1, block=32, active=(0, 1, 2))
def soft_alignment(cost, softness, table):
    """Dynamic programming over anti-diagonals, with a smooth minimum (soft DTW)."""
    t = cuda.threadIdx.x
    rows, columns = cost.shape
    for d in range(2, rows + columns + 1):
        i = t + 1
        j = d - i
        if i <= rows and 1 <= j <= columns:
            if i == 1 and j == 1:
                best = 0.0
            elif i == 1:
                best = table[i, j - 1]
            elif j == 1:
                best = table[i - 1, j]
            else:
                a, b, c = table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]
                best = -softness * math.log(math.exp(-a / softness) + math.exp(-b / softness) + math.exp(-c / softness))
            table[i, j] = cost[i - 1, j - 1] + best
        cuda.syncthreads()


@soft_alignment.numpy
def _(cost, softness, table):
    for i in range(1, cost.shape[0] + 1):
        for j in range(1, cost.shape[1] + 1):
            if i == 1 or j == 1:
                best = 0.0 if i == j else table[i, j - 1] if i == 1 else table[i - 1, j]
            else:
                around = np.array([table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]])
                best = -softness * np.log(np.sum(np.exp(-around / softness)))
            table[i, j] = cost[i - 1, j - 1] + best


def sparse(rng):
    counts = rng.integers(0, 6, 50)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return starts, rng.integers(0, 40, starts[-1]), rng.normal(size=starts[-1]), rng.normal(size=40), np.zeros(50)


@entry(arguments=sparse, grid=2, block=32, active=(2, 3, 4))
def sparse_product(starts, columns, values, x, y):
    row = cuda.grid(1)
    if row < y.size:
        total = 0.0
        for k in range(starts[row], starts[row + 1]):
            total += values[k] * x[columns[k]]
        y[row] = total


@sparse_product.numpy
def _(starts, columns, values, x, y):
    y[:] = [values[a:b] @ x[columns[a:b]] for a, b in zip(starts[:-1], starts[1:], strict=True)]


CX = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
CY = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
WEIGHT = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)


@entry(arguments=lambda rng: (WEIGHT[:, None, None] * rng.uniform(0.9, 1.1, (9, 12, 10)), 0.7, np.zeros((9, 12, 10))),
       grid=(2, 2), block=(8, 8), active=(0, 1, 2))
def lattice_boltzmann(f, omega, out):
    """D2Q9: relax towards equilibrium, stream to the neighbours; periodic."""
    i, j = cuda.grid(2)
    nx, ny = f.shape[1], f.shape[2]
    if i < nx and j < ny:
        rho, ux, uy = 0.0, 0.0, 0.0
        for q in range(9):
            rho += f[q, i, j]
            ux += CX[q] * f[q, i, j]
            uy += CY[q] * f[q, i, j]
        ux, uy = ux / rho, uy / rho
        for q in range(9):
            cu = 3.0 * (CX[q] * ux + CY[q] * uy)
            equilibrium = rho * WEIGHT[q] * (1.0 + cu + 0.5 * cu * cu - 1.5 * (ux * ux + uy * uy))
            to_i, to_j = (i + CX[q] + nx) % nx, (j + CY[q] + ny) % ny
            out[q, to_i, to_j] = f[q, i, j] + omega * (equilibrium - f[q, i, j])


@lattice_boltzmann.numpy
def _(f, omega, out):
    rho = f.sum(0)
    ux, uy = np.tensordot(CX, f, 1) / rho, np.tensordot(CY, f, 1) / rho
    for q in range(9):
        cu = 3 * (CX[q] * ux + CY[q] * uy)
        equilibrium = rho * WEIGHT[q] * (1 + cu + 0.5 * cu * cu - 1.5 * (ux * ux + uy * uy))
        out[q] = np.roll(f[q] + omega * (equilibrium - f[q]), (CX[q], CY[q]), (0, 1))


@entry(arguments=lambda rng: (*(rng.uniform(low, low + 0.3, (12, 40)) for low in (0.1, 1.5, 0.1)),
                              rng.normal(size=(12, 40))), grid=2, block=32, active=(0, 1, 2, 3))
def thomas(lower, diagonal, upper, x):
    """A tridiagonal system a thread; the upper diagonal and the right side are overwritten."""
    i = cuda.grid(1)
    if i >= x.shape[1]:
        return
    n = x.shape[0]
    upper[0, i] /= diagonal[0, i]
    x[0, i] /= diagonal[0, i]
    for k in range(1, n):
        pivot = diagonal[k, i] - lower[k, i] * upper[k - 1, i]
        upper[k, i] /= pivot
        x[k, i] = (x[k, i] - lower[k, i] * x[k - 1, i]) / pivot
    for k in range(n - 2, -1, -1):
        x[k, i] -= upper[k, i] * x[k + 1, i]


@thomas.numpy
def _(lower, diagonal, upper, x):
    n = len(x)
    upper[0] /= diagonal[0]
    x[0] /= diagonal[0]
    for k in range(1, n):
        pivot = diagonal[k] - lower[k] * upper[k - 1]
        upper[k] /= pivot
        x[k] = (x[k] - lower[k] * x[k - 1]) / pivot
    for k in range(n - 2, -1, -1):
        x[k] -= upper[k] * x[k + 1]


@entry(arguments=lambda rng: (np.linspace(0, 9, 64) + 0.02 * rng.normal(size=64), 0.01 * rng.normal(size=64), 0.05, 4),
       grid=1, block=64, active=(0, 1, 2))
def verlet(position, velocity, dt, steps):
    """A chain of masses, stepped in place by one block."""
    i = cuda.threadIdx.x
    n = position.size
    for _ in range(steps):
        left = position[i] - position[i - 1] if i > 0 else 0.15
        right = position[i + 1] - position[i] if i < n - 1 else 0.15
        velocity[i] += dt * (right - left + 0.3 * (right ** 2 - left ** 2))
        cuda.syncthreads()
        position[i] += dt * velocity[i]
        cuda.syncthreads()


@verlet.numpy
def _(position, velocity, dt, steps):
    for _ in range(steps):
        gap = np.pad(np.diff(position), 1, constant_values=0.15)
        velocity += dt * (gap[1:] - gap[:-1] + 0.3 * (gap[1:] ** 2 - gap[:-1] ** 2))
        position += dt * velocity


@cuda.jit(device=True)
def predator_prey(x, y, a, b):
    return a * x - b * x * y, b * x * y - y


@entry(arguments=lambda rng: (rng.uniform(0.5, 1.5, (60, 2)), rng.uniform(0.8, 1.2, 60), 0.9, 0.05, 10),
       grid=2, block=32, active=(0, 1, 2, 3))
def runge_kutta_ensemble(state, a, b, dt, steps):
    i = cuda.grid(1)
    if i < a.size:
        x, y = state[i, 0], state[i, 1]
        for _ in range(steps):
            k1x, k1y = predator_prey(x, y, a[i], b)
            k2x, k2y = predator_prey(x + 0.5 * dt * k1x, y + 0.5 * dt * k1y, a[i], b)
            k3x, k3y = predator_prey(x + 0.5 * dt * k2x, y + 0.5 * dt * k2y, a[i], b)
            k4x, k4y = predator_prey(x + dt * k3x, y + dt * k3y, a[i], b)
            x += dt / 6.0 * (k1x + 2.0 * k2x + 2.0 * k3x + k4x)
            y += dt / 6.0 * (k1y + 2.0 * k2y + 2.0 * k3y + k4y)
        state[i, 0], state[i, 1] = x, y


@runge_kutta_ensemble.numpy
def _(state, a, b, dt, steps):
    def f(s):
        x, y = s.T
        return np.stack([a * x - b * x * y, b * x * y - y], 1)

    for _ in range(steps):
        k1 = f(state)
        k2 = f(state + 0.5 * dt * k1)
        k3 = f(state + 0.5 * dt * k2)
        k4 = f(state + dt * k3)
        state += dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@entry(arguments=lambda rng: (rng.normal(size=(14, 18)), np.zeros((14, 18)), 0.1, 0.2), grid=(3, 2), block=(8, 8),
       active=(0, 1, 2, 3))
def heat_of_two_dimensions(u, out, dt, k):
    j, i = cuda.grid(2)
    if 0 < i < u.shape[0] - 1 and 0 < j < u.shape[1] - 1:
        around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
        out[i, j] = u[i, j] + dt * (k * (around - 4.0 * u[i, j]) - u[i, j] ** 3)


@heat_of_two_dimensions.numpy
def _(u, out, dt, k):
    m = u[1:-1, 1:-1]
    around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    out[1:-1, 1:-1] = m + dt * (k * (around - 4 * m) - m ** 3)


@entry(arguments=lambda rng: (rng.normal(size=(60, 3)), rng.normal(size=(4, 3)), np.zeros(4), np.zeros(1)),
       grid=2, block=32, active=(0, 1, 2, 3))
def distance_to_nearest_centre(points, centres, sums, loss):
    i = cuda.grid(1)
    if i < points.shape[0]:
        nearest, best = 0, math.inf
        for c in range(centres.shape[0]):
            d = 0.0
            for k in range(points.shape[1]):
                d += (points[i, k] - centres[c, k]) ** 2
            if d < best:
                nearest, best = c, d
        cuda.atomic.add(sums, nearest, best)
        cuda.atomic.add(loss, 0, math.sqrt(best))


@distance_to_nearest_centre.numpy
def _(points, centres, sums, loss):
    d = np.sum((points[:, None] - centres[None]) ** 2, axis=2)
    np.add.at(sums, d.argmin(1), d.min(1))
    loss += np.sum(np.sqrt(d.min(1)))
