"""What happens to arrays: inputs stay as they were, layouts, overlaps, and no memory of ours is lost."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numba import float64, njit, optional, types
from numba.core.runtime import rtsys
from numba.experimental import jitclass, structref
from numba.typed import Dict, List

import numbad as nd


@njit
def squares(x):
    total = 0.0
    for value in x.flat:
        total += value * value
    return total


@njit
def through_scratch(x, w):
    for i in range(len(x)):
        w[i] = x[i] * x[i]
    return w.sum()


@njit
def doubled(x):
    return 2.0 * x


@njit
def scaled(y, x, a):
    if a > 100.0:
        raise ValueError("large")
    for i in range(len(y)):
        y[i] = a * x[i]


@njit
def in_tuple(pair):
    pair[0][0] = 3.0 * pair[1][0]
    return pair[0][0] * pair[1][0]


def matrix():
    return np.arange(6.0).reshape(2, 3)


def frozen(array):
    array.flags.writeable = False
    return array


LAYOUTS = {
    "C": matrix(), "F": np.asfortranarray(matrix()), "strided": np.arange(24.0).reshape(4, 6)[::2, ::2],
    "reversed": matrix()[::-1], "transposed": np.arange(24.0).reshape(4, 6)[::2, ::2].T, "read-only": frozen(matrix()),
    "empty": np.zeros((0, 3)), "0-d": np.array(3.0), "broadcast": np.broadcast_to(np.arange(3.0), (2, 3)),
}


@pytest.mark.parametrize("x", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(x):
    before = x.copy()
    gradient = nd.grad(squares)(x)
    np.testing.assert_array_equal(gradient, 2 * x)
    assert gradient.flags.writeable
    assert gradient.flags.f_contiguous if x.flags.f_contiguous else gradient.flags.c_contiguous
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("x", [LAYOUTS["C"], LAYOUTS["F"], LAYOUTS["transposed"]], ids=["C", "F", "transposed"])
def test_tangents_of_other_layouts(x):
    tangent = np.arange(1.0, 1.0 + x.size).reshape(x.shape)
    for same in (tangent, np.asfortranarray(tangent), np.stack([tangent, tangent], axis=-1)[..., 0], frozen(tangent)):
        assert nd.jvp(squares)((x,), (same,)) == (squares(x), (2 * x * tangent).sum())


def test_written_arguments_are_copied():
    x, w = np.arange(3.0), np.full(3, 7.0)
    np.testing.assert_array_equal(nd.grad(through_scratch)(x, w), 2 * x)
    tangent = np.ones(3)
    assert nd.jvp(through_scratch)((x, w), (tangent, tangent)) == (5.0, 6.0)
    out, (of_x, of_w) = nd.vjp(through_scratch)((x, w), 1.0)
    np.testing.assert_array_equal(of_x, 2 * x)
    np.testing.assert_array_equal(of_w, 0.0)
    for array, expected in ((x, [0, 1, 2]), (w, [7, 7, 7]), (tangent, [1, 1, 1])):
        np.testing.assert_array_equal(array, expected)


def test_written_array_in_a_tuple_is_copied():
    a, b = np.array([5.0]), np.array([2.0])
    of_a, of_b = nd.grad(in_tuple)((a, b))
    assert (a[0], of_a[0], of_b[0]) == (5.0, 0.0, 12.0)


def test_overlap_with_a_written_argument():
    a, u = np.zeros(5), np.zeros((3, 2))
    message = r"argument 'x' and argument 'w' overlap, and argument 'w' is written"
    for x, w in ((a, a), (a[:4], a[1:]), (a[::-1], a), (u[1], u[1, ::-1])):
        with pytest.raises(ValueError, match=r"grad\(through_scratch\): " + message):
            nd.grad(through_scratch)(x, w)
        with pytest.raises(ValueError, match=message):
            nd.jvp(through_scratch)((x, w), (None, None))
    for x, w in ((a[:2], a[2:4]), (u[:, 0], u[:, 1]), (a[::2], a[1::2][[0, 1, 0]]), (u[0], u[1]), (a[:0], a)):
        np.testing.assert_array_equal(nd.grad(through_scratch)(x, w), 2 * x)
    with pytest.raises(ValueError, match=r"argument 'pair'\[0\] and argument 'pair'\[1\] overlap"):
        nd.grad(in_tuple)((a, a))


def test_overlap_is_fine_where_nothing_is_written():
    @njit
    def dot(x, y):
        total = 0.0
        for i in range(len(x)):
            total += x[i] * y[i]
        return total

    x = np.arange(3.0)
    for gradient in nd.grad(dot, (0, 1))(x, x):
        np.testing.assert_array_equal(gradient, x)


def lost(function, *arguments):
    """Allocations and releases that the second call of a function leaves without a partner."""
    for _ in range(2):
        before = rtsys.get_allocation_stats()
        try:
            result = function(*arguments)
        except ValueError:
            result = None
        del result
        after = rtsys.get_allocation_stats()
    return (after.alloc - before.alloc) - (after.free - before.free), \
        (after.mi_alloc - before.mi_alloc) - (after.mi_free - before.mi_free)


@pytest.mark.parametrize("call", [
    lambda x, y: nd.grad(squares)(x),
    lambda x, y: nd.grad(through_scratch)(x, y),
    lambda x, y: nd.grad(through_scratch)(x, x),                                    # overlap
    lambda x, y: nd.jvp(squares)((x,), (y[:2],)),                                   # wrong shape
    lambda x, y: nd.jvp(doubled)((x,), (y,)),
    lambda x, y: nd.vjp(doubled)((x,), y),
    lambda x, y: nd.vjp(doubled)((x,), y[:2]),                                      # wrong shape
    lambda x, y: nd.vjp(scaled, outputs=("y",))((y, x, 2.0), (x,)),
    lambda x, y: nd.vjp(scaled, outputs=("y",))((y, x, 200.0), (x,)),               # the primal raises
    lambda x, y: nd.jvp(scaled, outputs=("y",))((y, x, 200.0), (None, y, None)),
    lambda x, y: nd.autodiff(squares, "reverse")(nd.Dup(x, y)),
    lambda x, y: nd.autodiff(squares, "reverse")(nd.Dup(x, x)),                     # overlap
])
def test_nothing_is_lost(call):
    assert lost(call, np.ones(3), np.zeros(3)) == (0, 0)


@njit
def long_recurrence(x, steps):
    for _ in range(steps):
        x = x + 1e-6 * np.sin(x)
    return x


def test_released_memory():
    """What tapes left goes back to the system; gradients allocate again afterwards."""
    nd.release_memory()
    before = rtsys.get_allocation_stats()
    assert nd.grad(long_recurrence)(0.3, 100_000) != 0.0
    kept = rtsys.get_allocation_stats()
    assert kept.alloc - kept.free > before.alloc - before.free
    assert nd.release_memory() >= 100_000 * 8
    assert nd.release_memory() == 0
    after = rtsys.get_allocation_stats()
    assert after.alloc - after.free == before.alloc - before.free
    with ThreadPoolExecutor(4) as threads:      # while others run
        gradients = [threads.submit(nd.grad(long_recurrence), 0.3, 20_000) for _ in range(40)]
        for _ in range(200):
            nd.release_memory()
        assert len({gradient.result() for gradient in gradients}) == 1


@jitclass([("factors", float64[::1])])
class Holder:
    def __init__(self, factors):
        self.factors = factors


@njit
def scaled_by_held(x, held):
    total = 0.0
    for i in range(len(x)):
        x[i] = 1.5 * x[i]
        total += held.factors[i] * x[i]
    return total


def test_arrays_of_instances_count_as_arguments():
    """An array that an instance holds, and that another argument shows under the program's hands."""
    x = np.ones(3)
    np.testing.assert_allclose(nd.grad(scaled_by_held)(x, Holder(2.0 * x)), np.full(3, 3.0))
    with pytest.raises(ValueError, match="argument 'x' and argument 'held'.factors overlap, and"):
        nd.grad(scaled_by_held)(x, Holder(x))
    with pytest.raises(ValueError, match="overlap"):
        nd.autodiff(scaled_by_held, "reverse")(nd.Dup(x, np.zeros(3)), nd.Const(Holder(x)))


