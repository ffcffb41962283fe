"""Types, values, users, instructions and the builder."""

import ctypes
import math
import struct

import llvmlite.binding as binding
import pytest

from numbad.passes.ir.builder import Builder
from numbad.passes.ir.function import Block, Function, Module
from numbad.passes.ir.instructions import Branch, Instruction, Phi, Switch
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_global, print_instruction, print_module
from numbad.passes.ir.type_parser import ParseError, parse_type
from numbad.passes.ir.types import (
    DOUBLE,
    FLOAT,
    I1,
    I8,
    I32,
    I64,
    PTR,
    VOID,
    ArrayType,
    FunctionType,
    IntType,
    StructType,
    VectorType,
    align_of,
    field_offset,
    size_of,
)
from numbad.passes.ir.values import (
    ConstantAggregate,
    ConstantFloat,
    ConstantInt,
    ConstantText,
    floating,
    integer,
    is_zero,
    poison,
    quoted,
    undefined,
    unquoted,
    zero,
)
from numbad.passes.ir.verifier import verify

TYPES = """i1 | i8 | i7 | i32 | i33 | i64 | i128 | half | float | double | x86_fp80 | fp128 | ptr | ptr addrspace(3)
| <4 x double> | <3 x float> | <8 x i1> | [3 x i16] | [0 x i64] | [2 x <2 x double>] | [2 x { float, i1 }] | {} | <{}>
| { i8, double } | { i32, i8 } | <{ i8, double }> | { i8, { i16, ptr }, [3 x i8] } | { x86_fp80, i8 } | { i128, i1 }
| { ptr, ptr, i64, i64, ptr, [2 x i64], [2 x i64] }"""
TYPES = [t.strip() for t in TYPES.split("|")]
LAYOUT = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"


@pytest.mark.parametrize("text", TYPES)
def test_types_print_as_they_were_read(text):
    assert str(parse_type(text)) == text
    assert parse_type(text) is parse_type(text)


@pytest.mark.parametrize("text", [t for t in TYPES if "addrspace" not in t])
def test_layout_is_that_of_llvm(text):
    module = binding.parse_assembly(f'target datalayout = "{LAYOUT}"\n@g = external global {text}',
                                    binding.create_context())
    data, type = binding.create_target_data(LAYOUT), next(module.global_variables).global_value_type
    ours = parse_type(text)
    assert size_of(ours) == data.get_abi_size(type)
    assert align_of(ours) == data.get_abi_alignment(type)
    if isinstance(ours, StructType):
        for index in range(len(ours.elements)):
            assert field_offset(ours, index) == data.get_element_offset(type, index)


@pytest.mark.parametrize("text", ["", "int", "i", "[4 x]", "{ i8", "ptr addrspace(x)", "<4 x double", "[x x i8]"])
def test_what_is_no_type_is_refused(text):
    with pytest.raises(ParseError):
        parse_type(text)


def test_types_without_a_size_say_so():
    with pytest.raises(TypeError, match="void"):
        size_of(VOID)


@pytest.mark.parametrize("name", ["plain", "a.b-c_d$e", "with space", 'quote"d', "back\\slash", "αβγ", "tab\t\n",
                                  "1leading", "[(]){", "%percent@", "\udc80\udcff not utf-8"])
def test_names_are_quoted_as_llvm_reads_them(name):
    assert unquoted(quoted(name)) == name
    module = parse(f"@{quoted(name)} = global i32 0\n")
    assert list(module.globals) == [name]
    seen = binding.parse_assembly(print_module(module), binding.create_context())
    if "\udc80" not in name:  # llvmlite can't hand that out
        assert next(seen.global_variables).name == name
    assert parse(str(seen)).globals.keys() == module.globals.keys()


FLOATS = [0.0, -0.0, 1.0, -2.5, 0.1, 1 / 3, 1e300, 5e-324, math.inf, -math.inf, math.nan, math.pi, 2.0**-1074, 1e22]


def check_constant(kind, spelling, wanted):
    printed = str(binding.parse_assembly(f"@g = global {kind} {spelling}", binding.create_context()))
    constant = parse(printed).globals["g"].initializer
    assert isinstance(constant, ConstantFloat)
    assert struct.pack("d", constant.value) == struct.pack("d", wanted)
    assert is_zero(constant) == (struct.pack("d", wanted) == bytes(8))


