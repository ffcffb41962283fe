"""How LLVM spells things: every assumption about the text of LLVM 22 is in this file.

Given   nothing; these are tables and patterns.
Gives   keyword sets, the patterns of names, types and values, and one *shape* an instruction: what follows its
        opcode in a line. A new LLVM release that prints something differently is met here.
Unsure  a word that is in no table does not match, and the parser refuses the line.
"""

from __future__ import annotations

import re
from functools import cache

# --- keywords ------------------------------------------------------------------------------------------

LINKAGE = frozenset("""private internal available_externally linkonce weak common appending extern_weak linkonce_odr
weak_odr external""".split())
PREEMPTION = frozenset(["dso_local", "dso_preemptable"])
VISIBILITY = frozenset(["default", "hidden", "protected", "dllimport", "dllexport"])
CONVENTION = re.compile(r"""(?:cc\ ?\d+|(?:c|fast|cold|tail|ghc|anyreg|swift|swifttail|preserve_most|preserve_all
    |preserve_none|cxx_fast_tls|cfguard_check|graal|hhvm|hhvm_c|win64|x86_64_sysv|intel_ocl_bi)cc
    |x86_(?:vectorcall|stdcall|fastcall|thiscall|regcall)cc|arm_(?:aapcs|aapcs_vfp|apcs)cc|aarch64_\w+_pcs
    |ptx_kernel|ptx_device|spir_func|spir_kernel|amdgpu_\w+|device_kernel)(?=\ )""", re.VERBOSE)
FAST_MATH = frozenset("fast nnan ninf nsz arcp contract afn reassoc".split())
FLAGS = FAST_MATH | frozenset("nuw nsw exact disjoint nneg samesign inbounds nusw".split())
INTEGER_PREDICATES = frozenset("eq ne ugt uge ult ule sgt sge slt sle".split())
FLOAT_PREDICATES = frozenset("false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true".split())
ORDERINGS = frozenset("unordered monotonic acquire release acq_rel seq_cst".split())
ATOMIC_OPERATIONS = frozenset("""xchg add sub and nand or xor max min umax umin fadd fsub fmax fmin fmaximum fminimum
uinc_wrap udec_wrap usub_cond usub_sat""".split())

# Attributes of functions, parameters and results; those in the second set carry an argument in parentheses, those
# in both may.
PLAIN_ATTRIBUTES = frozenset("""allocalign allocptr alwaysinline builtin cold convergent coro_elide_safe
coro_only_destroy_when_complete dead_on_return dead_on_unwind disable_sanitizer_instrumentation fn_ret_thunk_extern
hot hybrid_patchable immarg inlinehint inreg jumptable minsize mustprogress naked nest noalias nobuiltin nocallback
nocapture nocf_check nocreateundeforpoison nodivergencesource noduplicate noext nofree noimplicitfloat noinline
nomerge nonlazybind nonnull noprofile norecurse noredzone noreturn nosanitize_bounds nosanitize_coverage nosync
noundef nounwind null_pointer_is_valid optdebug optforfuzzing optnone optsize presplitcoroutine readnone readonly
returned returns_twice safestack sanitize_address sanitize_alloc_token sanitize_hwaddress sanitize_memory
sanitize_memtag sanitize_numerical_stability sanitize_realtime sanitize_realtime_blocking sanitize_thread
sanitize_type shadowcallstack signext skipprofile speculatable speculative_load_hardening ssp sspreq sspstrong
strictfp swiftasync swifterror swiftself uwtable willreturn writable writeonly zeroext""".split())
ATTRIBUTES_WITH_ARGUMENT = frozenset("""align alignstack allockind allocsize byref byval captures dead_on_return
denormal_fpenv dereferenceable dereferenceable_or_null elementtype inalloca initializes memory nofpclass
preallocated range sret uwtable vscale_range""".split())

# Opcodes that also exist as constant expressions; `splat (...)` is spelled like one.
CONSTANT_OPCODES = frozenset("""getelementptr ptrtoint ptrtoaddr inttoptr bitcast addrspacecast trunc add sub xor
extractelement insertelement shufflevector splat blockaddress ptrauth""".split())
# Words in front of a symbol that make a constant of it.
SYMBOL_WRAPPERS = frozenset(["dso_local_equivalent", "no_cfi"])
CONSTANT_WORDS = frozenset("null undef poison zeroinitializer none".split())
FLOAT_TYPES = frozenset("half bfloat float double x86_fp80 fp128 ppc_fp128".split())
SIMPLE_TYPES = frozenset("void label metadata token x86_amx".split())
GLOBAL_WORDS = frozenset("unnamed_addr local_unnamed_addr thread_local externally_initialized".split())
GLOBAL_TAIL_WORDS = frozenset("""no_sanitize_address no_sanitize_hwaddress sanitize_memtag sanitize_address_dyninit
""".split())
# Opcodes whose text goes on in the next lines, which are indented by ten spaces.
CONTINUED = frozenset("invoke callbr landingpad catchswitch".split())
# Opcodes with a list in square brackets that may spread over lines.
BRACKETED = frozenset(["switch", "indirectbr"])

