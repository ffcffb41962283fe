"""Small simulations: time stepping, stencils, particles, implicit steps, events."""

import math

import numpy as np
from numba import njit

from pool.entry import entry


@entry(args=lambda rng: (0.9, 0.1, 9.81, 40))
def pendulum(theta, omega, gravity, steps):
    dt = 0.02
    for _ in range(steps):
        omega -= dt * gravity * math.sin(theta)
        theta += dt * omega
    return theta


@entry(args=lambda rng: (0.99, 0.01, 0.6, 0.2, 30), step=1e-4)
def epidemic(s, i, beta, gamma, days):
    """SIR by explicit Euler; the recovered are what is left."""
    for _ in range(days):
        infected = beta * s * i
        recovered = gamma * i
        s, i = s - infected, i + infected - recovered
    return s, i, 1.0 - s - i


@njit
def predator_prey(state, parameters):
    a, b, c, d = parameters
    return np.array([state[0] * (a - b * state[1]), state[1] * (d * state[0] - c)])


@entry(
    args=lambda rng: (np.array([1.1, 0.4]), (0.9, 0.7, 0.5, 0.6), 12),
    no_single="the array changes its type in the loop",
)
def lotka_volterra(state, parameters, steps):
    """Classical Runge-Kutta on small arrays."""
    h = 0.1
    for _ in range(steps):
        k1 = predator_prey(state, parameters)
        k2 = predator_prey(state + 0.5 * h * k1, parameters)
        k3 = predator_prey(state + 0.5 * h * k2, parameters)
        k4 = predator_prey(state + h * k3, parameters)
        state = state + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return state


@entry(args=lambda rng: (1.0, 2.0, 1.05, 10.0, 28.0, 8.0 / 3.0, 15), rtol=1e-7)
def lorenz(x, y, z, sigma, rho, beta, steps):
    for _ in range(steps):
        dx, dy, dz = sigma * (y - x), x * (rho - z) - y, x * y - beta * z
        x, y, z = x + 0.01 * dx, y + 0.01 * dy, z + 0.01 * dz
    return x * y + z


@entry(args=lambda rng: (rng.normal(size=8), 0.2, 6))
def heat_equation(u, r, steps):
    a = u.copy()
    b = u.copy()
    for _ in range(steps):
        for i in range(1, len(u) - 1):
            b[i] = a[i] + r * (a[i - 1] - 2.0 * a[i] + a[i + 1])
        a, b = b, a
    return a


@entry(args=lambda rng: (rng.normal(size=8), rng.uniform(0.1, 0.5, size=8), 7))
def wave_equation(u, speed, steps):
    """Three time levels in three rotating buffers; the medium is a parameter."""
    old, now, new = u.copy(), u.copy(), np.zeros_like(u)
    energy = 0.0
    for _ in range(steps):
        for i in range(1, 7):
            new[i] = 2.0 * now[i] - old[i] + speed[i] ** 2 * (now[i - 1] - 2.0 * now[i] + now[i + 1])
        old, now, new = now, new, old
        energy += now[3] * now[3]
    return energy


@entry(args=lambda rng: (0.2 + np.sin(np.arange(10.0)), 5))
def burgers_upwind(u, steps):
    """Upwinding by branches on the sign of the speed, in place with one saved neighbour."""
    for _ in range(steps):
        left = u[0]
        for i in range(1, len(u) - 1):
            here = u[i]
            if here > 0.0:
                u[i] = here - 0.1 * here * (here - left)
            else:
                u[i] = here - 0.1 * here * (u[i + 1] - here)
            left = here
    return np.sum(u * u)