@pytest.mark.parametrize("number", FLOATS)
def test_floating_constants_keep_every_bit(number):
    check_constant("double", floating(DOUBLE, number), number)
    if number != 1e300:
        check_constant("float", floating(FLOAT, number), struct.unpack("f", struct.pack("f", number))[0])


@pytest.mark.parametrize("number", [0.0, -0.0, 1.5, -math.inf, 6e-8])
def test_half_constants_have_a_value(number):
    bits = struct.pack(">e", number)
    check_constant("half", f"0xH{bits.hex().upper()}", struct.unpack(">e", bits)[0])


def test_constants_of_rarer_types_have_no_value():
    with pytest.raises(ValueError, match="x86_fp80"):
        print(ConstantFloat(parse_type("x86_fp80"), "0xK3FFF8000000000000000").value)
    with pytest.raises(ValueError, match="half"):
        floating(parse_type("half"), 1.0)


def test_integers_wrap():
    assert integer(I8, 255) == integer(I8, -1) == ConstantInt(I8, -1)
    assert str(integer(I1, 3)) == "true" and str(integer(I1, 2)) == "false"
    assert str(integer(IntType(128), 2**127)) == str(-(2**127))


def test_constants_print_and_compare_by_value():
    vector = VectorType(2, DOUBLE)
    assert str(zero(vector)) == "zeroinitializer" and str(zero(PTR)) == "null" and str(zero(I64)) == "0"
    assert str(floating(vector, 1.0)) == "splat (double 0x3FF0000000000000)"
    pair = ConstantAggregate(StructType((I8, PTR)), (integer(I8, 1), zero(PTR)))
    assert str(pair) == "{ i8 1, ptr null }" and pair == ConstantAggregate(pair.type, pair.elements)
    assert str(ConstantAggregate(ArrayType(1, I8), (integer(I8, 1),))) == "[i8 1]"
    assert str(ConstantAggregate(StructType((I8,), packed=True), (integer(I8, 1),))) == "<{ i8 1 }>"
    assert all(map(is_zero, (zero(vector), zero(FLOAT), undefined(I8), poison(PTR), ConstantText(vector, "undef"))))
    assert not any(map(is_zero, (pair, floating(DOUBLE, -0.0), integer(I8, 1), floating(vector, 5e-324))))


# --- users ---


def function_of(text):
    function = next(f for f in parse(text).functions.values() if not f.is_declaration)
    return function, {v.name: v for v in [*function.arguments, *function.blocks, *function.instructions] if v.name}


SMALL = """
define double @f(double %x, i1 %c) {
entry:
  %a = fmul double %x, %x
  br i1 %c, label %yes, label %end

yes:
  %b = fadd double %a, %x
  br label %end

end:
  %p = phi double [ %a, %entry ], [ %b, %yes ]
  ret double %p
}
"""


def test_operands_and_users_move_together():
    function, v = function_of(SMALL)
    a, b, x, p = v["a"], v["b"], v["x"], v["p"]
    assert x.users == [a, a, b] and a.users == [b, p]
    b.set_operand(1, a)
    assert x.users == [a, a] and a.users.count(b) == 2
    x.replace_all_uses_with(floating(DOUBLE, 2.0))
    assert x.users == [] and str(a.operands[0]) == str(a.operands[1])
    a.replace_all_uses_with(x)
    assert a.users == [] and x.users == [b, b, p]
    a.erase()
    assert a.block is None and a not in v["entry"].instructions
    verify(function.module)


def test_what_is_used_cannot_be_erased():
    _, v = function_of(SMALL)
    with pytest.raises(ValueError, match="still used"):
        v["a"].erase()
    assert v["a"].block is v["entry"]


def test_copies_use_the_same_operands():
    function, v = function_of(SMALL.replace("fmul double %x, %x", "fmul fast double %x, %x, !dbg !0") + "\n!0 = !{}\n")
    twin = v["a"].copy()
    assert twin.block is None and twin.users == [] and twin.flags == ("fast",) and twin.metadata == {"dbg": "!0"}
    assert v["x"].users.count(twin) == 2
    twin.metadata["tbaa"] = "!0"
    assert "tbaa" not in v["a"].metadata
    v["entry"].insert(1, twin)
    function.name_values()
    assert twin.name == "a.1"
    verify(function.module)


def test_copied_debug_records_would_name_the_wrong_values():
    record = "#dbg_value(double %a, !0, !DIExpression(), !0)"
    _, v = function_of(SMALL.replace("  %b =", f"    {record}\n  %b =") + "\n!0 = !{}\n")
    assert v["b"].debug_records == (record,)
    assert v["b"].copy().debug_records == ()


