"""Mathematical functions that Numba writes out as loops and branches, as calls with a rule.

Given   LLVM text as Numba lowered it.
Gives   the text in which these are calls of pure functions with a plain signature, kept out of line. They are defined
        in the text, so that it can run.

            x ** n, n an integer        numbad.powi.f64.i64(x, n)
            x // y                      numbad.floordiv.f64(x, y)
            x % y                       numbad.mod.f64(x, y)
            np.logaddexp[2](x, y)       numbad.logaddexp.f64(x, y), numbad.logaddexp2.f64(x, y)
            np.sinc(x)                  numbad.sinc.f64(x)

Unsure  leaves a function as it is: what is not recognised is differentiated as written.

The code behind them has the right values but not the right derivatives (logaddexp where x == y, sinc at 0, x % y at
multiples of y), or is slow to differentiate (powi). A name ends in the types of the arguments: f64, f32; i64, or u64 if
unsigned. A number behind them tells several versions in one module apart: they differ in Numba's error model or in
fast-math flags. Where a power may raise, `numbad.powi.status` decides (0 if it does not), and `numbad.powi.exception`
is what Numba stores in `excinfo`. On a GPU none does.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, count

from numbad.passes.protect import FLOAT_CODES, PURE
from numbad.passes.text import Definition, definitions, parameter_types, stored_type, symbols

PREFIX = "numbad."

_POWI = re.compile(r"_ZN5numba(?:4cuda)?7cpython7numbers\d+int_power_impl\w*?9int_power")
_LOGADDEXP = re.compile(r"_ZN5numba2np8npyfuncs\d+_generate_logaddexp\w*?ol_npy_logaddexp")
_SINC = re.compile(r"_ZN5numba2np9arraymath\d+impl_np_sinc\w*?4impl")
_DIVMOD = re.compile(r"_ZN05numba6python3remE")


def known_calls(text: str) -> str:
    """Calls of Numba's helpers become calls of `numbad.*` functions with a plain signature."""
    names = _Names(text)
    pieces, start = [], 0
    for definition in definitions(text):
        replacement = _known(definition, names)
        if replacement is not None:
            moved = definition.text.replace(f"@{definition.name}(", f"@{names.body(definition.name)}(", 1)
            pieces += [text[start:definition.start], moved, "\n", replacement]
            start = definition.end
    return "".join([*pieces, text[start:]])


class _Names:
    """Names that the text does not use yet; it may hold a derivative, and with it known calls from an earlier time."""

    def __init__(self, text: str) -> None:
        self.taken = {name.strip('"') for name in symbols(text)}
        self.bodies: dict[str, str] = {}

    def ending(self, stems: tuple[str, ...], *codes: str) -> str:
        """The ending that makes a name of each stem."""
        plain = ".".join(codes)
        endings = chain([plain], (f"{plain}.{version}" for version in count(1)))
        free = next(ending for ending in endings if not self._of(stems, ending) & self.taken)
        self.taken |= self._of(stems, free)
        return free

    @staticmethod
    def _of(stems: tuple[str, ...], ending: str) -> set[str]:
        return {f"{PREFIX}{stem}.{ending}" for stem in stems}

    def body(self, name: str) -> str:
        """Where Numba's own code for the function goes."""
        if name not in self.bodies:
            candidates = (f"{name}.body.{version}" for version in count())
            self.bodies[name] = next(candidate for candidate in candidates if candidate not in self.taken)
        return self.bodies[name]


def _known(definition: Definition, names: _Names) -> str | None:
    name = definition.name
    if ".body." in name:
        return None
    if _DIVMOD.match(name):
        return _divmod(definition, names)
    types = parameter_types(definition)
    convention = _GPU if stored_type(definition, ".ret") else _CPU
    pointers = len(convention.pointers)
    types, leading = types[pointers:], types[:pointers]
    if set(leading) != {"ptr"} or not set(types) <= {"double", "float", "i8", "i16", "i32", "i64"}:
        return None
    result = stored_type(definition, "retptr") or stored_type(definition, ".ret")
    if result is None or not types or types[0] not in ("double", "float"):
        return None
    if _POWI.match(name) and len(types) == 2:
        if convention is _GPU:      # where dividing by 0 gives infinity
            return _never_raises(definition, names, convention, "powi", result, types, _exponent_code(name, types[1]))
        return _powi(definition, names, result, *types)
    if _LOGADDEXP.match(name) and types == [result] * 2:
        stem = "logaddexp2" if "@llvm.exp2." in definition.text else "logaddexp"
        return _never_raises(definition, names, convention, stem, result, types)
    if _SINC.match(name) and types == [result]:
        return _never_raises(definition, names, convention, "sinc", result, types)
    return None


