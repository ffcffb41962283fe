"""The two ADBench problems in Warp: bundle adjustment, and the Gaussian mixture as written and rewritten."""

import math
from functools import cache

import numpy as np
import warp as wp

from peers.warp_launch import D, State, program, zeros


@cache
def ba_kernel():
    one, zero = wp.constant(D(1.0)), wp.constant(D(0.0))

    @wp.kernel
    def residuals(
        C: wp.array2d(dtype=D),
        P: wp.array2d(dtype=D),
        camera: wp.array(dtype=int),
        point: wp.array(dtype=int),
        features: wp.array2d(dtype=D),
        weights: wp.array(dtype=D),
        loss: wp.array(dtype=D),
    ):
        o = wp.tid()
        c = camera[o]
        p = point[o]
        Y = wp.vec3d(P[p, 0] - C[c, 3], P[p, 1] - C[c, 4], P[p, 2] - C[c, 5])
        w = wp.vec3d(C[c, 0], C[c, 1], C[c, 2])
        t2 = wp.dot(w, w)
        R = Y + wp.cross(w, Y)
        if t2 > zero:
            t = wp.sqrt(t2)
            a = w / t
            R = Y * wp.cos(t) + wp.cross(a, Y) * wp.sin(t) + a * (wp.dot(a, Y) * (one - wp.cos(t)))
        u = R[0] / R[2]
        v = R[1] / R[2]
        r2 = u * u + v * v
        lens = one + C[c, 9] * r2 + C[c, 10] * r2 * r2
        e0 = weights[o] * (C[c, 6] * u * lens + C[c, 7] - features[o, 0])
        e1 = weights[o] * (C[c, 6] * v * lens + C[c, 8] - features[o, 1])
        wp.atomic_add(loss, 0, e0 * e0 + e1 * e1)

    return residuals


def ba(x, cameras, camera, point, features, weights):
    kernel = ba_kernel()

    def allocate():
        C = wp.array(x[: 11 * cameras].reshape(cameras, 11), dtype=D, requires_grad=True)
        P = wp.array(x[11 * cameras :].reshape(-1, 3), dtype=D, requires_grad=True)
        seen = [wp.array(camera, dtype=int), wp.array(point, dtype=int)]
        seen += [wp.array(features, dtype=D), wp.array(weights, dtype=D)]
        loss = zeros(1)
        return State(
            reset=loss.zero_,
            launch=lambda: wp.launch(kernel, dim=len(weights), inputs=[C, P, *seen, loss]),
            loss=loss,
            gradient=lambda: np.concatenate([C.grad.numpy().ravel(), P.grad.numpy().ravel()]),
        )

    return program(allocate)


@cache
def gmm_prior_kernels():
    half = wp.constant(D(0.5))

    @wp.kernel
    def weights(x: wp.array(dtype=D), T: wp.array2d(dtype=D)):
        k = wp.tid()
        T[0, k] = x[k]

    @wp.kernel
    def prior(x: wp.array(dtype=D), K: int, d: int, loss: wp.array(dtype=D)):
        k, i = wp.tid()
        v = x[K + K * d + k * (d + d * (d - 1) / 2) + i]
        if i < d:
            e = wp.exp(v)
            wp.atomic_add(loss, 0, half * e * e)
        else:
            wp.atomic_add(loss, 0, half * v * v)

    return weights, prior


@cache
def gmm_kernels_as_written():
    half = wp.constant(D(0.5))

    @wp.kernel
    def terms(x: wp.array(dtype=D), X: wp.array2d(dtype=D), K: int, d: int, T: wp.array2d(dtype=D)):
        p, k = wp.tid()
        factor = K + K * d + k * (d + d * (d - 1) / 2)
        mean = K + k * d
        s = D(0.0)
        total = D(0.0)
        for j in range(d):
            q = wp.exp(x[factor + j]) * (X[p, j] - x[mean + j])
            for i in range(j):
                q += x[factor + d + i * d - i * (i + 1) / 2 + j - i - 1] * (X[p, i] - x[mean + i])
            s += q * q
            total += x[factor + j]
        T[p, k] = x[k] + total - half * s

    @wp.kernel
    def logsumexp(T: wp.array2d(dtype=D), K: int, sign: D, loss: wp.array(dtype=D)):
        p = wp.tid()
        m = T[p, 0]
        for k in range(1, K):
            m = wp.max(m, T[p, k])
        s = D(0.0)
        for k in range(K):
            s += wp.exp(T[p, k] - m)
        wp.atomic_add(loss, 0, sign * (m + wp.log(s)))

    return terms, logsumexp


