"""Each broken invariant is found, and found under its name."""

import pytest

from numbad.passes.ir import verifier
from numbad.passes.ir.function import Block, Function, Global
from numbad.passes.ir.instruction_parser import READERS
from numbad.passes.ir.instructions import OPCODES, Branch, Call, Compare, Instruction, Phi, Store
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.types import DOUBLE, I1, I32, I64, PTR, VOID, FunctionType, VectorType
from numbad.passes.ir.values import Argument, ConstantExpression, Named, floating, integer, undefined
from numbad.passes.ir.verifier import VerificationError, verify, verify_function

TEXT = """
@g = global i32 0
declare i32 @callee(i32, ptr)
define i32 @f(i32 %n, double %x, ptr %p) {
entry:
  %c = icmp sgt i32 %n, 0
  br i1 %c, label %loop, label %exit

loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  %j = add nsw i32 %i, 1
  %y = fmul fast double %x, %x
  %v = load i32, ptr %p, align 4
  %r = call i32 @callee(i32 %v, ptr @g)
  %more = icmp slt i32 %j, %n
  br i1 %more, label %loop, label %exit

exit:
  %z = phi i32 [ 0, %entry ], [ %r, %loop ]
  ret i32 %z
}
define i32 @other(i32 %n) {
start:
  %m = add i32 %n, 1
  ret i32 %m
}
"""

BROKEN = {}


def broken(invariant):
    """Register a change to the module above that breaks this invariant and no earlier one."""
    def register(change):
        BROKEN[change.__name__] = (invariant, change)
        return change
    return register


class Parts:
    """The module, with its values and blocks as attributes."""

    def __init__(self):
        self.module = parse(TEXT)
        self.f, self.other = self.module.functions["f"], self.module.functions["other"]
        for function in (self.other, self.f):
            for value in [*function.arguments, *function.blocks, *function.instructions]:
                if value.name:
                    setattr(self, value.name, value)


@broken("terminator")
def block_without_terminator(m):
    m.loop.terminator.erase()


@broken("terminator")
def empty_block(m):
    m.f.append(Block("empty"))


@broken("terminator")
def terminator_in_the_middle(m):
    m.loop.insert(1, Branch(m.exit))


@broken("ownership")
def block_in_two_functions(m):
    m.other.blocks.append(m.exit)


@broken("ownership")
def instruction_in_two_blocks(m):
    m.exit.instructions.insert(1, m.y)


@broken("ownership")
def instruction_twice_in_a_block(m):
    m.loop.instructions.insert(2, m.y)


@broken("entry")
def branch_to_the_entry(m):
    m.loop.terminator.set_operand(2, m.entry)


@broken("phi place")
def phi_behind_another_instruction(m):
    m.z.detach()
    m.exit.insert(0, Instruction("freeze", I32, [integer(I32, 1)], "k"))
    m.exit.insert(1, m.z)


@broken("phi incoming")
def phi_without_an_edge(m):
    m.z.remove_incoming(m.loop)


@broken("phi incoming")
def phi_with_an_edge_too_many(m):
    m.i.add_incoming(integer(I32, 7), m.exit)


@broken("phi incoming")
def phi_with_one_entry_for_two_edges(m):
    m.loop.terminator.set_operand(1, m.exit)
    m.i.remove_incoming(m.loop)


@broken("phi incoming")
def phi_with_two_values_for_one_block(m):
    m.loop.terminator.set_operand(1, m.exit)
    m.i.remove_incoming(m.loop)
    m.z.add_incoming(m.v, m.loop)


@broken("operands")
def operand_of_another_function(m):
    m.j.set_operand(1, m.m)


@broken("operands")
def argument_of_another_function(m):
    m.j.set_operand(1, m.other.arguments[0])


@broken("operands")
def branch_to_another_function(m):
    m.loop.terminator.set_operand(1, m.start)


@broken("operands")
def erased_operand(m):
    m.v.detach()


@broken("operands")
def symbol_of_another_module(m):
    m.r.set_operand(2, parse(TEXT).functions["callee"])


@broken("operands")
def symbol_of_another_module_in_a_constant(m):
    elsewhere = parse(TEXT).globals["g"]
    m.r.set_operand(1, ConstantExpression(PTR, "getelementptr", (elsewhere, integer(I64, 4)),
                                          "getelementptr (i8, {0}, {1})"))