# --- patterns ------------------------------------------------------------------------------------------

NAME = r'(?:[-a-zA-Z$._0-9]+|"[^"]*")'
_OUTSIDE = r'[^\[\]{}<>()"]*'
_ARGUMENT = r'(?:\([^()]*(?:\([^()]*\)[^()]*)*\))'


def _words(words: frozenset[str]) -> str:
    """Alternatives, longest first: `uge` must not be read as `u`."""
    return "|".join(sorted(words, key=lambda w: (-len(w), w)))


@cache
def group(depth: int, opening: str = "[{<(") -> str:
    """A bracketed text with up to `depth` levels of brackets. Python's patterns can't recurse, so it is unrolled;
    written so that each character can match in one way only, which keeps the search linear."""
    inner = rf'(?:"[^"]*"|{group(depth - 1)})' if depth > 1 else r'"[^"]*"'
    return rf"[{re.escape(opening)}]{_OUTSIDE}(?:{inner}{_OUTSIDE})*[\]}}>)]"


SHALLOW = 4  # levels of brackets that nearly every line gets by with
DEEP = 40  # tried before a line is refused


@cache
def parts(depth: int) -> dict[str, str]:
    """The named holes of the shapes."""
    brackets = group(depth)
    type_ = (rf'(?:ptr(?: addrspace\(\d+\))?|i\d+|{_words(FLOAT_TYPES | SIMPLE_TYPES)}|{group(depth, "[{<")}|%{NAME}'
             rf'|target\("[^()]*\))')
    wrapped = rf"(?:{_words(SYMBOL_WRAPPERS)}) @{NAME}"
    expression = rf"(?:{_words(CONSTANT_OPCODES)})(?: [a-z]+(?:\([^()]*\))?)* ?{group(depth, '(')}"
    value = rf'(?:[%@]{NAME}|c?"[^"]*"|{brackets}|{expression}|{wrapped}|[-+\w.]+)'
    callee = rf'(?:[%@]{NAME}|{expression}|{wrapped}|null|undef|poison|asm(?: [a-z]+)* "[^"]*", "[^"]*")'
    attribute = rf'(?:(?:align|cc) \d+|[a-z_]\w*{_ARGUMENT}?|"[^"]*"(?:="[^"]*")?)'
    common_tail = rf"align \d+|comdat(?:\(\${NAME}\))?|#\d+|![-\w.]+ !\d+"
    return {
        "type": f"({type_})",
        "value": f"({value})",
        "callee": f"({callee})",
        "parameters": _ARGUMENT,
        "signature": rf"(?:({_ARGUMENT}) )?",
        "arguments": f"({group(depth, '(')})",
        "flags": rf"((?: (?:{_words(FLAGS)}))*)",
        "predicate": rf"({_words(INTEGER_PREDICATES | FLOAT_PREDICATES)})",
        "block": f"(%{NAME})",
        "name": NAME,
        "global_words": rf"(?:(?:{_words(LINKAGE | PREEMPTION | VISIBILITY | GLOBAL_WORDS)}"
                        r"|(?:thread_local|addrspace)\(\w+\)) )*",
        "global_tail": rf'(?:, (?:(?:section|partition|code_model) "[^"]*"|{common_tail}'
                       rf'|{_words(GLOBAL_TAIL_WORDS)}))*',
        "function_tail": rf'(?:section|partition|gc) "[^"]*"|(?:prefix|prologue|personality) {type_} {value}'
                         rf'|{common_tail}|addrspace\(\d+\)|(?:{_words(PLAIN_ATTRIBUTES | GLOBAL_WORDS)})'
                         rf'|(?:{_words(ATTRIBUTES_WITH_ARGUMENT)}){_ARGUMENT}|"[^"]*"(?:="[^"]*")?',
        "operands": f"((?:, {type_} {value})*)",
        "indices": r"((?:, \d+)+)",
        "incoming": rf"((?:,? \[ {value}, %{NAME} \])*)",
        "cases": rf"((?: {type_} {value}, label %{NAME})*)",
        "words": rf"((?:{attribute} )*?)",
        "attributes": rf"((?: {attribute})*?)",
        "behind": rf"((?: (?:#\d+|{attribute}))*)",
        "volatile": "( volatile)?",
        "scope": r'(?: (syncscope\("[^"]*"\)))?',
        "ordering": f"(?: ({_words(ORDERINGS)}))?",
        "align": r"(?:, align (\d+))?",
    }