@cache
def gmm_kernels_rewritten():
    half = wp.constant(D(0.5))

    @wp.kernel
    def deviations(x: wp.array(dtype=D), X: wp.array2d(dtype=D), K: int, d: int, Q: wp.array3d(dtype=D)):
        p, k = wp.tid()
        factor = K + K * d + k * (d + d * (d - 1) / 2)
        mean = K + k * d
        for j in range(d):
            q = wp.exp(x[factor + j]) * (X[p, j] - x[mean + j])
            for i in range(j):
                q += x[factor + d + i * d - i * (i + 1) / 2 + j - i - 1] * (X[p, i] - x[mean + i])
            Q[p, k, j] = q

    @wp.kernel
    def terms(x: wp.array(dtype=D), Q: wp.array3d(dtype=D), K: int, d: int, T: wp.array2d(dtype=D)):
        p, k = wp.tid()
        factor = K + K * d + k * (d + d * (d - 1) / 2)
        s = x[k]
        for j in range(d):
            s += x[factor + j] - half * Q[p, k, j] * Q[p, k, j]
        T[p, k] = s

    @wp.kernel(enable_backward=False)
    def largest(T: wp.array2d(dtype=D), K: int, most: wp.array(dtype=D)):
        p = wp.tid()
        m = T[p, 0]
        for k in range(1, K):
            m = wp.max(m, T[p, k])
        most[p] = m

    @wp.kernel
    def exponentials(T: wp.array2d(dtype=D), most: wp.array(dtype=D), S: wp.array(dtype=D)):
        p, k = wp.tid()
        wp.atomic_add(S, p, wp.exp(T[p, k] - most[p]))

    @wp.kernel
    def logarithms(S: wp.array(dtype=D), most: wp.array(dtype=D), sign: D, loss: wp.array(dtype=D)):
        p = wp.tid()
        wp.atomic_add(loss, 0, sign * (most[p] + wp.log(S[p])))

    return deviations, terms, largest, exponentials, logarithms


def _gmm(x, points, K, constant, launches):
    """`launches(x, X, T, T0, loss)` allocates what it needs more; gives what is reset and what is launched."""
    n, d = points.shape
    weights, prior = gmm_prior_kernels()

    def allocate():
        parameters, X = wp.array(x, dtype=D, requires_grad=True), wp.array(points, dtype=D)
        T, T0, loss = zeros(n, K), zeros(1, K), zeros(1)
        accumulators, fit = launches(parameters, X, T, T0, loss)

        def reset():
            for array in (loss, *accumulators):
                array.zero_()

        def launch():
            wp.launch(weights, dim=K, inputs=[parameters, T0])
            fit()
            wp.launch(prior, dim=(K, d + d * (d - 1) // 2), inputs=[parameters, K, d, loss])

        offset = -n * d * 0.5 * math.log(2 * math.pi) - constant
        return State(reset, launch, loss, lambda: parameters.grad.numpy(), offset)

    return program(allocate)


def gmm_as_written(x, points, K, constant):
    n, d = points.shape
    terms, logsumexp = gmm_kernels_as_written()

    def launches(parameters, X, T, T0, loss):
        def fit():
            wp.launch(terms, dim=(n, K), inputs=[parameters, X, K, d, T])
            wp.launch(logsumexp, dim=n, inputs=[T, K, D(1.0), loss])
            wp.launch(logsumexp, dim=1, inputs=[T0, K, D(-n), loss])

        return (), fit

    return _gmm(x, points, K, constant, launches)


def gmm(x, points, K, constant):
    n, d = points.shape
    deviations, terms, largest, exponentials, logarithms = gmm_kernels_rewritten()

    def launches(parameters, X, T, T0, loss):
        Q, S, S0 = zeros(n, K, d), zeros(n), zeros(1)
        most, most0 = wp.zeros(n, dtype=D), wp.zeros(1, dtype=D)

        def fit():
            wp.launch(deviations, dim=(n, K), inputs=[parameters, X, K, d, Q])
            wp.launch(terms, dim=(n, K), inputs=[parameters, Q, K, d, T])
            for rows, t, m, s, sign in ((n, T, most, S, 1.0), (1, T0, most0, S0, -float(n))):
                wp.launch(largest, dim=rows, inputs=[t, K, m])
                wp.launch(exponentials, dim=(rows, K), inputs=[t, m, s])
                wp.launch(logarithms, dim=rows, inputs=[s, m, D(sign), loss])

        return (S, S0), fit

    return _gmm(x, points, K, constant, launches)