@broken("operands")
def operand_without_a_place(m):
    m.j.set_operand(1, Named(I32, "nowhere"))


@broken("types")
def sum_of_different_types(m):
    m.j.set_operand(1, integer(I64, 1))


@broken("types")
def float_addition_of_integers(m):
    m.j.opcode, m.j.flags = "fadd", ()


@broken("types")
def flag_of_another_opcode(m):
    m.y.flags = ("nsw",)


@broken("types")
def comparison_giving_an_integer(m):
    m.more.type = I32


@broken("types")
def unknown_predicate(m):
    m.c.predicate = "oeq"


@broken("types")
def phi_of_another_type(m):
    m.i.set_operand(0, floating(DOUBLE, 0.0))


@broken("types")
def load_from_an_integer(m):
    m.v.set_operand(0, m.j)


@broken("types")
def odd_alignment(m):
    m.v.align = 3


@broken("types")
def branch_on_an_integer(m):
    m.entry.terminator.set_operand(0, integer(I32, 1))


@broken("types")
def return_of_the_wrong_type(m):
    m.exit.terminator.set_operand(0, undefined(DOUBLE))


@broken("types")
def return_of_nothing(m):
    m.exit.terminator.drop_operands()


@broken("types")
def argument_that_does_not_fit_the_call(m):
    m.r.set_operand(0, m.x)


@broken("types")
def argument_missing_in_a_call(m):
    m.loop.insert(5, Call(FunctionType(I32, (I32, PTR)), m.module.functions["callee"], [m.v], "s"))


@broken("types")
def widening_that_narrows(m):
    m.loop.insert(5, Instruction("zext", I32, [integer(I64, 1)], "s"))


@broken("types")
def vector_of_another_length(m):
    m.loop.insert(5, Instruction("sitofp", VectorType(2, DOUBLE), [undefined(VectorType(4, I32))], "s"))


@broken("types")
def select_of_two_types(m):
    m.loop.insert(5, Instruction("select", I32, [m.c, m.j, undefined(I64)], "s"))


@broken("types")
def unknown_opcode(m):
    m.loop.insert(5, Instruction("frobnicate", I32, [m.j], "s"))


@broken("types")
def arguments_that_do_not_fit_the_signature(m):
    m.f.arguments.append(Argument(I32, "extra"))


@broken("call")
def call_with_another_signature(m):
    m.loop.insert(5, Call(FunctionType(I64, (I32,)), m.module.functions["callee"], [m.v], "s"))


@broken("names")
def two_values_of_one_name(m):
    m.y.name = "v"


@broken("names")
def a_value_named_like_a_block(m):
    m.y.name = "exit"


@broken("users")
def user_that_is_not_listed(m):
    m.v.users.clear()


@broken("users")
def user_that_is_none(m):
    m.y.users.append(m.r)


@broken("users")
def operand_changed_behind_the_back(m):
    m.j.operands[1] = m.n


@broken("users")
def erased_user_of_an_argument(m):
    m.v.block.instructions.insert(3, Store(m.j, m.p))
    m.v.block.instructions.pop(3)


@broken("users")
def user_of_a_symbol_that_is_not_listed(m):
    m.module.globals["g"].users.clear()


@broken("dominance")
def use_before_the_definition(m):
    m.j.detach()
    m.loop.insert(5, m.j)
    m.v.set_operand(0, m.p)
    m.loop.insert(1, Instruction("mul", I32, [m.j, m.j], "early"))


@broken("dominance")
def use_on_another_path(m):
    m.exit.terminator.set_operand(0, m.j)


@broken("dominance")
def phi_value_from_another_path(m):
    m.z.set_operand(0, m.r)


@broken("references")
def metadata_that_is_not_there(m):
    m.y.metadata["dbg"] = "!12"


@broken("references")
def attributes_that_are_not_there(m):
    m.r.attributes = "#4"


@broken("symbols")
def symbol_under_another_name(m):
    m.module.functions["callee"].name = "renamed"


@broken("symbols")
def two_symbols_of_one_name(m):
    m.module.globals["f"] = Global("f", I32)


