"""What `Gpu` makes of arrays of any layout; numba-cuda's are replaced by some that copy whole bytes on the host."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="needs numba-cuda: pip install numba-cuda")

from numbad.cuda import gpu
from numbad.cuda.gpu import Gpu


class OnDevice:
    """An array of another library."""

    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = {
            "data": (array.ctypes.data, False), "shape": array.shape, "typestr": array.dtype.str, "version": 3,
            "strides": None if array.flags.c_contiguous else array.strides}


class Bytes:
    """As numba-cuda copies: contiguous arrays only, and synchronously."""

    def __init__(self, array):
        interface = array.__cuda_array_interface__
        assert interface["typestr"] == "|u1" and interface["strides"] == (1,) and len(interface["shape"]) == 1
        self.array = np.frombuffer((ctypes.c_char * interface["shape"][0]).from_address(interface["data"][0]), np.uint8)

    def copy_to_host(self):
        return self.array.copy()

    def copy_to_device(self, array):
        assert array.dtype == np.uint8 and array.flags.c_contiguous
        self.array[...] = array


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(gpu, "cuda", SimpleNamespace(
        to_device=lambda array: OnDevice(array.copy()), as_cuda_array=Bytes, synchronize=lambda: None,
        default_stream=lambda: SimpleNamespace(synchronize=lambda: None)))
    return Gpu()


BASE = np.arange(60.0).reshape(5, 12)
LAYOUTS = {
    "contiguous": lambda base: base,
    "transposed": lambda base: base.T,
    "every other": lambda base: base[::2, 1::3],
    "backwards": lambda base: base[::-1, ::-2],
    "float32": lambda base: base.astype(np.float32),
    "complex": lambda base: (base + 2j * base)[:, ::-1],
    "integers": lambda base: base.astype(np.int32)[1],
    "of one number": lambda base: base[2:3, 3:4],
    "empty": lambda base: base[:0],
    "of no dimensions": lambda base: base[1, 2:3].reshape(()),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_numbers_go_to_and_fro(name, machine):
    array = LAYOUTS[name](BASE.copy())
    there, before = OnDevice(array), array.copy()
    found = machine.numbers(there)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, before)
    found[...] = 7
    np.testing.assert_array_equal(array, before)  # a copy
    machine.put(there, before + 1)
    np.testing.assert_array_equal(array, before + 1)


def test_what_lies_between_the_numbers_is_left(machine):
    base = BASE.copy()
    machine.put(OnDevice(base[::2, 1::3]), np.zeros((3, 4)))
    expected = BASE.copy()
    expected[::2, 1::3] = 0.0
    np.testing.assert_array_equal(base, expected)


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_array_of_the_same_layout(name, machine):
    array = LAYOUTS[name](BASE.copy())
    like = machine.like(machine.array(OnDevice(array)))
    one, other = machine.array(OnDevice(array)), machine.array(like)
    assert (one.shape, one.strides, one.dtype) == (other.shape, other.strides, other.dtype)
    np.testing.assert_array_equal(machine.numbers(like), np.zeros_like(array))
    machine.put(like, array)
    np.testing.assert_array_equal(machine.numbers(like), array)
    held = other.owner.owner.array  # all of the memory
    start, end = held.ctypes.data, held.ctypes.data + held.nbytes
    assert not array.size or start <= other.extent[0] and other.extent[1] <= end


def test_the_kernel_itself_is_launched_as_it_is_given(machine, monkeypatch):
    seen = {}
    monkeypatch.setattr(gpu.numba_cuda, "on_device", lambda value: ("there", value))

    class Kernel:
        def __getitem__(self, configuration):
            return lambda *arguments: seen.update({configuration: arguments})

    machine.run(Kernel(), ((2,), (32,), 7, 64), (1.0, "x"))
    assert seen == {((2,), (32,), 7, 64): (("there", 1.0), ("there", "x"))}


def test_the_block_of_a_derivative_is_asked_for_its_launcher(machine, monkeypatch):
    derivative = SimpleNamespace(symbol="ours", text="", linked=frozenset(),
                                 lowered=SimpleNamespace(argtypes=("float64",), fastmath=False))
    made = []
    monkeypatch.setattr(gpu.numba_cuda, "launcher", lambda ptx, symbol, argtypes, like: made.append(argtypes) or symbol)
    monkeypatch.setattr(gpu.numba_cuda, "block_size", lambda launcher, shared: (launcher, shared))
    for _ in range(2):
        assert machine.block_size(derivative, ["int64"], 96) == ("ours", 96)
    assert made == [("float64", "int64")]  # once