@entry(args=lambda rng: (rng.normal(size=(5, 6)), 4))
def diffusion_in_two_dimensions(u, steps):
    w = np.zeros_like(u)
    for _ in range(steps):
        w[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.1 * (
            u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4.0 * u[1:-1, 1:-1]
        )
        u, w = w, u
    return np.sum(u * u) + w[2, 2]


@entry(args=lambda rng: (rng.normal(size=7), rng.normal(size=6), 0.3, 5))
def leapfrog_fields(electric, magnetic, courant, steps):
    """One-dimensional FDTD: two fields, each updated in place from the other."""
    for t in range(steps):
        for i in range(6):
            magnetic[i] += courant * (electric[i + 1] - electric[i])
        for i in range(1, 6):
            electric[i] += courant * (magnetic[i] - magnetic[i - 1])
        electric[2] += 0.1 * math.sin(0.4 * t)
    return np.dot(electric, electric) + np.dot(magnetic, magnetic)


@entry(args=lambda rng: (rng.normal(size=(4, 2)), np.array([[0, 1], [1, 2], [2, 3], [0, 3], [0, 2]]), 2.0))
def spring_network(positions, springs, stiffness):
    """Elastic energy and forces, scattered to both ends of each spring."""
    forces = np.zeros_like(positions)
    energy = 0.0
    for s in range(springs.shape[0]):
        i, j = springs[s, 0], springs[s, 1]
        d = positions[j] - positions[i]
        length = math.sqrt(d[0] * d[0] + d[1] * d[1])
        pull = stiffness * (length - 1.0)
        energy += 0.5 * pull * (length - 1.0)
        for k in range(2):
            forces[i, k] += pull * d[k] / length
            forces[j, k] -= pull * d[k] / length
    return energy, forces


@entry(args=lambda rng: (rng.normal(size=(4, 3)), 0.1 * rng.normal(size=(4, 3)), rng.uniform(0.5, 1.5, size=4), 3))
def gravitating_bodies(x, v, mass, steps):
    """Leapfrog in place over a triangular loop of pairs."""
    for _ in range(steps):
        for i in range(4):
            for j in range(i):
                dx, dy, dz = x[j, 0] - x[i, 0], x[j, 1] - x[i, 1], x[j, 2] - x[i, 2]
                w = 0.02 / (dx * dx + dy * dy + dz * dz + 0.1) ** 1.5
                v[i, 0] += mass[j] * w * dx
                v[i, 1] += mass[j] * w * dy
                v[i, 2] += mass[j] * w * dz
                v[j, 0] -= mass[i] * w * dx
                v[j, 1] -= mass[i] * w * dy
                v[j, 2] -= mass[i] * w * dz
        for i in range(4):
            for k in range(3):
                x[i, k] += 0.05 * v[i, k]
    return np.sum(x * v)


@entry(args=lambda rng: ((0.9, 0.1, -0.3, 0.2), rng.normal(size=3)))
def quaternion_rotation(q, vector):
    w, x, y, z = q
    n = math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / n, x / n, y / n, z / n
    out = np.empty(3)
    out[0] = (1 - 2 * (y * y + z * z)) * vector[0] + 2 * (x * y - w * z) * vector[1] + 2 * (x * z + w * y) * vector[2]
    out[1] = 2 * (x * y + w * z) * vector[0] + (1 - 2 * (x * x + z * z)) * vector[1] + 2 * (y * z - w * x) * vector[2]
    out[2] = 2 * (x * z - w * y) * vector[0] + 2 * (y * z + w * x) * vector[1] + (1 - 2 * (x * x + y * y)) * vector[2]
    return out


@entry(args=lambda rng: (1.5, 4.0, 8), rtol=1e-7)
def backward_euler(y, rate, steps):
    """A stiff equation; every step is solved by Newton's method to its own number of iterations."""
    h = 0.1
    for n in range(steps):
        forcing = math.cos(h * (n + 1))
        z = y
        for _ in range(30):
            residual = z - y + h * rate * (z * z * z - forcing)
            delta = residual / (1.0 + 3.0 * h * rate * z * z)
            z -= delta
            if abs(delta) < 1e-14:
                break
        y = z
    return y


@entry(args=lambda rng: (2.0, 0.3, 0.8, 60))
def bouncing_ball(height, velocity, restitution, steps):
    dt = 0.03
    bounces = 0
    for _ in range(steps):
        velocity -= 9.81 * dt
        height += velocity * dt
        if height < 0.0:
            height = -height * restitution
            velocity = -velocity * restitution
            bounces += 1
    return height + 0.1 * bounces * velocity


@entry(args=lambda rng: (np.array([0.1, -0.2, -3.0]), np.array([0.02, 0.1, 1.0]), 1.0))
def ray_hits_sphere(origin, direction, radius):
    a = np.dot(direction, direction)
    b = 2.0 * np.dot(origin, direction)
    c = np.dot(origin, origin) - radius * radius
    discriminant = b * b - 4.0 * a * c
    if discriminant < 0.0:
        return -1.0
    near = (-b - math.sqrt(discriminant)) / (2.0 * a)
    if near > 0.0:
        return near
    return (-b + math.sqrt(discriminant)) / (2.0 * a)


@entry(args=lambda rng: ((1.2, 0.4, 0.05), 25))
def controlled_by_pid(gains, steps):
    """Saturated control of a slow plant, with an integral that is only kept while unsaturated."""
    kp, ki, kd = gains
    level = 0.0
    integral = 0.0
    last_error = 1.0
    cost = 0.0
    for _ in range(steps):
        error = 1.0 - level
        u = kp * error + ki * integral + kd * (error - last_error)
        if u > 0.9:
            u = 0.9
        else:
            integral += error * 0.1
        level += 0.1 * (u - 0.5 * level)
        last_error = error
        cost += error * error
    return cost


@entry(args=lambda rng: (rng.uniform(0.8, 2.2, size=30), 0.7))
def spiking_neuron(current, leak):
    """Integrate and fire: the state is reset when a threshold is crossed."""
    v = 0.0
    trace = 0.0
    for i in range(len(current)):
        v += 0.2 * (current[i] - leak * v)
        if v > 1.0:
            trace += current[i] * v
            v -= 1.0
            continue
        trace *= 0.95
    return trace + v


@entry(args=lambda rng: (rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), 5))
def jacobi_poisson(u, source, sweeps):
    """A sweep into a new array that is allocated each time."""
    for _ in range(sweeps):
        new = u.copy()
        for i in range(1, 3):
            for j in range(1, 3):
                new[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - source[i, j])
        u = new
    return u