def test_phis_and_switches_pair_their_operands():
    function, v = function_of(SMALL)
    phi, entry, yes = v["p"], v["entry"], v["yes"]
    assert phi.incoming == [(v["a"], entry), (v["b"], yes)] and phi.incoming_from(yes) is v["b"]
    phi.remove_incoming(yes)
    assert phi.incoming == [(v["a"], entry)] and phi not in v["b"].users and phi not in yes.users
    with pytest.raises(KeyError):
        phi.incoming_from(yes)
    switch = Switch(integer(I8, 1), entry, [(integer(I8, 2), yes), (integer(I8, 3), yes)])
    assert switch.successors == [entry, yes, yes] and [str(c) for c, _ in switch.cases] == ["2", "3"]
    assert function.entry.successors == [yes, v["end"]] and v["end"].predecessors == [entry, yes]


def test_erased_and_detached_blocks_leave_the_graph():
    _, v = function_of(SMALL)
    v["yes"].terminator.erase()
    assert v["end"].predecessors == [v["entry"]]
    assert v["end"].phis == [v["p"]] and isinstance(v["p"], Phi)


def test_modules_refuse_a_second_symbol_of_one_name():
    module = parse("@g = global i32 0\ndeclare void @f(i32)\n")
    with pytest.raises(ValueError, match="@f already"):
        module.add(Function("f", FunctionType(VOID, ())))
    with pytest.raises(ValueError, match="has the type"):
        module.declare("f", FunctionType(VOID, ()))
    assert module.declare("f", FunctionType(VOID, (I32,))) is module.symbol("f")
    assert print_global(module.globals["g"]) == "@g = global i32 0"


# --- a function written from nothing ---


def test_a_function_written_with_the_builder_runs():
    module = Module()
    function = module.add(Function("norm2", FunctionType(DOUBLE, (PTR, I64))))
    data, count = function.arguments
    entry, loop, end = (function.append(Block(name)) for name in ("entry", "loop", "end"))
    build = Builder(entry)
    build.branch_if(build.compare("icmp", "sgt", count, integer(I64, 0)), loop, end)
    build.at_end(loop)
    index, total = build.phi(I64, name="index"), build.phi(DOUBLE, name="total")
    value = build.load(DOUBLE, build.element(DOUBLE, data, index), align=8)
    square = build.binary("fmul", value, value)
    following = build.binary("add", index, integer(I64, 1), "following", ["nuw"])
    sum = build.binary("fadd", total, square, flags=["contract"])
    build.branch_if(build.compare("icmp", "slt", following, count), loop, end)
    for phi, first, later in ((index, integer(I64, 0), following), (total, zero(DOUBLE), sum)):
        phi.add_incoming(first, entry)
        phi.add_incoming(later, loop)
    build.at_end(end)
    result = build.phi(DOUBLE, [(zero(DOUBLE), entry), (sum, loop)])
    build.ret(build.call_symbol("llvm.sqrt.f64", DOUBLE, [result]))
    verify(module)

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    engine = binding.create_mcjit_compiler(binding.parse_assembly(print_module(module)),
                                           binding.Target.from_default_triple().create_target_machine())
    engine.finalize_object()
    compiled = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_int64)(engine.get_function_address("norm2"))
    assert compiled((ctypes.c_double * 2)(3.0, 4.0), 2) == 5.0
    assert compiled(None, 0) == 0.0


def test_the_builder_inserts_where_it_stands():
    _, v = function_of(SMALL)
    build = Builder(v["yes"], before=v["b"])
    build.location = "!7"
    first = build.unary("fneg", v["a"], "n")
    build.at_start(v["end"])
    second = build.cast("fptrunc", v["p"], FLOAT, "t")
    assert v["yes"].instructions[0] is first and v["end"].instructions[1] is second
    assert first.metadata == {"dbg": "!7"} and first.function.name == "f"
    assert build.cast("bitcast", second, FLOAT) is second
    assert build.binary("add", integer(I64, 2), integer(I64, 3)) == integer(I64, 5)
    assert build.offset(v["x"], 0) is v["x"]


def test_instructions_without_a_syntax_are_refused():
    class Odd(Instruction):
        pass

    with pytest.raises(TypeError, match="Odd"):
        print_instruction(Odd("odd", VOID))
    assert print_instruction(Branch(Block("there"))) == "br label %there"