@njit
def overwrites_held(x, held):
    total = 0.0
    for i in range(len(x)):
        held.factors[i] = 3.0
        total += x[i] * x[i]
    return total


def test_what_instances_hold_may_be_written():
    x = np.ones(3)
    np.testing.assert_allclose(nd.grad(overwrites_held)(x, Holder(2.0 * x)), np.full(3, 2.0))
    with pytest.raises(ValueError, match="overlap"):
        nd.grad(overwrites_held)(x, Holder(x))
    np.testing.assert_array_equal(x, np.ones(3))


@njit
def scaled_by_listed(x, held):
    total = 0.0
    for i in range(len(x)):
        x[i] = 1.5 * x[i]
        total += held[0][i] * x[i]
    return total


@jitclass([("pair", types.UniTuple(float64[::1], 2)), ("many", types.ListType(float64[::1]))])
class Holders:
    def __init__(self, pair, many):
        self.pair = pair
        self.many = many


@jitclass([("factors", optional(float64[::1]))])
class PerhapsHolder:
    def __init__(self, factors):
        self.factors = factors


@njit
def scaled_by_perhaps(x, held):
    return x[0] * x[0] if held.factors is None else scaled_by_held(x, held)


@njit
def scaled_by_pair(x, held):
    return scaled_by_listed(x, held.pair)


