"""Derivatives launched as users launch them, where there is a GPU: a real one, or the stand-in (`cuda.driver`)."""

from __future__ import annotations

import ctypes
import math
import sys
from collections import namedtuple

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from numba import cuda

import numbad as nd

pytestmark = [pytest.mark.skipif(not cuda.is_available(), reason="there is no GPU"),
              pytest.mark.filterwarnings("ignore:Grid size")]
is_standin = "cuda.driver.kernels" in sys.modules
standin = pytest.mark.skipif(not is_standin, reason="only the stand-in for the driver can be told to")
N = 40


@cuda.jit
def scaled(a, x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = a * math.sin(x[i])


@cuda.jit
def counted(x, n, out):
    """The tape depends on a number."""
    i = cuda.grid(1)
    if i < x.size:
        v = x[i]
        for _ in range(n):
            v = math.sin(v) * v
        out[i] = v


@cuda.jit
def until(out, x):
    """The tape depends on data, and `x` is overwritten: measuring must leave no trace."""
    i = cuda.grid(1)
    if i < x.size:
        while x[i] < 4.0:
            x[i] = x[i] * x[i]
        out[i] = x[i]


@cuda.jit
def through_scratch(x, work, out):
    i = cuda.grid(1)
    if i < x.size:
        work[i] = x[i] * x[i]
        out[i] = work[i] * x[i]


def put(array):
    return cuda.to_device(np.asarray(array))


class Foreign:
    """Another library's array, over memory of numba-cuda."""

    def __init__(self, array, version=3, **more):
        self.array = put(array)
        own = self.array.__cuda_array_interface__
        self.__cuda_array_interface__ = {"shape": own["shape"], "typestr": own["typestr"], "data": own["data"],
                                         "version": version, "strides": own["strides"], **more}

    def copy_to_host(self):
        return self.array.copy_to_host()


@pytest.fixture
def x():
    return np.random.default_rng(1).uniform(1.1, 1.5, N)


def stream_of(kind):
    if kind == "non-blocking":          # such as torch's own
        handle = ctypes.c_void_p()
        create = ctypes.CDLL("libcuda.so.1").cuStreamCreate
        assert create(ctypes.byref(handle), 1) == 0
        return cuda.external_stream(handle.value)
    return cuda.stream() if kind == "blocking" else 0


streams = pytest.mark.parametrize("kind", ["default", "blocking", "non-blocking"])


def square_until(x):
    """What `until` gives, and its derivative."""
    y, slope = x.copy(), np.ones_like(x)
    while (y < 4.0).any():
        slope, y = np.where(y < 4.0, slope * 2 * y, slope), np.where(y < 4.0, y * y, y)
    return y, slope


@streams
def test_a_tape_that_is_measured(x, kind):
    stream = stream_of(kind)
    held, dx, out, dout = put(x), put(np.zeros(N)), put(np.zeros(N)), put(np.ones(N))
    cuda.synchronize()
    nd.cuda.vjp(until)[2, 32, stream](nd.Dup(out, dout), nd.Dup(held, dx))
    cuda.synchronize()
    y, slope = square_until(x)
    np.testing.assert_allclose(out.copy_to_host(), y, rtol=1e-12)
    np.testing.assert_allclose(held.copy_to_host(), y, rtol=1e-12)
    np.testing.assert_allclose(dx.copy_to_host(), slope, rtol=1e-12)
    np.testing.assert_allclose(dout.copy_to_host(), 0)


def test_a_tape_that_is_measured_for_strided_arrays(x):
    """Columns that are written are put back, and nothing between them."""
    held, out = put(np.stack([x, x], 1)), put(np.zeros((N, 2)))
    dx, dout = put(np.zeros((N, 2))), put(np.ones((N, 2)))
    nd.cuda.vjp(until)[2, 32](nd.Dup(out[:, 1], dout[:, 1]), nd.Dup(held[:, 0], dx[:, 0]))
    y, slope = square_until(x)
    np.testing.assert_allclose(held.copy_to_host(), np.stack([y, x], 1), rtol=1e-12)
    np.testing.assert_allclose(out.copy_to_host(), np.stack([np.zeros(N), y], 1), rtol=1e-12)
    np.testing.assert_allclose(dx.copy_to_host(), np.stack([slope, np.zeros(N)], 1), rtol=1e-12)


class Reversed:
    """numba-cuda makes no such array itself that it could copy to the host."""

    def __init__(self, array):
        self.array = put(array)
        own = self.array.__cuda_array_interface__
        self.__cuda_array_interface__ = {**own, "data": (own["data"][0] + 8 * (N - 1), False), "strides": (-8,)}


def test_a_tape_that_is_measured_for_arrays_in_reverse(x):
    held, out, dx, dout = map(Reversed, (x, np.zeros(N), np.zeros(N), np.ones(N)))
    nd.cuda.vjp(until)[2, 32](nd.Dup(out, dout), nd.Dup(held, dx))
    y, slope = square_until(x)
    np.testing.assert_allclose(held.array.copy_to_host(), y, rtol=1e-12)
    np.testing.assert_allclose(out.array.copy_to_host(), y, rtol=1e-12)
    np.testing.assert_allclose(dx.array.copy_to_host(), slope, rtol=1e-12)


@streams
def test_scratch(x, kind):
    stream = stream_of(kind)
    dx, dout = put(np.zeros(N)), put(np.ones(N))
    arguments = nd.Dup(put(x), dx), nd.Const(put(np.zeros(N))), nd.Dup(put(np.zeros(N)), dout)
    cuda.synchronize()
    nd.cuda.vjp(through_scratch)[2, 32, stream](*arguments)
    cuda.synchronize()
    np.testing.assert_allclose(dx.copy_to_host(), 3 * x ** 2, rtol=1e-12)


@streams
def test_a_tape_of_a_known_size(x, kind):
    stream = stream_of(kind)
    for n in (3, 7, 3):
        dx = put(np.zeros(N))
        dout = put(np.ones(N))
        arguments = nd.Dup(put(x), dx), nd.Const(n), nd.Dup(put(np.zeros(N)), dout)
        cuda.synchronize()
        nd.cuda.vjp(counted)[2, 32, stream](*arguments)
        cuda.synchronize()
        v, slope = x.copy(), np.ones(N)
        for _ in range(n):
            v, slope = np.sin(v) * v, slope * (np.cos(v) * v + np.sin(v))
        np.testing.assert_allclose(dx.copy_to_host(), slope, rtol=1e-9)


def gradients(x, dx, out, dout, a=2.0):
    da = put(np.zeros(1))
    nd.cuda.vjp(scaled)[2, 32](nd.Dup(a, da), nd.Dup(x, dx), nd.Dup(out, dout))
    return da.copy_to_host()


def test_a_number_has_its_adjoint_in_an_array(x):
    dx, out = put(np.zeros(N)), put(np.zeros(N))
    assert gradients(put(x), dx, out, put(np.ones(N))) == pytest.approx(np.sin(x).sum(), rel=1e-12)
    np.testing.assert_allclose(dx.copy_to_host(), 2 * np.cos(x), rtol=1e-12)
    np.testing.assert_allclose(out.copy_to_host(), 2 * np.sin(x), rtol=1e-12)


def test_tangents(x):
    out, dout = put(np.zeros(N)), put(np.zeros(N))
    nd.cuda.jvp(scaled)[2, 32](nd.Dup(2.0, 3.0), nd.Dup(put(x), put(np.ones(N))), nd.Dup(out, dout))
    np.testing.assert_allclose(dout.copy_to_host(), 3 * np.sin(x) + 2 * np.cos(x), rtol=1e-12)


def test_strides_are_kept():
    rows = np.random.default_rng(2).normal(size=(N, 3))
    shadow = put(np.zeros((N, 3)))
    x, dx = put(rows)[:, 1], shadow[:, 1]
    out, dout = put(np.zeros(2 * N))[::2], put(np.ones(2 * N))[::2]
    gradients(x, dx, out, dout)
    held = np.zeros((N, 3))
    held[:, 1] = 2 * np.cos(rows[:, 1])
    np.testing.assert_allclose(shadow.copy_to_host(), held, rtol=1e-12)


def test_arrays_of_no_elements():
    empty = np.zeros(0)
    assert gradients(put(empty), put(empty), put(empty), put(empty)) == 0.0


@pytest.mark.parametrize("shadow", ["own", "foreign"])
@pytest.mark.parametrize("version", [2, 3])
def test_arrays_of_other_libraries(x, version, shadow):
    held = Foreign(x, version)
    dx = Foreign(np.zeros(N), version) if shadow == "foreign" else put(np.zeros(N))
    out, dout = put(np.zeros(N)), Foreign(np.ones(N), version)
    assert gradients(held, dx, out, dout) == pytest.approx(np.sin(x).sum(), rel=1e-12)
    np.testing.assert_allclose(dx.copy_to_host(), 2 * np.cos(x), rtol=1e-12)
    np.testing.assert_allclose(out.copy_to_host(), 2 * np.sin(x), rtol=1e-12)
    measured, seed = Foreign(x, version), Foreign(np.ones(N), version)
    nd.cuda.vjp(until)[2, 32](nd.Dup(Foreign(np.zeros(N)), seed), nd.Dup(measured, Foreign(np.zeros(N))))
    np.testing.assert_allclose(measured.copy_to_host(), square_until(x)[0], rtol=1e-12)


def test_nothing_at_address_zero():
    def nothing():
        found = Foreign(np.zeros(1))
        found.__cuda_array_interface__ |= {"shape": (0,), "data": (0, False)}
        return found

    assert gradients(nothing(), nothing(), nothing(), nothing()) == 0.0
    nd.cuda.vjp(through_scratch)[2, 32](nd.Dup(nothing(), nothing()), nd.Const(nothing()), nd.Const(nothing()))


@standin
@pytest.mark.parametrize("late", ["primal", "shadow"])
def test_what_another_library_has_begun_is_waited_for(x, late):
    """It arrives on a stream that does not wait for others."""
    stream = stream_of("non-blocking")
    held, seed = Foreign(np.zeros(N)), Foreign(np.ones(N))
    array, numbers = (held, x) if late == "primal" else (seed, np.full(N, 3.0))
    held.array.copy_to_device(x if late == "shadow" else np.zeros(N))
    cuda.synchronize()
    array.array.copy_to_device(numbers, stream=stream)
    array.__cuda_array_interface__["stream"] = int(stream.handle)
    factor = 3.0 if late == "shadow" else 1.0
    dx, out = put(np.zeros(N)), put(np.zeros(N))
    assert gradients(held, dx, out, seed) == pytest.approx(factor * np.sin(x).sum(), rel=1e-12)
    np.testing.assert_allclose(dx.copy_to_host(), factor * 2 * np.cos(x), rtol=1e-12)


def read_only(array):
    found = Foreign(array)
    found.__cuda_array_interface__["data"] = (found.__cuda_array_interface__["data"][0], True)
    return found


def test_read_only_arrays(x):
    dx = put(np.zeros(N))
    gradients(read_only(x), dx, put(np.zeros(N)), put(np.ones(N)))
    np.testing.assert_allclose(dx.copy_to_host(), 2 * np.cos(x), rtol=1e-12)
    with pytest.raises(ValueError, match="argument 'out' is read-only, and the kernel writes it"):
        gradients(put(x), dx, read_only(x), put(np.ones(N)))
    with pytest.raises(ValueError, match="shadow of argument 'x' is read-only"):
        gradients(put(x), read_only(x), put(x), put(np.ones(N)))


def test_masks_are_refused(x):
    masked = Foreign(x, mask=Foreign(np.ones(N, bool)))
    for arguments in ((masked, put(x)), (put(x), masked)):
        with pytest.raises(nd.Unsupported, match="a mask; pass its data and its mask"):
            gradients(*arguments, put(np.zeros(N)), put(np.ones(N)))


class Tensor:
    """As torch's when it requires grad."""

    @property
    def __cuda_array_interface__(self):
        raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad.")


def test_tensors_that_require_grad(x):
    for arguments in ((Tensor(), put(x)), (put(x), Tensor())):
        with pytest.raises(TypeError, match=r"pass tensor.detach\(\)"):
            gradients(*arguments, put(np.zeros(N)), put(np.ones(N)))


def test_arrays_of_the_host_are_refused(x):
    with pytest.raises(TypeError, match="cuda.to_device"):
        gradients(x, put(x), put(x), put(x))
    with pytest.raises(TypeError, match="cuda.to_device"):
        gradients(put(x), x, put(np.zeros(N)), put(x))


Pair = namedtuple("Pair", ["x", "out"])


@cuda.jit
def of_a_pair(pair, n):
    i = cuda.grid(1)
    if i < n:
        pair.out[i] = pair.x[i] * pair.x[i]


@pytest.mark.parametrize("make", [put, Foreign])
def test_named_tuples(x, make):
    shadow = Pair(make(np.zeros(N)), make(np.ones(N)))
    nd.cuda.vjp(of_a_pair)[2, 32](nd.Dup(Pair(make(x), make(np.zeros(N))), shadow), nd.Const(N))
    np.testing.assert_allclose(shadow.x.copy_to_host(), 2 * x, rtol=1e-12)


@standin
def test_no_memory_for_the_tape(x):
    driver = ctypes.CDLL("libcuda.so.1")
    driver.standin_used.restype = ctypes.c_size_t
    limit = driver.standin_memory
    limit.argtypes, limit.restype = [ctypes.c_size_t], None
    dx, out, seed = put(np.zeros(N)), put(np.zeros(N)), put(np.ones(N))
    arguments = nd.Dup(put(x), dx), nd.Const(10 ** 6), nd.Dup(out, seed)
    limit(driver.standin_used() + 4096)
    try:
        with pytest.raises(MemoryError, match=r"no memory for the tape of [\d,]+ bytes: [\d,]+ for each of 64 threads"):
            nd.cuda.vjp(counted)[2, 32](*arguments)
    finally:
        limit(8 << 30)
    assert not dx.copy_to_host().any()
