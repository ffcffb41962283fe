"""Likelihoods, filters, random paths with given normals, dynamic programming."""

import math

import numpy as np

from pool.entry import entry


@entry(args=lambda rng: (rng.normal(size=9),))
def welford(x):
    """Running mean and variance."""
    mean = 0.0
    m2 = 0.0
    for n in range(len(x)):
        delta = x[n] - mean
        mean += delta / (n + 1)
        m2 += delta * (x[n] - mean)
    return mean, m2 / (len(x) - 1)


@entry(args=lambda rng: (rng.normal(size=8), 0.3))
def exponential_smoothing(x, alpha):
    level = x[0]
    error = 0.0
    for i in range(1, len(x)):
        error += (x[i] - level) ** 2
        level = alpha * x[i] + (1.0 - alpha) * level
    return error


@entry(args=lambda rng: (rng.normal(size=10), 0.1, 0.2, 0.6))
def garch_likelihood(returns, omega, alpha, beta):
    variance = omega / (1.0 - alpha - beta)
    loss = 0.0
    for r in returns:
        loss += 0.5 * (math.log(2.0 * math.pi * variance) + r * r / variance)
        variance = omega + alpha * r * r + beta * variance
    return loss


@entry(args=lambda rng: (rng.normal(size=(6, 3)), np.array([0, 1, 1, 0, 1, 0]), rng.normal(size=3)))
def logistic_regression(features, labels, weights):
    loss = 0.0
    for i in range(len(labels)):
        z = 0.0
        for j in range(len(weights)):
            z += features[i, j] * weights[j]
        if labels[i] == 1:
            z = -z
        loss += max(z, 0.0) + math.log1p(math.exp(-abs(z)))
    return loss


@entry(args=lambda rng: (np.array([3, 0, 7, 2]), rng.normal(size=4), 0.8))
def negative_binomial(counts, log_means, dispersion):
    loss = 0.0
    for i in range(len(counts)):
        mu = math.exp(log_means[i])
        k = counts[i]
        loss -= math.lgamma(k + dispersion) - math.lgamma(dispersion) - math.lgamma(k + 1.0)
        loss -= dispersion * math.log(dispersion / (dispersion + mu)) + k * math.log(mu / (dispersion + mu))
    return loss


@entry(args=lambda rng: (rng.normal(size=(5, 2)), np.array([0.3, -0.2]), rng.normal(size=(2, 2)), np.array([0.4, 0.7])))
def gaussian_mixture(points, logits, means, scales):
    loss = 0.0
    terms = np.empty(2)
    for i in range(points.shape[0]):
        for k in range(2):
            square = 0.0
            for d in range(2):
                square += ((points[i, d] - means[k, d]) / scales[k]) ** 2
            terms[k] = logits[k] - 2.0 * math.log(scales[k]) - 0.5 * square
        top = np.max(terms)
        loss -= top + math.log(np.sum(np.exp(terms - top)))
    return loss


@entry(args=lambda rng: (rng.normal(size=8), 100.0, 105.0, 0.03, 0.25))
def european_call_paths(normals, spot, strike, rate, volatility):
    """Monte Carlo with given normals; the payoff has a kink."""
    drift = rate - 0.5 * volatility * volatility
    total = 0.0
    for z in normals:
        price = spot * math.exp(drift + volatility * z)
        total += max(price - strike, 0.0)
    return math.exp(-rate) * total / len(normals)


@entry(args=lambda rng: (rng.normal(size=(5, 6)), 100.0, 0.03, 0.25))
def asian_option_with_barrier(normals, spot, rate, volatility):
    """Path dependent: a path that crosses the barrier is left by `break` and pays nothing."""
    dt = 1.0 / normals.shape[1]
    total = 0.0
    for p in range(normals.shape[0]):
        price = spot
        average = 0.0
        alive = True
        for t in range(normals.shape[1]):
            price *= math.exp((rate - 0.5 * volatility**2) * dt + volatility * math.sqrt(dt) * normals[p, t])
            if price > 130.0:
                alive = False
                break
            average += price
        if alive:
            total += max(average / normals.shape[1] - 95.0, 0.0)
    return total * math.exp(-rate) / normals.shape[0]


@entry(args=lambda rng: (rng.normal(size=12), 0.4), step=1e-4)
def reflected_random_walk(normals, scale):
    position = 0.3
    visited = 0.0
    for z in normals:
        position += scale * z
        if position < 0.0:
            position = -position
        elif position > 1.0:
            position = 2.0 - position
        visited += position * position
    return visited