@entry(
    args=lambda rng: (rng.normal(size=(3, 2)), np.array([0, 1, 2, 1]), np.array([1, 2, 0, 0]), rng.normal(size=(2, 2)))
)
def graph_messages(features, senders, receivers, weight):
    """One round of messages along edges, gathered and scattered, then a nonlinearity."""
    incoming = np.zeros((3, 2))
    for e in range(len(senders)):
        message = weight @ features[senders[e]]
        incoming[receivers[e]] += message
    return np.tanh(incoming + features)


@entry(args=lambda rng: (np.array([1.0, 0.2, 0.0]), 0.3, 0.5, 20), step=1e-3)
def robertson_like_kinetics(y, k1, k2, steps):
    """Chemistry by a semi-implicit Euler method, three species updated one after the other in place."""
    dt = 0.1
    for _ in range(steps):
        y[0] = (y[0] + dt * k2 * y[1] * y[2]) / (1.0 + dt * k1)
        y[1] = (y[1] + dt * k1 * y[0]) / (1.0 + dt * k2 * y[2] + dt * k1 * y[1])
        y[2] += dt * k1 * y[1] * y[1]
    return y


@entry(args=lambda rng: (rng.uniform(0.5, 1.5, size=5), 1.4))
def newton_per_element(x, power):
    """An independent data-dependent `while` for each element."""
    out = np.empty(5)
    for i in range(5):
        y = 1.0
        while abs(y**3 - x[i] * power) > 1e-13:
            y -= (y**3 - x[i] * power) / (3.0 * y * y)
        out[i] = y
    return out
