"""Every function of numba.cuda.libdevice is decided, and its rule is that of the function with this name.

`tests/rules` has the rules against differences of the functions that they are named after. Here each function of
libdevice is compared with the function that its rule is named after, and the rule as a GPU would run it with its
formula.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")

from cuda.emulator import EmulatedKernel, Pointer, available, flatten
from cuda.emulator import Unsupported as NotEmulated  # noqa: E402
from cuda.emulator.libdevice import definition  # noqa: E402
from cuda.pool import REFUSED as KERNELS  # noqa: E402
from numba import cuda, types  # noqa: E402
from numba.cuda import libdevice  # noqa: E402
from numba.cuda.libdevicefuncs import functions  # noqa: E402

from numbad import NoDerivative, Unsupported  # noqa: E402
from numbad.cuda.derive import derive  # noqa: E402
from numbad.passes import llvm, nvptx, spelled_out  # noqa: E402
from numbad.passes.ir.builder import Builder  # noqa: E402
from numbad.passes.ir.function import Block, Function, Module  # noqa: E402
from numbad.passes.ir.instructions import Call  # noqa: E402
from numbad.passes.ir.printer import print_module  # noqa: E402
from numbad.passes.ir.types import DOUBLE, FLOAT, I16, I32, I64, PTR, VOID, FunctionType, Type  # noqa: E402
from numbad.passes.rules import runtime  # noqa: E402
from numbad.passes.rules.algebra import Term  # noqa: E402
from numbad.passes.rules.symbols import Elementary, Inactive, Refused, classify  # noqa: E402
from numbad.request import Request  # noqa: E402
from rules.points import POINTS  # noqa: E402
from rules.test_rules import close, on_floats, result, row, to_float  # noqa: E402

IR = {types.float64: DOUBLE, types.float32: FLOAT, types.int16: I16, types.int32: I32, types.int64: I64,
      types.none: VOID}
HEADER = f'target triple = "{nvptx.TRIPLE}"'
SLOT = 8


def names(listed: str) -> set[str]:
    return set(listed.split())


REFUSED = names("frexp frexpf remquo remquof double2float_rd double2float_ru double2float_rz")

SPELLED_OUT = names("""sincos sincosf sincospi sincospif fast_sincosf modf modff double_as_longlong longlong_as_double
    float_as_int int_as_float double2hiint double2loint hiloint2double double2float_rn float2half_rn half2float""")

FLAT = names("ceil floor trunc rint nearbyint round logb ilogb llrint llround ceilf floorf truncf rintf nearbyintf "
             "roundf logbf ilogbf llrintf llroundf isnand isnanf isinfd isinff isfinited finitef signbitd signbitf")


def kernel_of(symbol: str) -> tuple[Module, Builder, Call]:
    """A kernel `k(source, out)` that calls a function of libdevice with what lies at the source."""
    result, arguments = functions[symbol]
    signature = [PTR if a.is_ptr else IR[a.ty] for a in arguments]
    module = Module()
    module.header.append(HEADER)
    function = Function("k", FunctionType(VOID, (PTR, PTR)))
    module.add(function)
    builder = Builder(function.append(Block("entry")))
    source = function.arguments[0]
    loaded = [builder.load(type, builder.offset(source, SLOT * k)) for k, type in enumerate(signature)]
    call = builder.call_symbol(symbol, IR[result], loaded)
    return module, builder, call


def decision_of(name: str):
    return classify(kernel_of(f"__nv_{name}")[2])


def is_spelled_out(name: str) -> bool:
    module, builder, _ = kernel_of(f"__nv_{name}")
    builder.ret()
    text = llvm.link(print_module(module))
    return f"__nv_{name}(" not in nvptx.prepared([text], "k") and spelled_out.spelled_out(text) != text


ALL = [symbol.removeprefix("__nv_") for symbol in functions]
DECISIONS = {name: decision_of(name) for name in ALL}
ELEMENTARY = {name: decision.rule.name for name, decision in DECISIONS.items() if isinstance(decision, Elementary)}


def test_every_function_is_decided():
    """What numba-cuda brings anew fails here."""
    inactive = {name for name, decision in DECISIONS.items() if isinstance(decision, Inactive)}
    refused = {name for name, decision in DECISIONS.items() if isinstance(decision, Refused)}
    assert refused == REFUSED
    assert [name for name in ALL if name not in inactive | refused | SPELLED_OUT | ELEMENTARY.keys()] == []


@pytest.mark.parametrize("name", sorted(SPELLED_OUT))
def test_spelled_out(name):
    assert DECISIONS[name] is None
    assert is_spelled_out(name)


def test_what_is_inactive_is_flat_or_of_integers():
    for name, decision in DECISIONS.items():
        if isinstance(decision, Inactive) and name not in FLAT:
            result, arguments = functions[f"__nv_{name}"]
            takes, gives = (type in types.real_domain for type in (arguments[0].ty, result))
            assert not (takes and gives), name
            assert decision.bits is not takes, name  # an integer may hold the bits of a number


def test_directed_rounding_has_the_rule_of_rounding_to_nearest():
    directed = [name for name in ELEMENTARY if name.endswith(("_rd", "_ru", "_rz"))]
    assert len(directed) == 39
    for name in directed:
        assert ELEMENTARY[name] == ELEMENTARY[f"{name[:-2]}rn"]


def test_errors_name_functions_as_users_do():
    kernel = KERNELS["mantissas"]
    with pytest.raises(NoDerivative, match="of `libdevice.frexp`: it gives a second result through a pointer"):
        derive(kernel.kernel, kernel.argtypes(), Request("forward", (True, True)))


def sign_cleared(x, out):
    out[0] = libdevice.hiloint2double(libdevice.double2hiint(x[0]) & 0x7FFFFFFF, libdevice.double2loint(x[0]))


def integer_function_of_bits(x, out):
    out[0] = libdevice.longlong_as_double(libdevice.llabs(libdevice.double_as_longlong(x[0])))


def bits_as_number(x, out):
    out[0] = libdevice.ll2double_rz(libdevice.double_as_longlong(x[0]))


def through_half_precision(x, out):
    out[0] = libdevice.half2float(libdevice.float2half_rn(x[0]))


@pytest.mark.parametrize("function", [sign_cleared, integer_function_of_bits, bits_as_number, through_half_precision])
def test_what_is_computed_with_bits_is_refused(function):
    real = types.float32 if "half" in function.__name__ else types.float64
    with pytest.raises(Unsupported, match="the bits of a floating-point number|numbers of type half"):
        derive(cuda.jit(function), (real[::1], real[::1]), Request("reverse", (True, True)))


def test_fast_tanh_is_a_call():
    text = f"""{HEADER}
