"""Parsing and printing change nothing: LLVM sees the same module before and after."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as binding
import pytest

from ir.corpus import CASES, SLOW, texts
from numbad.passes.ir.instruction_parser import READERS
from numbad.passes.ir.instructions import OPCODES, Call
from numbad.passes.ir.parser import ParseError, parse, strip_debug_records
from numbad.passes.ir.printer import print_function, print_instruction, print_module
from numbad.passes.ir.verifier import verify

TESTS = Path(__file__).parent.parent
SYNTAX = Path(__file__).with_name("syntax.ll")


def as_llvm_prints(text):
    # A context of its own: two modules in one context can't both have a type %pair.
    module = binding.parse_assembly(text, binding.create_context())
    module.verify()
    return str(module)


def check_round_trip(text):
    module = parse(text)
    verify(module)
    printed = print_module(module)
    assert as_llvm_prints(printed) == as_llvm_prints(text)
    assert print_module(parse(printed)) == printed


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in CASES])
def test_corpus(name):
    for text in texts(CASES[name]).values():
        check_round_trip(text)


def test_corpus_is_varied():
    assert len(CASES) >= 60


def test_rare_syntax():
    text = SYNTAX.read_text(encoding="utf-8")
    check_round_trip(text)
    check_round_trip(as_llvm_prints(text))


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.ll")), ids=lambda p: str(p.relative_to(TESTS)))
def test_every_file_in_the_tree(path):
    printed = print_module(parse(path.read_text(encoding="utf-8")))
    assert print_module(parse(printed)) == printed


def test_every_opcode_is_read():
    assert READERS.keys() == OPCODES


PRINT = """
import hashlib, sys
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_module
for path in sys.argv[1:]:
    print(hashlib.sha256(print_module(parse(open(path, encoding="utf-8").read())).encode()).hexdigest())
"""


def test_output_does_not_depend_on_the_hash_seed(tmp_path):
    paths = [SYNTAX]
    for name in ("exceptions", "array_expression", "debug_varied"):
        for stage, text in texts(CASES[name]).items():
            paths.append(tmp_path / f"{name} {stage}.ll")
            paths[-1].write_text(text, encoding="utf-8")
    here = [hashlib.sha256(print_module(parse(p.read_text(encoding="utf-8"))).encode()).hexdigest() for p in paths]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run([sys.executable, "-c", PRINT, *map(str, paths)], env=environment, capture_output=True,
                              text=True, check=True)
        assert done.stdout.split() == here


def test_debug_records_stay_until_they_are_stripped():
    text = texts(CASES["debug_scalars"])["linked"]
    module = parse(text)
    assert print_module(module).count("#dbg_") == text.count("#dbg_") > 0
    strip_debug_records(module)
    printed = print_module(module)
    assert "#dbg_" not in printed and "!dbg !" in printed
    as_llvm_prints(printed)


def test_metadata_and_flags_are_kept_as_data():
    module = parse(as_llvm_prints(SYNTAX.read_text(encoding="utf-8")))
    function = module.functions["arithmetic"]
    by_name = {i.name: i for i in function.instructions}
    assert by_name["some"].flags == ("reassoc", "nsz", "arcp", "contract", "afn")
    assert by_name["cmp"].predicate == "uno"
    assert by_name["back"].indices == (2, 1, 0) and str(by_name["back"].type) == "double"
    load = next(i for i in module.functions["memory"].instructions if i.name == "z")
    assert list(load.metadata) == ["nonnull", "noundef"]
    calls = [i for i in module.functions["calls"].instructions if isinstance(i, Call)]
    assert calls[0].callee_name == "callee" and calls[0].argument_attributes == ("signext", "", "")
    assert calls[1].tail == "tail" and calls[1].convention == "fastcc" and calls[1].callee_name is None
    assume = next(c for c in calls if c.callee_name == "llvm.assume")
    assert assume.bundle_operands == [module.functions["calls"].arguments[0]] and len(assume.arguments) == 1


def test_hand_written_text_may_be_untidy():
    module = parse("""
