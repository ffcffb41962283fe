"""The functions that call a derivative, while they are written, line by line.

Given   a plan and the types of the primal's arguments.
Gives   the parts of an implementation: primals, shadows, the call, the handling of its status. `Inputs` holds what both
        layers share; `CopiedInputs` makes the copies and the shadows of the functional layer.
Unsure  refuses an argument, by `numbad.checks` when types tell and by a line that raises when only values tell.

In the written lines `a0, a1, ...` are the arguments as given, `p0, ...` the copies of them that the derivative gets,
and `s0, ...` the shadows; those of arrays in tuples carry the path in their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from types import FunctionType

from numba.core import types

from numbad import abi, arrays, link
from numbad.checks import check_active
from numbad.held import INSTANCES, check_held, fields, holds_memory, is_memory
from numbad.plan import Plan, Types
from numbad.request import Request
from numbad.source import Body


class Inputs:
    """The arguments of one call of a derivative."""

    def __init__(self, plan: Plan, primal_types: Types, active: Iterable[int]):
        self.plan, self.types, self.names = plan, primal_types, plan.argument_names
        self.active = tuple(position in tuple(active) for position in range(len(primal_types)))
        for position, ty in enumerate(primal_types):
            if self.active[position]:
                check_active(plan.name, self.names[position], ty)
            check_held(plan.name, self.names[position], ty)
        self.body = Body(overlap=arrays.overlap, duplicate=arrays.duplicate, zeros=arrays.zeros, absent=arrays.absent,
                         congruent=arrays.congruent, forward=link.forward, reverse=link.reverse,
                         propagate=link.propagate)
        self.written: frozenset[int] = frozenset()
        self.shadowed: frozenset[int] = frozenset()
        self.primals: dict[int, str] = {}
        self.shadows: dict[int, str] = {}

    @cached_property
    def result(self) -> types.Type:
        """What the primal returns for these arguments."""
        from numbad.frontend import lower
        return lower(self.plan.primal, self.types).signature.return_type

    def differentiate(self, mode: str, seeds: types.Type = types.none) -> None:
        """Ask for the derivative. From here on it is known what the primal writes and which shadows are needed."""
        from numbad.derive import derive
        text = abi.seed_text(self.result, seeds) if mode == "reverse" else None
        derivative = derive(self.plan.primal, self.types, Request(mode, self.active, seeded=text is not None), text)
        self.plan.derivatives.append(derivative)
        self.written = derivative.written
        self.shadowed = derivative.shadowed | {position for position, active in enumerate(self.active) if active}
        self.body.names["callee"] = link.Static(link.Callee(derivative, self.active))

    def forward(self) -> None:
        """Lines that leave the result in `out` and its tangent in `out_dot`."""
        self._call("code, excinfo, out, given_dot = forward(callee, (None, {primals}), ({shadows}))")

        def leaf_tangent(path, leaf):
            given = f"given_dot{indices(path)}"
            if not abi.is_float_array(leaf):
                return given
            tangent = variable("out_dot", None, path)
            self.body.line(f"{tangent} = {given}")
            self.body.line(f"if absent({tangent}):")
            self.body.line(f"{tangent} = zeros(out{indices(path)})", 1)
            return tangent

        self.body.line(f"out_dot = {self.mirror(self.result, leaf_tangent)}")

    def reverse(self, seeds: str, seeds_type: types.Type = types.none) -> None:
        """Lines that leave the result in `out` and the adjoints of floats in `adjoints`."""
        self._call("code, excinfo, mismatch, out, adjoints = "
                   f"reverse(callee, (None, {{primals}}), ({{shadows}}), {seeds})")
        seeded = [path for path, leaf in abi.leaves(self.result) if abi.is_float_array(leaf)]
        for number, path in enumerate(seeded, 1):
            if not isinstance(at(seeds_type, path), types.NoneType):
                self.body.refuse(f"mismatch == {number}", ValueError, f"{self.plan.name}: the shape of cotangents"
                                 f"{indices(path)} is not that of the result")

    def title(self, position: int, path: abi.Path = ()) -> str:
        """An array as messages name it."""
        return f"argument '{self.names[position]}'{indices(path)}"

    def mirror(self, ty: types.Type, leaf: Callable[[abi.Path, types.Type], str], path: abi.Path = ()) -> str:
        """An expression for the same tree with every leaf replaced."""
        if not isinstance(ty, types.BaseTuple):
            return leaf(path, ty)
        elements = [self.mirror(element, leaf, (*path, index)) for index, element in enumerate(ty.types)]
        named = getattr(ty, "instance_class", None)
        if named is not None:
            return f"{self.body.name(named.__name__, named)}({', '.join(elements)})"
        return f"({''.join(f'{element}, ' for element in elements)})"

    def arrays(self, position: int, ty: types.Type) -> Iterator[tuple[str, str, str]]:
        """The arrays of an argument, also those that lists, dictionaries and instances of a jitclass hold, as
        `refuse_overlaps` wants them.

        Nobody tells whether the function writes what is held, so that counts as written.
        """
        written = "is written" if position in self.written else ""
        work = [(self.title(position, path), f"a{position}{indices(path)}", leaf) for path, leaf in abi.leaves(ty)]
        held = len(work)
        for number, (title, access, leaf) in enumerate(work):
            if isinstance(leaf, INSTANCES):
                work += [(f"{title}.{name}", f"{access}.{name}", field) for name, field in fields(leaf).items()
                         if is_memory(field) or holds_memory(field)]
            elif holds_memory(leaf):
                yield f"an array in {title}", access, "may be written"
            elif is_memory(leaf):
                yield title, access, written if number < held else "may be written"

    def refuse_overlaps(self, arrays: list[tuple[str, str, str]]) -> None:
        """Lines that raise if an array that is written shares memory with another one.

        Each array is given by its name in messages, its expression, and whether it is written: in words, or nothing.
        """
        for index, (name, array, written) in enumerate(arrays):
            for other_name, other, other_written in arrays[index + 1:]:
                reason = f"{name} {written}" if written else f"{other_name} {other_written}"
                if written or other_written:
                    self.body.refuse(f"overlap({array}, {other})", ValueError, f"{self.plan.name}: {name} and "
                                     f"{other_name} overlap, and {reason}: pass a copy of one of them")

    def function(self) -> FunctionType:
        return self.body.function(f"{self.plan.kind}_implementation", "plan, arguments")

    def _call(self, line: str) -> None:
        positions = range(len(self.types))
        self.body.line(line.format(primals="".join(f"{self.primals[position]}, " for position in positions),
                                   shadows="".join(f"{self.shadows[position]}, " for position in positions)))
        self.body.line(f"if code != 0 and code != {link.RETCODE_NONE}:")
        self.body.line("propagate(code, excinfo)", 1)
        # `propagate` does not return. Numba learns from this line that nothing is live behind it and frees it before.
        self.body.line("raise SystemError('a derivative returned a status that Numba does not know')", 1)


class CopiedInputs(Inputs):
    """The arguments in the functional layer: contiguous, and copied if the primal writes them."""

    what = "shadow"
    """What the shadows are that the caller gives, in messages."""

    def __init__(self, plan: Plan, given: Types, active: Iterable[int], access: list[str],
                 outputs: tuple[int, ...] | None = None):
        super().__init__(plan, contiguous(given), (*active, *(outputs or ())))
        self.given, self.access, self.outputs = given, access, outputs or ()

    def prepare(self) -> None:
        """Lines for the primals: check that nothing written overlaps another argument, then copy."""
        self.written |= frozenset(self.outputs)
        for position in range(len(self.given)):
            self.body.line(f"a{position} = {self.access[position]}")
        self.refuse_overlaps([array for position, ty in enumerate(self.given) for array in self.arrays(position, ty)])
        for position, ty in enumerate(self.given):
            self.primals[position] = self._copied(position, ty)

    def make_shadows(self) -> None:
        """Lines for zero shadows, where there is no shadow yet."""
        for position in range(len(self.types)):
            if position not in self.shadows:
                self.make_shadow(position, types.none, "None")

    def make_shadow(self, position: int, given: types.Type, access: str) -> None:
        """Lines for a shadow that starts as the given tangent or cotangent, which may be None for zero."""
        def leaf_shadow(path, leaf):
            start = at(given, path)
            if abi.is_float(leaf) and not isinstance(start, types.NoneType):
                return f"{access}{indices(path)}"
            if not abi.is_float_array(leaf) or position not in self.shadowed:
                return "None"
            shadow = variable("s", position, path)
            if isinstance(start, types.NoneType):
                self.body.line(f"{shadow} = zeros({self._primal_leaf(position, path)})")
            else:
                self._start(shadow, position, path, leaf, start, f"{access}{indices(path)}")
            return shadow

        self.shadows[position] = self.mirror(self.types[position], leaf_shadow)

    def gradient(self, position: int) -> str:
        """An expression for the gradient with respect to an argument."""
        if not self.active[position]:
            return "None"

        def leaf_gradient(path, leaf):
            if abi.is_float_array(leaf):
                return variable("s", position, path)
            return f"adjoints[{position}]{indices(path)}" if abi.is_float(leaf) else "None"

        return self.mirror(self.types[position], leaf_gradient)

    def _copied(self, position: int, ty: types.Type) -> str:
        def leaf_primal(path, leaf):
            primal = self._primal_leaf(position, path)
            if self._is_copied(position, leaf):
                self.body.line(f"{primal} = duplicate(a{position}{indices(path)}, a{position}{indices(path)})")
            return primal

        if any(self._is_copied(position, leaf) for _, leaf in abi.leaves(ty)):
            return self.mirror(ty, leaf_primal)
        return f"a{position}"

    def _is_copied(self, position: int, leaf: types.Type) -> bool:
        return isinstance(leaf, types.Array) and (position in self.written or _contiguous(leaf) != leaf)

    def _primal_leaf(self, position: int, path: abi.Path) -> str:
        if self._is_copied(position, at(self.given[position], path)):
            return variable("p", position, path)
        return f"a{position}{indices(path)}"

    def _start(self, shadow: str, position: int, path: abi.Path, leaf, given, access: str) -> None:
        """A line for a shadow that holds what was given: itself if its layout fits and nobody writes it."""
        primal = self._primal_leaf(position, path)
        self.body.refuse(f"not congruent({primal}, {access}, False)", ValueError,
                         f"{self.plan.name}: the {self.what} of {self.title(position, path)} has another "
                         "shape than the argument")
        if given.layout == leaf.layout and given.aligned and position not in self.written:
            self.body.line(f"{shadow} = {access}")
        else:
            self.body.line(f"{shadow} = duplicate({access}, {primal})")


def at(ty: types.Type, path: abi.Path) -> types.Type:
    """The type of a leaf in a tree that may be cut off by None."""
    for index in path:
        if isinstance(ty, types.NoneType):
            return ty
        ty = ty.types[index]
    return ty


def indices(path: abi.Path) -> str:
    return "".join(f"[{index}]" for index in path)


def variable(letter: str, position: int | None, path: abi.Path) -> str:
    return "_".join([letter if position is None else f"{letter}{position}", *map(str, path)])


def contiguous(given: Types) -> Types:
    """The types of the arguments for which the functional layer asks for a derivative."""
    return tuple(abi.mirrored(ty, _contiguous) for ty in given)


def _contiguous(ty: types.Type) -> types.Type:
    """The type that the derivative is made for, for an array of this type."""
    if abi.is_float_array(ty) and (ty.layout == "A" or not ty.aligned):
        return types.Array(ty.dtype, ty.ndim, "C", readonly=not ty.mutable)
    return ty