define void @k(ptr %p, float %x) {{
  %y = call float asm "tanh.approx.f32 $0, $1;", "=f,f"(float %x)
  store float %y, ptr %p
  ret void
}}"""
    prepared = nvptx.prepared([text], "k")
    assert "asm" not in prepared and "call float @__nv_fast_tanhf(float" in prepared


# --- values and rules on the emulator --------------------------------------------------------------------------------


def emulated(name: str) -> EmulatedKernel:
    """A kernel that stores the function's value and its rule's partials behind it."""
    module, builder, call = kernel_of(f"__nv_{name}")
    out = builder.function.arguments[1]
    builder.store(call, out)
    decision = classify(call)
    assert isinstance(decision, Elementary)
    terms = [Term(builder, argument) for argument in call.arguments]
    for k, partial in enumerate(decision.rule.partials(terms, Term(builder, call)), start=1):
        if partial is not None:
            builder.store(partial.value, builder.offset(out, SLOT * k))
    builder.ret()
    texts = [text("libdevice") for text in runtime.RUNTIME.values()]
    return EmulatedKernel(llvm.link(print_module(module), *texts, machine=nvptx.machine("sm_80")), "k")


def is_emulated(name: str) -> bool:
    try:
        definition(f"__nv_{name}")
    except NotEmulated:
        return False
    return True


NUMPY = {DOUBLE: np.float64, FLOAT: np.float32, I32: np.int32, I64: np.int64}


def packed(signature: list[Type], numbers: tuple) -> np.ndarray:
    slots = np.zeros(len(signature), np.float64)
    for k, (type, number) in enumerate(zip(signature, numbers, strict=True)):
        slots[k:k + 1].view(NUMPY[type])[0] = number
    return slots


@pytest.mark.skipif(not available(), reason=available().reason)
@pytest.mark.parametrize("name", [name for name in ELEMENTARY if is_emulated(name)])
def test_value_and_partials(name):
    rule = ELEMENTARY[name]
    result_type, arguments = functions[f"__nv_{name}"]
    signature = [IR[a.ty] for a in arguments]
    real = IR[result_type]
    kernel = emulated(name)
    relative = 2e-5 if real == FLOAT else 2e-13
    tested = 0
    for point in map(row, POINTS[rule]):
        numbers = tuple(to_float(n) if t == FLOAT else n for n, t in zip(point, signature, strict=True))
        found = np.zeros(1 + len(point))
        kernel.launch(1, 1, flatten(Pointer(packed(signature, numbers)), Pointer(found)))
        found = [found[k:k + 1].view(NUMPY[real])[0] for k in range(len(found))]
        expected = [result(rule, numbers), *on_floats(rule, numbers)]
        for f, e in zip(found, expected, strict=True):
            if e is not None and math.isfinite(e):
                assert close(float(f), e, relative, relative), (point, found, expected)
                tested += 1
    assert tested >= len(point)