define double @f( double  %x ,double %"y" ) {   ; a comment with "quotes" and (brackets
  %a = fmul   fast double %x, %y   ; more
\t%b = fadd double %a,  1.0
  switch i32 0, label %end [ ; none
    i32 1, label %end ; one
  ]
end:
  ret double %b
}
""")
    assert [i.opcode for i in module.functions["f"].instructions] == ["fmul", "fadd", "switch", "ret"]
    as_llvm_prints(print_module(module))


def test_names_are_made_unique_and_numbers_counted_again():
    module = parse("""
define i32 @f(i32 %0, i32 %x) {
  %2 = add i32 %0, %x
  %y = add i32 %2, 1
  %3 = add i32 %y, %2
  ret i32 %3
}
""")
    function = module.functions["f"]
    first, second, third, _ = function.entry.instructions
    second.name = "x"
    third.name = ""
    assert print_function(function) == """define i32 @f(i32 %0, i32 %x) {
  %2 = add i32 %0, %x
  %x.1 = add i32 %2, 1
  %3 = add i32 %x.1, %2
  ret i32 %3
}"""
    assert print_instruction(third) == "%3 = add i32 %x.1, %2"


def large_module(count):
    """Straight code, blocks and forward references: `count` lines and more in one function."""
    lines = ["define i64 @f(i64 %n) {", "entry:", "  br label %b0"]
    for k in range(count // 5):
        before = f"%b{k - 1}" if k else "%entry"
        lines += [f"b{k}:", f"  %p{k} = phi i64 [ {k}, {before} ]", f"  %q{k} = mul nsw i64 %p{k}, %n",
                  f"  %r{k} = getelementptr inbounds i8, ptr null, i64 %q{k}", f"  br label %b{k + 1}"]
    lines += [f"b{count // 5}:", "  ret i64 0", "}"]
    return "\n".join(lines)


def test_large_modules_are_read():
    module = parse(large_module(20_000))
    verify(module)
    assert len(module.functions["f"].blocks) == 4002


FUNCTION = "declare void @g(i32)\ndefine i32 @f(i32 %x, ptr %p) {{\nentry:\n  {}\n  ret i32 %x\n}}\n"

BAD_LINES = {
    "%a = frobnicate i32 %x": "no known instruction",
    "%a = add i32 %x": "no known syntax of add",
    "%a = add i32 %x %x": "no known syntax of add",
    "%a = add sometimes i32 %x, 1": "no known syntax of add",
    "%a = add i32 %y, 1": "%y is used in @f, but not defined",
    "%a = add i64 %x, 1": "%x is a i32, not a i64",
    "%a = add i32 1.5, 1": "'1.5' is no i32",
    "%a = fadd double one, 1.0": "'one' is no double",
    "%a = icmp oeq i32 %x, 1": "icmp has no predicate oeq",
    "%x = add i32 1, 1": "%x is defined twice",
    "%a = load i32, ptr %p, align eight": "no known syntax of load",
    "%a = load atomic i32, ptr %p, align 4": "memory ordering",
    "%a = atomicrmw frob ptr %p, i32 1 seq_cst, align 4": "unknown atomic operation",
    "%a = extractvalue { i32, i32 } undef, 2": "has no element 2",
    "%a = load i129x, ptr %p": "no known syntax of load",
    "call void @missing(i32 1)": "@missing is not defined",
    "call void @g(i32 sparkling %x)": "unknown attribute in 'sparkling'",
    "call shiny void @g(i32 %x)": "unknown attribute in 'shiny'",
    "call void @g(i32 %x": "no known syntax of call",
    "tail ret i32 %x": "tail stands before calls only",
    "br label %nowhere": "%nowhere is used in @f, but not defined",
    "entry:": "the block %entry is defined twice",
    "%a = add i32 %x, 1, !dbg 7": "can't read the metadata",
    '%"12" = add i32 %x, 1': "names that consist of digits",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_errors_quote_the_line(line):
    with pytest.raises(ParseError) as caught:
        parse(FUNCTION.format(line))
    message = str(caught.value)
    assert BAD_LINES[line] in message and message.startswith("line 4: ") and message.endswith(f"\n    {line}")
    assert (caught.value.number, caught.value.line.strip()) == (4, line)


BAD_MODULES = {
    "@g = mysterious global i32 0": 1,
    "\n@g = global i32 0\n@g = global i32 1": 3,
    "@g = global i32 0, align 4, frozen": 1,
    "@g = global i32 @h": 1,
    "%t = type i32": 1,
    "declare void @f(i32 %x, ..., i32)": 1,
    "declare void @f() {": 1,
    "define void @f()": 1,
    "define void @f() peculiar {\n  ret void\n}": 1,
    "define void @f() {\n  ret void\n": 1,
    "^0 = module: (path: \"x\")": 1,
    "\n\nsome prose": 3,
}


@pytest.mark.parametrize("text", BAD_MODULES)
def test_errors_of_modules_quote_the_line(text):
    with pytest.raises(ParseError) as caught:
        parse(text)
    number = BAD_MODULES[text]
    line = text.split("\n")[number - 1]
    assert str(caught.value).startswith(f"line {number}: ") and str(caught.value).endswith(f"\n    {line}")
