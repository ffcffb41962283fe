"""What tells functions apart without lowering them, and what keeps a changed global from the disk."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections import namedtuple
from types import ModuleType

import numpy as np
import pytest
from numba import float64, njit, vectorize
from numba.extending import overload

import numbad as nd
from numbad import extensions
from numbad.descriptions import Indescribable
from numbad.disk import Disk
from numbad.extensions import extended
from numbad.fingerprint import fingerprint
from numbad.key import lowered_here, recalled

Pair = namedtuple("Pair", "a b")


@pytest.fixture(autouse=True)
def only_extended_here(monkeypatch):
    """Other tests of the process may have extended Numba: their modules are taken for its own."""
    monkeypatch.setattr(extensions, "OURS", {*extensions.OURS, *map(extensions.package_of, extensions._modules())})


def of(function, **options) -> str:
    return fingerprint(njit(**options)(function)).text


def enclosing(value):
    def enclosed(x):
        return value
    return enclosed


VALUES = [1, 1.0, True, 2, -0.0, 0.0, float("nan"), 1j, "1", b"1", None, (1, 2), (1, (2,)), Pair(1, 2), np.float32(1),
          np.float64(1), np.array([1.0]), np.array([[1.0]]), np.array([1]), np.array([2.0]), math.sin, math.cos, np.sin,
          math, np, ValueError, Pair, njit(enclosing(1)), njit(enclosing(2)), njit(fastmath=True)(enclosing(1)),
          nd.grad(njit(lambda x: x)), nd.jvp(njit(lambda x: x)), nd.differentiate(lambda x: x), float64]


def test_values_of_enclosing_variables_are_told_apart():
    assert len({of(enclosing(value)) for value in VALUES}) == len(VALUES)


def test_equal_values_are_not():
    for make in (lambda: np.arange(3.0), lambda: (1.5, "a"), lambda: njit(enclosing(1)), lambda: Pair(1, 2.0)):
        assert of(enclosing(make())) == of(enclosing(make()))


def test_options_and_types():
    function = enclosing(1)
    options = [{}, {"fastmath": True}, {"fastmath": {"nnan"}}, {"error_model": "numpy"}, {"boundscheck": True},
               {"inline": "always"}, {"locals": {"y": float64}}]
    assert len({of(function, **chosen) for chosen in options}) == len(options)
    assert fingerprint(njit(function), (float64,)).text != of(function)
    assert fingerprint(njit("float64(float64)")(function)).text != of(function)


@pytest.mark.parametrize("value", [object(), [1], np.array([None]), np.zeros(200_000), enclosing, np.random.normal,
                                   ModuleType("unknown"), type("Local", (Exception,), {}), vectorize(enclosing(1))],
                         ids=lambda value: type(value).__name__)
def test_what_is_not_understood(value):
    with pytest.raises(Indescribable):
        of(enclosing(value))


def test_what_was_put_into_a_known_package(monkeypatch):
    def uses_it(x):
        return np.put_there(x)

    found = set()
    for value in (njit(enclosing(1)), njit(enclosing(2)), 1.0):
        monkeypatch.setattr(np, "put_there", value, raising=False)
        found.add(of(uses_it))
    assert len(found) == 3
    for value in (enclosing(1), vectorize(enclosing(1))):
        monkeypatch.setattr(np, "put_there", value)
        with pytest.raises(Indescribable):
            of(uses_it)


def module_in(folder, text: str, name: str = "fingerprinted"):
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def forgotten():
    yield
    for name in ("fingerprinted", "fingerprinted_other"):
        sys.modules.pop(name, None)


def test_what_modules_hold(tmp_path, forgotten):
    other = module_in(tmp_path, "from numba import njit\nN = 1\n@njit\ndef g(x): return M * x\nM = 1\n",
                      "fingerprinted_other")
    module = module_in(tmp_path, "import fingerprinted_other as o\nimport math\n"
                                 "def f(x):\n    return o.N * o.g(x) + math.pi\n")
    found = {of(module.f)}
    other.N = 2
    found.add(of(module.f))
    other.M = 2
    found.add(of(module.f))
    other.unrelated = 3
    assert of(module.f) in found and len(found) == 3


GLOBAL = "from numba import njit\nN = 1.0\n@njit(cache=True)\ndef f(x):\n    return N * x\n"


def test_a_global_that_changed_after_lowering_is_not_kept(tmp_path, forgotten):
    first = module_in(tmp_path, GLOBAL)
    assert nd.grad(first.f)(2.0) == 1.0
    first.N = 5.0
    assert nd.jvp(first.f)((2.0,), (1.0,)) == (2.0, 1.0)  # Numba stays with what it lowered
    second = module_in(tmp_path, GLOBAL)
    second.N = 5.0
    assert recalled(second.f, (float64,), Disk(second.f.py_func, "lowered")) == lowered_here(second.f, (float64,))
    assert nd.jvp(second.f)((2.0,), (1.0,)) == (10.0, 5.0)


def test_what_was_lowered_before_a_global_changed_is_kept_as_that(tmp_path, forgotten):
    first = module_in(tmp_path, GLOBAL)
    first.N = 5.0
    assert nd.jvp(first.f)((2.0,), (1.0,)) == (10.0, 5.0)  # on disk: what f is with N = 5
    second = module_in(tmp_path, GLOBAL)
    assert nd.vjp(second.f)((2.0,), 1.0) == (2.0, (1.0,))
    second.N = 5.0
    assert nd.grad(second.f)(2.0) == 1.0
    third = module_in(tmp_path, GLOBAL)
    third.N = 5.0
    assert nd.grad(third.f)(2.0) == 5.0


def test_extensions_are_noticed(monkeypatch):
    from numba.core.typing.templates import builtin_registry
    assert not extended()
    for name in ("functions", "attributes", "globals"):
        monkeypatch.setattr(builtin_registry, name, list(getattr(builtin_registry, name)))

    code = ("def stub(x): pass\n"
            "@overload(stub)\n"
            "def _stub(x): return lambda x: x\n")
    exec(code, {"__name__": "somebody.else", "overload": overload})
    assert extended()
    with pytest.raises(Indescribable):
        of(enclosing(1))