@njit
def scaled_by_many(x, held):
    return scaled_by_listed(x, held.many)


@njit
def scaled_by_first(x, held):
    return scaled_by_held(x, held[0])


def in_a_pair(*arrays):
    return Holders(arrays, List([np.zeros(3)]))


def in_a_list(*arrays):
    return Holders((np.zeros(3), np.ones(3)), List(arrays))


def listed_instances(*arrays):
    return List([Holder(array) for array in arrays])


def listed(*arrays):
    return List(arrays)


def listed_twice(*arrays):
    return List([List(arrays)])


def mapped(*arrays):
    held = Dict()
    for key, array in enumerate(arrays):
        held[key] = array
    return held


def in_tuples(*arrays):
    return List([(array, 1.0) for array in arrays])


@structref.register
class PairType(types.StructRef):
    def preprocess_fields(self, fields):
        return tuple((name, types.unliteral(ty)) for name, ty in fields)


class Pair(structref.StructRefProxy):
    def __new__(cls, pair, number):
        return structref.StructRefProxy.__new__(cls, pair, number)


structref.define_proxy(Pair, PairType, ["pair", "number"])


def in_a_structref(*arrays):
    return Pair(arrays, 1.0)


@njit
def scaled_by_deep(x, held):
    return scaled_by_listed(x, held[0])


def test_arrays_that_may_be_missing_count_as_arguments():
    x = np.ones(3)
    np.testing.assert_allclose(nd.grad(scaled_by_perhaps)(x, PerhapsHolder(None)), [2.0, 0.0, 0.0])
    np.testing.assert_allclose(nd.grad(scaled_by_perhaps)(x, PerhapsHolder(2.0 * x)), np.full(3, 3.0))
    for _ in range(100):
        with pytest.raises(ValueError, match="argument 'x' and an array in argument 'held'.factors overlap, and"):
            nd.grad(scaled_by_perhaps)(x, PerhapsHolder(x))
        with pytest.raises(ValueError, match="overlap"):
            nd.autodiff(scaled_by_perhaps, "reverse")(nd.Dup(x, np.zeros(3)), nd.Const(PerhapsHolder(x)))
    np.testing.assert_array_equal(x, np.ones(3))


@pytest.mark.parametrize("function, hold", [
    (scaled_by_listed, listed), (scaled_by_listed, mapped),
    (scaled_by_deep, listed_twice), (scaled_by_deep, in_tuples),
    (scaled_by_first, listed_instances), (scaled_by_pair, in_a_pair), (scaled_by_many, in_a_list),
    (scaled_by_pair, in_a_structref)])
def test_arrays_in_containers_count_as_arguments(function, hold):
    x, other = np.ones(3), np.full(3, 2.0)
    np.testing.assert_allclose(nd.grad(function)(x, hold(other, other)), np.full(3, 3.0))
    with pytest.raises(ValueError, match="argument 'x' and an array in argument 'held'.* overlap, and"):
        nd.grad(function)(x, hold(other, x))
    with pytest.raises(ValueError, match="overlap"):
        nd.autodiff(function, "reverse")(nd.Dup(x, np.zeros(3)), nd.Const(hold(x, other)))
    np.testing.assert_array_equal(x, np.ones(3))


@njit
def scaled_by_memory(x, held):
    for i in range(len(x)):
        x[i] = 1.5 * x[i]
    return x[0] * held[0]


@njit
def scaled_by_record(x, held):
    for i in range(len(x)):
        x[i] = 1.5 * x[i]
    return x[0] * held.mass


def test_other_views_of_memory_count_as_arrays():
    records = np.ones(3, np.dtype([("mass", np.float64), ("charge", np.float64)]))
    x = np.ones(3)
    masses = records["mass"]
    for function, shown, held in ((scaled_by_memory, x, memoryview(x)), (scaled_by_record, masses, records[2])):
        np.testing.assert_allclose(nd.grad(function)(2.0 * x, held), [1.5, 0.0, 0.0])
        with pytest.raises(ValueError, match="argument 'x' and argument 'held' overlap, and argument 'x' is written"):
            nd.grad(function)(shown, held)
        shadow = np.zeros(6)[::shown.strides[0] // 8][:3]
        with pytest.raises(ValueError, match="overlap"):
            nd.autodiff(function, "reverse")(nd.Dup(shown, shadow), nd.Const(held))
    np.testing.assert_allclose(nd.grad(scaled_by_record)(records["charge"], records[2].copy()), [1.5, 0.0, 0.0])


def test_containers_that_share_arrays():
    x = np.ones(3)
    other = 2.0 * x
    with pytest.raises(ValueError, match="an array in argument 'first' and an array in argument 'second' overlap"):
        nd.grad(both_listed)(x, listed(other), listed(other))


@njit
def both_listed(x, first, second):
    return x[0] * first[0][0] * second[0][0]