@broken("symbols")
def function_of_another_module(m):
    m.module.functions["h"] = Function("h", FunctionType(VOID, ()))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_module(name):
    invariant, change = BROKEN[name]
    parts = Parts()
    verify(parts.module)
    change(parts)
    with pytest.raises(VerificationError) as caught:
        verify(parts.module)
    assert caught.value.invariant == invariant, caught.value
    assert str(caught.value).startswith(invariant) and caught.value.reason in str(caught.value)


def test_every_invariant_of_the_header_has_a_test():
    lines = [line[4:] for line in verifier.__doc__.splitlines() if line.startswith("    ") and line[4] != " "]
    assert {line[:14].strip() for line in lines} == {invariant for invariant, _ in BROKEN.values()}


def test_the_message_names_function_and_instruction():
    parts = Parts()
    parts.j.set_operand(1, integer(I64, 1))
    with pytest.raises(VerificationError, match=r"types in @f: .*i32, i64") as caught:
        verify_function(parts.f)
    assert str(caught.value).endswith("\n    %j = add nsw i32 %i, 1")
    assert caught.value.function is parts.f and caught.value.instruction is parts.j


def test_an_instruction_too_broken_to_print_is_still_reported():
    parts = Parts()
    parts.y.drop_operands()
    with pytest.raises(VerificationError, match="types in @f"):
        verify(parts.module)


def test_what_is_unreachable_may_use_anything():
    parts = Parts()
    island = Block("island")
    island.append(Instruction("add", I32, [parts.j, parts.j], "late"))
    island.append(Instruction("ret", VOID, [parts.r]))
    parts.f.append(island)
    verify(parts.module)


def test_edges_count_one_by_one():
    module = parse("""
define i32 @f(i32 %n) {
entry:
  switch i32 %n, label %a [
    i32 1, label %end
    i32 2, label %end
  ]

a:
  br label %end

end:
  %p = phi i32 [ 1, %entry ], [ 1, %entry ], [ 2, %a ]
  ret i32 %p
}
""")
    verify(module)
    phi = module.functions["f"].blocks[2].phis[0]
    phi.set_operand(2, integer(I32, 5))
    with pytest.raises(VerificationError, match="two values for %entry"):
        verify(module)


def test_dominance_in_an_irreducible_region():
    text = """
define i32 @f(i1 %c, i32 %n) {
entry:
  %k = add i32 %n, 1
  br i1 %c, label %left, label %right

left:
  %l = add i32 %k, 1
  br i1 %c, label %right, label %end

right:
  %r = add i32 %k, 2
  br i1 %c, label %left, label %end

end:
  ret i32 %k
}
"""
    verify(parse(text))
    for wrong in ("%l", "%r"):
        with pytest.raises(VerificationError, match="dominance"):
            verify(parse(text.replace("ret i32 %k", f"ret i32 {wrong}")))


def test_thousands_of_nested_branches_need_no_deep_recursion():
    count = 3000
    block = "b{0}:\n  %v{0} = add i32 %n, {0}\n  br i1 %c, label %b{1}, label %end\n"
    blocks = "".join(block.format(k, k + 1) for k in range(count))
    module = parse(f"define void @f(i32 %n, i1 %c) {{\nentry:\n  br label %b0\n{blocks}b{count}:\n  br label %end\n"
                   "end:\n  ret void\n}\n")
    verify(module)
    assert len(module.functions["f"].blocks) == count + 3


def test_declarations_and_comparisons_of_vectors_pass():
    module = parse("declare void @f(i32)\n")
    verify(module)
    compare = Compare("icmp", "eq", undefined(VectorType(4, I64)), undefined(VectorType(4, I64)))
    assert compare.type == VectorType(4, I1)


def test_a_phi_of_the_builder_prints_and_verifies():
    parts = Parts()
    phi = Phi(DOUBLE, [(floating(DOUBLE, 1.5), parts.entry), (parts.y, parts.loop)], "q")
    parts.exit.insert(1, phi)
    verify(parts.module)
    assert "%q = phi double [ 0x3FF8000000000000, %entry ], [ %y, %loop ]" in print_module(parts.module)


def test_opcodes_without_a_type_rule_are_those_carried_along():
    carried = {opcode for opcode, (shape, _) in READERS.items() if shape == "rest"}
    assert carried == OPCODES & {"fence", "va_arg", "invoke", "callbr", "resume", "landingpad", "indirectbr",
                                 "cleanuppad", "catchpad", "cleanupret", "catchret", "catchswitch"}