# What follows the opcode, up to the metadata (`, !dbg !3`), which every shape may end with.
SHAPES = {
    "binary": "{flags} {type} {value}, {value}",
    "unary": "{flags} {type} {value}",
    "cast": "{flags} {type} {value} to {type}",
    "compare": "{flags} {predicate} {type} {value}, {value}",
    "phi": "{flags} {type}{incoming}",
    "select": "{flags} {type} {value}, {type} {value}, {type} {value}",
    "two": " {type} {value}, {type} {value}",
    "three": " {type} {value}, {type} {value}, {type} {value}",
    "load": "( atomic)?{volatile} {type}, {type} {value}{scope}{ordering}{align}",
    "store": "( atomic)?{volatile} {type} {value}, {type} {value}{scope}{ordering}{align}",
    "alloca": r"((?: inalloca| swifterror)*) {type}(?:, {type} {value})?{align}(?:, addrspace\((\d+)\))?",
    "getelementptr": "{flags} {type}, {type} {value}{operands}",
    "extractvalue": " {type} {value}{indices}",
    "insertvalue": " {type} {value}, {type} {value}{indices}",
    "atomicrmw": "{volatile} ([a-z_]+) {type} {value}, {type} {value}{scope} ([a-z_]+){align}",
    "cmpxchg": r"((?: weak| volatile)*) {type} {value}, {type} {value}, {type} {value}"
               r"((?: syncscope\(\"[^\"]*\"\))? [a-z_]+ [a-z_]+(?:, align \d+)?)",
    "call": r" {words}{type} {signature}{callee}{arguments}{behind}( \[ .* \])?",
    "branch": " (?:label {block}|i1 {value}, label {block}, label {block})",
    "switch": r" {type} {value}, label {block} \[{cases} \]",
    "return": " (?:void|{type} {value})",
    "bare": "",
    "rest": "(.*?)",
}


@cache
def pattern(shape: str, depth: int = SHALLOW) -> re.Pattern[str]:
    """The compiled shape; its last group is the metadata."""
    return re.compile(filled(SHAPES[shape], depth) + r"(, !.+)?")


# Lines of the module. A global: name, head, type, parameters if that is a function's, type of the value (not spelt for
# variables), value, tail.
GLOBAL_LINE = r"@({name}) = ({global_words}(?:global|constant)) {type}()()(?: {value})?({global_tail})"
ALIAS_LINE = (r"@({name}) = ({global_words}(?:alias|ifunc)) {type}(?: ({parameters}))?,(?: {type})? {value}"
              r"({global_tail})")
# A function: words, result type, name, parameters, tail, the brace of a definition.
FUNCTION_LINE = r"(?:define|declare) {words}{type} @({name}){arguments}((?: (?:{function_tail}))*)( \{)?"
PARAMETER = r"(?:(\.\.\.)|{type}{attributes}(?: {block})?)"


@cache
def line(template: str, depth: int) -> re.Pattern[str]:
    """The pattern of a line of the module."""
    return re.compile(filled(template, depth))


@cache
def listed(element: str, depth: int = DEEP) -> re.Pattern[str]:
    """An element of a comma-separated list, with the comma behind it as last group: empty where the list ends."""
    return re.compile(rf"\s*{filled(element, depth)}\s*(,|$)")


def filled(template: str, depth: int) -> str:
    """The template with its holes, `{type}` and so on, replaced by their patterns."""
    for name, part in parts(depth).items():
        template = template.replace(f"{{{name}}}", part)
    return template


INSTRUCTION = re.compile(rf"\s*(?:(%{NAME}) = )?(?:(tail|musttail|notail) )?([a-z_]+)")
LABEL_LINE = re.compile(rf"({NAME}):\s*$")
DEBUG_RECORD = re.compile(r"\s*(#dbg_\w+\(.*\))\s*$")
METADATA = re.compile(r', !([-\w.$]+) (!\d+|!\w*\([^()]*\)|!\{[^{}]*\}|!"[^"]*")')
COMMENT = re.compile(r'((?:[^";]|"[^"]*")*);')
SPACES = re.compile(r'("[^"]*")|\s+')
ATTRIBUTE = re.compile(r'(?:align \d+|([a-z_]+)(\([^()]*(?:\([^()]*\)[^()]*)*\))?|"[^"]*"(?:="[^"]*")?)(?: |$)')
NUMBER = re.compile(r"-?\d+\Z")
FLOAT_NUMBER = re.compile(r"[-+]?\d+\.\d*(?:e[-+]?\d+)?\Z|0x[HKLMR]?[0-9A-Fa-f]+\Z")