@dataclass(frozen=True)
class _Convention:
    """The pointers in front of a function's parameters: to the result and, on a CPU, to what it raises."""

    pointers: tuple[str, ...]

    @property
    def parameters(self) -> str:
        return ", ".join(f"ptr %{name}" for name in self.pointers)

    def places(self, result: str) -> str:
        """Where a caller has both."""
        types = {"result": result, "excinfo": "ptr"}
        return "\n".join(f"  %{name} = alloca {types[name]}" for name in self.pointers)


_CPU = _Convention(("result", "excinfo"))
_GPU = _Convention(("result",))


def _never_raises(definition, names, convention, stem, result, types, *codes) -> str:
    ending = names.ending((stem,), FLOAT_CODES[types[0]], *codes)
    parameters = ", ".join(f"{ty} %{letter}" for ty, letter in zip(types, "xy", strict=False))
    helper = f"numbad.{stem}.{ending}"
    return f"""
define linkonce_odr i32 @{definition.name}({convention.parameters}, {parameters}) alwaysinline {{
  %value = call {result} @{helper}({parameters})
  store {result} %value, ptr %result
  ret i32 0
}}
{_value_of(names.body(definition.name), convention, helper, result, parameters)}"""


def _value_of(body: str, convention: _Convention, helper: str, result: str, parameters: str) -> str:
    return f"""
define {result} @{helper}({parameters}) noinline {PURE} {{
{convention.places(result)}
  store {result} 0.0, ptr %result
  %status = call i32 @{body}({convention.parameters}, {parameters})
  %value = load {result}, ptr %result
  ret {result} %value
}}
"""


def _exponent_code(name: str, exponent: str) -> str:
    return ("u" if re.search(r"E[fd][htjy]$", name) else "i") + exponent[1:]


def _powi(definition, names, result, base, exponent) -> str:
    """A negative power of 0 raises, so that besides the value there is a status, and on the error exit an exception."""
    name = definition.name
    code = _exponent_code(name, exponent)
    ending = names.ending(("powi", "powi.status", "powi.exception"), FLOAT_CODES[base], code)
    parameters = f"{base} %x, {exponent} %n"
    negative = "false" if code.startswith("u") else "%negative"
    return f"""
define linkonce_odr i32 @{name}(ptr %result, ptr %excinfo, {parameters}) alwaysinline {{
  %negative = icmp slt {exponent} %n, 0
  br i1 {negative}, label %check, label %power
check:
  %status = call i32 @numbad.powi.status.{ending}({parameters})
  %fails = icmp ne i32 %status, 0
  br i1 %fails, label %error, label %power
power:
  %value = call {result} @numbad.powi.{ending}({parameters})
  store {result} %value, ptr %result
  ret i32 0
error:
  %exception = call ptr @numbad.powi.exception.{ending}({parameters})
  store ptr %exception, ptr %excinfo
  ret i32 %status
}}
{_value_of(names.body(name), _CPU, f"numbad.powi.{ending}", result, parameters)}
define range(i32 0, 2) i32 @numbad.powi.status.{ending}({parameters}) noinline {PURE} {{
  %result = alloca {result}
  %excinfo = alloca ptr
  %status = call i32 @{names.body(name)}(ptr %result, ptr %excinfo, {parameters})
  ret i32 %status
}}

define ptr @numbad.powi.exception.{ending}({parameters}) noinline {PURE} {{
  %result = alloca {result}
  %excinfo = alloca ptr
  store ptr null, ptr %excinfo
  %status = call i32 @{names.body(name)}(ptr %result, ptr %excinfo, {parameters})
  %exception = load ptr, ptr %excinfo
  ret ptr %exception
}}
"""


def _divmod(definition, names) -> str:
    ty = "double" if "(double" in definition.head else "float"
    ending = names.ending(("floordiv", "mod"), FLOAT_CODES[ty])
    parameters = f"{ty} %x, {ty} %y"
    name = definition.name
    return f"""
define linkonce_odr {ty} @{name}({parameters}, ptr %remainder) alwaysinline {{
  %quotient = call {ty} @numbad.floordiv.{ending}({parameters})
  %mod = call {ty} @numbad.mod.{ending}({parameters})
  store {ty} %mod, ptr %remainder
  ret {ty} %quotient
}}

define {ty} @numbad.floordiv.{ending}({parameters}) noinline {PURE} {{
  %remainder = alloca {ty}
  %quotient = call {ty} @{names.body(name)}({parameters}, ptr %remainder)
  ret {ty} %quotient
}}

define {ty} @numbad.mod.{ending}({parameters}) noinline {PURE} {{
  %remainder = alloca {ty}
  %quotient = call {ty} @{names.body(name)}({parameters}, ptr %remainder)
  %mod = load {ty}, ptr %remainder
  ret {ty} %mod
}}
"""
