"""What derivatives of device functions refuse, and how they say so."""

import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.calls import device, potential  # noqa: E402
from cuda.emulated import F64  # noqa: E402
from numba import cuda, float64, int64, njit  # noqa: E402

import numbad as nd  # noqa: E402
from numbad.cuda import numba_cuda  # noqa: E402


def lower_call(function, *argtypes):
    @cuda.jit
    def one(a):
        function(a[0])

    @cuda.jit
    def two(a, b):
        function(a[0], b)

    numba_cuda.lower(one if len(argtypes) == 1 else two, argtypes)


@device
def whole(x, k):
    return x * k


@device
def pair(x):
    return x, x


@device
def total(x, a):
    return x * a.sum() if a.size < 0 else x * a[0]


@device
def writes(x, a):
    a[0] = x
    return a[int(x)] * x


@device
def branchless(x):
    return x * x * x


@device
def counts(x):
    return 3


@cuda.jit
def some_kernel(x):
    x[0] = 1.0


def test_outside_of_a_kernel():
    with pytest.raises(TypeError, match=r"grad\(potential\) is a device function: call it in a @cuda.jit kernel"):
        nd.grad(potential)(1.0, 2.0)
    with pytest.raises(TypeError, match="cannot be launched"):
        nd.grad(potential)[1, 1](1.0, 2.0)


def test_in_code_for_the_host():
    gradient = nd.grad(potential)

    @njit
    def function(x):
        return gradient(x, 2.0)

    with pytest.raises(TypeError, match=r"grad\(potential\) is a device function: call it in a @cuda.jit kernel"):
        function(1.0)

    @njit
    def inside(x):
        return nd.grad(potential)(x, 2.0)

    with pytest.raises(TypeError, match=r"grad\(potential\) in code for the host: .* by numba.cuda.jit"):
        inside(1.0)


def test_of_a_kernel():
    with pytest.raises(TypeError, match=r"grad\(some_kernel\): the function is a kernel.*numbad.cuda.vjp"):
        nd.grad(some_kernel)


def test_by_integers():
    with pytest.raises(TypeError, match=r"grad\(whole\): the argument 'k' is int64, which has no derivative"):
        lower_call(nd.grad(whole, argnums=1), F64, int64)


def test_by_arrays():
    with pytest.raises(nd.Unsupported, match=r"(?s)grad\(total\): the argument 'a' is or holds a 1-dimensional array "
                       r"of float64, and inside a kernel.*test_device_function_refusals.py:\d+, in total"):
        lower_call(nd.grad(total, argnums=1), F64, F64)


def test_of_what_is_no_float():
    with pytest.raises(TypeError, match=r"grad\(pair\): .* returns a tuple of 2: use jvp"):
        lower_call(nd.grad(pair), F64)
    with pytest.raises(TypeError, match=r"grad\(counts\): .* returns int64"):
        lower_call(nd.grad(counts), F64)


def test_of_what_writes():
    with pytest.raises(nd.Unsupported, match=r"(?s)grad\(writes\): the function writes what is.* into the array 'a'.*"
                       r"test_device_function_refusals.py:\d+, in writes"):
        lower_call(nd.grad(writes), F64, F64)


def test_outputs():
    with pytest.raises(nd.Unsupported, match=r"(?s)vjp\(writes\): outputs= inside a kernel.*, in writes"):
        nd.vjp(writes, outputs=("a",))


def test_bad_names():
    with pytest.raises(ValueError, match=r"grad\(potential\): argnums names 'z', but the arguments are x, y"):
        nd.grad(potential, argnums="z")


def test_tangents_do_not_fit():
    pushed = nd.jvp(potential)

    @cuda.jit
    def kernel(x):
        pushed((x[0], x[1]), (1.0,))

    with pytest.raises(TypeError, match=r"jvp\(potential\): tangents must be a tuple with one entry for each"):
        numba_cuda.lower(kernel, (F64,))


def test_refusal_of_the_engine_names_the_line():
    @device
    def maximum(x, a):
        return x + cuda.atomic.max(a, 0, x)

    with pytest.raises(nd.NoDerivative, match=r"(?s)the gradient of .*maximum needs the derivative of "
                       r".*atomic_double_max.*test_device_function_refusals.py:\d+, in .*return x \+ cuda.atomic.max"):
        lower_call(nd.grad(maximum), F64, F64)


def test_dynamic_shared_memory():
    @device
    def neighbour(x):
        s = cuda.shared.array(0, float64)
        s[cuda.threadIdx.x] = x * x
        cuda.syncthreads()
        return s[cuda.threadIdx.x ^ 1]

    with pytest.raises(nd.Unsupported, match=r"(?s)grad\(.*neighbour\): the function uses dynamic shared memory"):
        lower_call(nd.grad(neighbour), F64)


@njit
def fill(a):
    a[0] = 1.0


def test_plans_without_a_place_in_kernels():
    for derivative in (nd.vjp(fill, outputs=("a",)), nd.autodiff(fill, "reverse")):
        with pytest.raises(nd.Unsupported, match=r"(?s)(vjp|autodiff)\(fill\) inside a kernel.*:\d+, in fill"):
            lower_call(derivative, F64)


def test_wrong_number_of_arguments():
    with pytest.raises(Exception, match="missing a required argument: 'y'"):
        lower_call(nd.grad(potential), F64)
