"""The benchmark problems in C++, differentiated by Enzyme (the package enzyme-ad, which calls it from JAX).

The same loops as in the primal: arrays allocated once, state changed in place, buffers swapped, except in burgers,
which keeps every step. Sizes are constants of the C++ text. Enzyme differentiates LLVM IR as numbad does; what its
package can be handed are JAX arrays and text.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import llvmlite.binding as llvm
import numpy as np
from enzyme_ad.jax import cpp_call

from peers.program import Program
from problems import burgers as burgers_problem
from problems import gmm as gmm_problem
from problems import heat2d as heat_problem
from problems import nbody as nbody_problem
from problems import newton_sqrt as newton_problem

jax.config.update("jax_enable_x64", True)

ARGUMENTS = ("-O3", "-target-cpu", llvm.get_host_cpu_name(), "-ffp-contract=off")  # of Clang's inner compiler

DECLARED = """\
extern "C" { double exp(double); double log(double); double sqrt(double); double fabs(double); double sin(double);
double cos(double); void *malloc(unsigned long); void free(void *); }
"""  # the package has no headers of C


def program(body: str, sizes: Mapping[str, float], x, *data, offset: float = 0.0) -> Program:
    """`body` computes `*loss` from `x` and the arrays `d0`, `d1`, ...; `sizes` are names that it uses."""
    given = [jnp.asarray(array) for array in (x, *(np.ravel(array) for array in data))]
    types = "".join(f", typename A{i}" for i in range(len(given)))
    parameters = "".join(f", const A{i} &in{i}" for i in range(len(given)))
    arrays = "const auto *x = &in0[0]; " + " ".join(f"const auto *d{i} = &in{i + 1}[0];" for i in range(len(data)))
    constants = " ".join(f"const auto {name} = {value!r};" for name, value in sizes.items())
    source = (f"{DECLARED}template <typename R{types}> void f(R &out{parameters}) {{\n"
              f"double *loss = &out[0]; {arrays}\n{constants}\n{body}\n}}")

    def loss(*arrays):
        shape = jax.core.ShapedArray([1], jnp.float64)
        return cpp_call(*arrays, out_shapes=[shape], source=source, fn="f", argv=ARGUMENTS)[0]

    def gradient(x, *arrays):
        return jax.vjp(lambda x: loss(x, *arrays), x)[1](jnp.ones(1))[0]

    compiled = {}

    def compile_as(name, function):
        compiled[name] = jax.jit(function).lower(*given).compile()

    return Program(
        primal=lambda: float(compiled["primal"](*given)[0]) + offset,
        gradient=lambda: np.asarray(compiled["gradient"](*given)),
        compile_primal=lambda: compile_as("primal", loss),
        compile_gradient=lambda: compile_as("gradient", gradient),
    )


def ode(u, steps, dt):
    return program(
        """
        double a = x[0], b = x[1], c = x[2];
        const double s = x[3], r = x[4], k = x[5], h = 0.5 * dt;
        for (int i = 0; i < steps; i++) {
          double a1 = s * (b - a), b1 = a * (r - c) - b, c1 = a * b - k * c;
          double A = a + h * a1, B = b + h * b1, C = c + h * c1;
          double a2 = s * (B - A), b2 = A * (r - C) - B, c2 = A * B - k * C;
          A = a + h * a2; B = b + h * b2; C = c + h * c2;
          double a3 = s * (B - A), b3 = A * (r - C) - B, c3 = A * B - k * C;
          A = a + dt * a3; B = b + dt * b3; C = c + dt * c3;
          double a4 = s * (B - A), b4 = A * (r - C) - B, c4 = A * B - k * C;
          a += dt / 6 * (a1 + 2 * a2 + 2 * a3 + a4);
          b += dt / 6 * (b1 + 2 * b2 + 2 * b3 + b4);
          c += dt / 6 * (c1 + 2 * c2 + 2 * c3 + c4);
        }
        *loss = a * a + b * b + c * c;""",
        {"steps": steps, "dt": dt}, u,
    )


def heat2d(x, n, steps):
    return program(
        """
        double *a = (double *)malloc(n * n * 8), *b = (double *)malloc(n * n * 8);
        for (int i = 0; i < n * n; i++) { a[i] = x[i]; b[i] = x[i]; }
        for (int t = 0; t < steps; t++) {
          for (int i = 1; i < n - 1; i++)
            for (int j = 1; j < n - 1; j++) {
              int k = i * n + j;
              b[k] = a[k] + C * (a[k - n] + a[k + n] + a[k - 1] + a[k + 1] - 4.0 * a[k]);
            }
          double *c = a; a = b; b = c;
        }
        double s = 0;
        for (int i = 0; i < n * n; i++) s += a[i] * a[i];
        free(a); free(b);
        *loss = s;""",
        {"n": n, "steps": steps, "C": heat_problem.C}, x,
    )


def nbody(x, m, n, steps):
    return program(
        """
        double p[3 * n], v[3 * n], a[3 * n];
        for (int i = 0; i < 3 * n; i++) { p[i] = x[i]; v[i] = x[3 * n + i]; }
        for (int t = 0; t <= steps; t++) {
          if (t > 0)
            for (int i = 0; i < 3 * n; i++) { v[i] += 0.5 * dt * a[i]; p[i] += dt * v[i]; }
          for (int i = 0; i < n; i++) {
            double ax = 0, ay = 0, az = 0;
            for (int j = 0; j < n; j++) {
              double dx = p[3 * j] - p[3 * i], dy = p[3 * j + 1] - p[3 * i + 1], dz = p[3 * j + 2] - p[3 * i + 2];
              double r2 = dx * dx + dy * dy + dz * dz + eps2, w = d0[j] / (r2 * sqrt(r2));
              ax += w * dx; ay += w * dy; az += w * dz;
            }
            a[3 * i] = ax; a[3 * i + 1] = ay; a[3 * i + 2] = az;
          }
          if (t > 0)
            for (int i = 0; i < 3 * n; i++) v[i] += 0.5 * dt * a[i];
        }
        double s = 0;
        for (int i = 0; i < 3 * n; i++) s += p[i] * p[i] + v[i] * v[i];
        *loss = s;""",
        {"n": n, "steps": steps, "dt": nbody_problem.DT, "eps2": nbody_problem.EPS2}, x, m,
    )


def gmm(x, points, K, constant):
    n, d = points.shape
    return program(
        """
        const int nt = d * (d - 1) / 2;
        const auto *mu = x + K, *icf = x + K + K * d;
        double *Qd = (double *)malloc(K * d * 8), *sq = (double *)malloc(K * 8), *mt = (double *)malloc(K * 8);
        double *xc = (double *)malloc(d * 8), *qx = (double *)malloc(d * 8);
        for (int k = 0; k < K; k++) {
          double s = 0;
          for (int i = 0; i < d; i++) { s += icf[k * (d + nt) + i]; Qd[k * d + i] = exp(icf[k * (d + nt) + i]); }
          sq[k] = s;
        }
        double total = 0;
        for (int p = 0; p < n; p++) {
          for (int k = 0; k < K; k++) {
            for (int i = 0; i < d; i++) xc[i] = d0[p * d + i] - mu[k * d + i];
            for (int i = 0; i < d; i++) qx[i] = Qd[k * d + i] * xc[i];
            int L = d;
            for (int i = 0; i < d; i++)
              for (int j = i + 1; j < d; j++) qx[j] += icf[k * (d + nt) + L++] * xc[i];
            double s = 0;
            for (int i = 0; i < d; i++) s += qx[i] * qx[i];
            mt[k] = x[k] + sq[k] - 0.5 * s;
          }
          double most = mt[0], sum = 0;
          for (int k = 1; k < K; k++) if (mt[k] > most) most = mt[k];
          for (int k = 0; k < K; k++) sum += exp(mt[k] - most);
          total += most + log(sum);
        }
        double most = x[0], sum = 0, w = 0;
        for (int k = 1; k < K; k++) if (x[k] > most) most = x[k];
        for (int k = 0; k < K; k++) sum += exp(x[k] - most);
        for (int k = 0; k < K; k++) {
          double s = 0;
          for (int i = 0; i < d; i++) s += Qd[k * d + i] * Qd[k * d + i];
          for (int i = d; i < d + nt; i++) s += icf[k * (d + nt) + i] * icf[k * (d + nt) + i];
          w += 0.5 * gamma * gamma * s - M * sq[k];
        }
        free(Qd); free(sq); free(mt); free(xc); free(qx);
        *loss = total - n * (most + log(sum)) + w;""",
        {"n": n, "d": d, "K": K, "gamma": gmm_problem.GAMMA, "M": gmm_problem.M}, x, points,
        offset=-n * d * 0.5 * np.log(2 * np.pi) - constant,
    )


def ba(x, cameras, camera, point, features, weights):
    return program(
        """
        double total = 0;
        for (int o = 0; o < observations; o++) {
          const auto *c = x + 11 * (int)d0[o], *p = x + 11 * cameras + 3 * (int)d1[o];
          double y0 = p[0] - c[3], y1 = p[1] - c[4], y2 = p[2] - c[5], r0, r1, r2;
          double t2 = c[0] * c[0] + c[1] * c[1] + c[2] * c[2];
          if (t2 > 0) {
            double t = sqrt(t2), cs = cos(t), sn = sin(t), a0 = c[0] / t, a1 = c[1] / t, a2 = c[2] / t;
            double dt = (a0 * y0 + a1 * y1 + a2 * y2) * (1 - cs);
            r0 = y0 * cs + (a1 * y2 - a2 * y1) * sn + a0 * dt;
            r1 = y1 * cs + (a2 * y0 - a0 * y2) * sn + a1 * dt;
            r2 = y2 * cs + (a0 * y1 - a1 * y0) * sn + a2 * dt;
          } else {
            r0 = y0 + c[1] * y2 - c[2] * y1;
            r1 = y1 + c[2] * y0 - c[0] * y2;
            r2 = y2 + c[0] * y1 - c[1] * y0;
          }
          double u = r0 / r2, v = r1 / r2, q = u * u + v * v, L = 1 + c[9] * q + c[10] * q * q;
          double e0 = d3[o] * (c[6] * u * L + c[7] - d2[2 * o]), e1 = d3[o] * (c[6] * v * L + c[8] - d2[2 * o + 1]);
          total += e0 * e0 + e1 * e1;
        }
        *loss = total;""",
        {"cameras": cameras, "observations": len(weights)},
        x, camera.astype(float), point.astype(float), features, weights,  # it takes no integers
    )


def lu_logdet(x, n):
    return program(
        """
        double *a = (double *)malloc(n * n * 8), s = 0;
        for (int i = 0; i < n * n; i++) a[i] = x[i];
        for (int k = 0; k < n; k++) {
          for (int i = k + 1; i < n; i++) {
            a[i * n + k] /= a[k * n + k];
            for (int j = k + 1; j < n; j++) a[i * n + j] -= a[i * n + k] * a[k * n + j];
          }
          s += log(fabs(a[k * n + k]));
        }
        free(a);
        *loss = s;""",
        {"n": n}, x,
    )


def newton_sqrt(a, w):
    return program(
        """
        double s = 0;
        for (int i = 0; i < n; i++) {
          double v = x[i], y = 1;
          while (fabs(y * y - v) > tol * v) y = 0.5 * (y + v / y);
          s += d0[i] * y;
        }
        *loss = s;""",
        {"n": len(a), "tol": newton_problem.TOL}, a, w,
    )


def burgers(x, n, steps):
    """With two buffers swapped, the package crashes; with two halves of one buffer its gradient is wrong."""
    return program(
        """
        double *rows = (double *)malloc((steps + 1) * n * 8);
        for (int i = 0; i < n; i++) rows[i] = x[i];
        for (int t = 0; t < steps; t++) {
          double *u = rows + t * n, *w = u + n;
          for (int i = 0; i < n; i++) {
            double v = u[i];
            if (v > 0) w[i] = v - lam * v * (v - u[i > 0 ? i - 1 : n - 1]);
            else w[i] = v - lam * v * (u[i < n - 1 ? i + 1 : 0] - v);
          }
        }
        double *u = rows + steps * n, s = 0;
        for (int i = 0; i < n; i++) s += u[i] * u[i];
        free(rows);
        *loss = s;""",
        {"n": n, "steps": steps, "lam": burgers_problem.LAM}, x,
    )


SMALLER: dict[str, dict[str, int]] = {}
PROGRAMS = {f.__name__: f for f in (ode, heat2d, nbody, gmm, ba, lu_logdet, newton_sqrt, burgers)}