@entry(args=lambda rng: (rng.normal(size=(3, 3)), rng.normal(size=(3, 4)), np.array([0, 3, 1, 1, 2])))
def hidden_markov_forward(transition, emission, observations):
    """The forward algorithm with scaling; two vectors change places at each observation."""
    rows = np.exp(transition)
    for i in range(3):
        rows[i] /= np.sum(rows[i])
    alpha = np.full(3, 1.0 / 3.0)
    following = np.zeros(3)
    loss = 0.0
    for o in observations:
        total = 0.0
        for j in range(3):
            s = 0.0
            for i in range(3):
                s += alpha[i] * rows[i, j]
            following[j] = s * math.exp(emission[j, o])
            total += following[j]
        for j in range(3):
            following[j] /= total
        loss -= math.log(total)
        alpha, following = following, alpha
    return loss


@entry(args=lambda rng: (rng.normal(size=(4, 5)), 0.4))
def best_path_through_grid(reward, penalty):
    """Dynamic programming with max."""
    best = np.zeros((4, 5))
    for i in range(4):
        for j in range(5):
            value = 0.0
            if i > 0 and j > 0:
                value = max(best[i - 1, j] - penalty, best[i, j - 1] - penalty, best[i - 1, j - 1])
            elif i > 0:
                value = best[i - 1, j] - penalty
            elif j > 0:
                value = best[i, j - 1] - penalty
            best[i, j] = reward[i, j] + value
    return best[3, 4]


@entry(args=lambda rng: (rng.normal(size=(4, 3)), 0.3, 0.5))
def soft_alignment(similarity, gap, temperature):
    """Smith-Waterman with a soft maximum, over two rows that are reused."""
    m = similarity.shape[1]
    above = np.zeros(m + 1)
    here = np.zeros(m + 1)
    total = 0.0
    for i in range(similarity.shape[0]):
        here[0] = 0.0
        for j in range(m):
            a = (above[j] + similarity[i, j]) / temperature
            b = (above[j + 1] - gap) / temperature
            c = (here[j] - gap) / temperature
            top = max(0.0, a, b, c)
            s = math.exp(a - top) + math.exp(b - top) + math.exp(c - top) + math.exp(-top)
            here[j + 1] = temperature * (top + math.log(s))
            total += here[j + 1]
        above, here = here, above
    return total


@entry(args=lambda rng: (rng.normal(size=4), rng.normal(size=5)))
def dynamic_time_warping(x, y):
    cost = np.full((5, 6), 1e6)
    cost[0, 0] = 0.0
    for i in range(4):
        for j in range(5):
            d = (x[i] - y[j]) ** 2
            cost[i + 1, j + 1] = d + min(cost[i, j + 1], cost[i + 1, j], cost[i, j])
    return cost[4, 5]


@entry(args=lambda rng: (rng.normal(size=7), 0.9, 0.5, 0.3))
def scalar_kalman_filter(observations, transition, process, noise):
    mean = 0.0
    variance = 1.0
    loss = 0.0
    for y in observations:
        mean *= transition
        variance = transition * variance * transition + process
        s = variance + noise
        innovation = y - mean
        gain = variance / s
        mean += gain * innovation
        variance *= 1.0 - gain
        loss += 0.5 * (math.log(s) + innovation * innovation / s)
    return loss


@entry(args=lambda rng: (rng.normal(size=5), rng.normal(size=5), 0.7, 0.2))
def gaussian_process_kernel(x, y, length, noise):
    k = np.empty((5, 5), dtype=x.dtype)
    for i in range(5):
        for j in range(i + 1):
            k[i, j] = math.exp(-0.5 * ((x[i] - x[j]) / length) ** 2)
            if i == j:
                k[i, j] += noise
            k[j, i] = k[i, j]
    return np.dot(y, k @ y)


@entry(args=lambda rng: (np.array([4.1, 2.0, 7.5, 1.2]), np.array([1, 0, 1, 1]), 0.9, 3.0))
def weibull_with_censoring(times, observed, shape, scale):
    loss = 0.0
    for i in range(len(times)):
        z = times[i] / scale
        loss += z**shape
        if observed[i]:
            loss -= math.log(shape / scale) + (shape - 1.0) * math.log(z)
    return loss


@entry(args=lambda rng: (rng.normal(size=6), np.array([0.1, 0.5, 0.9])))
def quantile_losses(x, levels):
    """Several outputs from one pass."""
    out = np.zeros(3)
    for i in range(len(x)):
        for k in range(3):
            r = x[i] - 0.2
            out[k] += levels[k] * r if r >= 0.0 else (levels[k] - 1.0) * r
    return out


@entry(args=lambda rng: (rng.normal(size=7), 0.4))
def autocorrelation(x, decay):
    total = 0.0
    mean = np.mean(x)
    for lag in range(1, 4):
        c = 0.0
        for i in range(len(x) - lag):
            c += (x[i] - mean) * (x[i + lag] - mean)
        total += c * decay**lag
    return total
