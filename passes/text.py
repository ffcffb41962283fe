"""What LLVM's printed text looks like: all that the engine assumes about it outside of `ir`.

Given   text that LLVM printed.
Gives   where function bodies and blocks stand, the shapes of the lines that are read or changed as text, and changes.
Unsure  a text that LLVM did not print may be misread; everything here is used on LLVM's own output only.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

NAME = r'"[^"\n]*"|[-\w.$]+'
"""A name without its `@` or `%`. LLVM escapes quotation marks within names."""


@dataclass(frozen=True)
class Definition:
    """A function body."""

    name: str
    head: str
    """The line that opens the body."""
    parameters: str
    text: str
    """Head and body, up to the closing brace."""
    start: int
    end: int
    """Where it stands in the text."""


_HEAD = re.compile(rf"^define [^\n@]*?@(?P<name>{NAME})"
                   r"\((?P<parameters>.*?)\)[^()\n]*(?:\([^()\n]*\)[^()\n]*)* ?\{$", re.M)


def definitions(text: str) -> Iterator[Definition]:
    """The functions that the text defines. The last line of a body is a lone `}`."""
    for match in _HEAD.finditer(text):
        end = text.index("\n}", match.end()) + len("\n}")
        yield Definition(match["name"].strip('"'), match[0], match["parameters"], text[match.start():end],
                         match.start(), end)


_PARAMETER = re.compile(rf"^(?P<type>\w+)\b.*? %(?:{NAME})$")


def parameter_types(definition: Definition) -> list[str]:
    """The types of a definition's parameters; "" for one that is more than a word."""
    listed = definition.parameters
    found = [_PARAMETER.match(piece.strip()) for piece in re.split(r",(?![^(]*\))", listed)] if listed else []
    return [match["type"] if match else "" for match in found]


def stored_type(definition: Definition, parameter: str) -> str | None:
    """The float type of what the function stores behind a parameter."""
    found = re.search(rf"^ +store (double|float) [^\n]*, ptr %{parameter}\b", definition.text, re.M)
    return found[1] if found else None


def symbols(text: str) -> list[str]:
    """The names of functions and globals, as often as they occur, quoted where LLVM quotes them."""
    return re.findall(rf"@({NAME})", text)


# --- blocks ----------------------------------------------------------------------------------------------------------

_LABEL = re.compile(rf"^({NAME}):.*$", re.M)
_TARGET = re.compile(rf"label %({NAME})")


@dataclass
class Block:
    name: str
    text: str
    end: int
    """Where the terminator ends in the function's text."""
    successors: list[str] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        switch = self.text.rfind("\n  switch ")         # spans lines, unlike other terminators
        start = switch if switch >= 0 else self.text.rfind("\n  ")
        self.successors = _TARGET.findall(self.text, max(start, 0))
        self.size = self.text.count("\n  ")

    def defined(self, name: str, pattern: str) -> re.Match | None:
        """What defines the value, if it matches."""
        return re.search(rf"^  {re.escape(name)} = {pattern}", self.text, re.M) if name.startswith("%") else None


def blocks_of(function: str) -> dict[str, Block]:
    """Blocks by name, in order. The first has no label if LLVM numbered it."""
    first = function.index("{\n") + 1
    labels = list(_LABEL.finditer(function, first))
    starts = [(match[1], match.end()) for match in labels]
    if not labels or function[first:labels[0].start()].strip():
        starts.insert(0, ("", first))
    ends = [match.start() for match in labels[-len(starts) + 1:]] if len(starts) > 1 else []
    found = {}
    for (name, start), end in zip(starts, [*ends, len(function) - 1], strict=True):
        text = function[start:end].rstrip()
        found[name] = Block(name, text, start + len(text))
    return found


# --- counted loops ---------------------------------------------------------------------------------------------------

LATCH = re.compile(rf"  br i1 (?P<test>%(?:{NAME})), label %(?P<then>{NAME}), label %(?:{NAME})")
TEST = r"icmp (?:samesign )?(?P<test>\w+) i\d+ (?P<value>\S+), (?P<limit>-?\d+)"
COUNTER = re.compile(rf"^  (?P<name>%(?:{NAME})) = phi i\d+ (?P<incoming>\[.*)$", re.M)
INCOMING = re.compile(rf"\[ (\S+), %({NAME}) \]")
INTEGER = re.compile(r"-?\d+")
LOOP_MARK = re.compile(r", !llvm\.loop !\d+")


def step_of(counter: str) -> str:
    """What defines the stepped value of a counter."""
    return rf"(?P<operation>add|mul|shl|lshr|ashr|udiv|sdiv) (?:\w+ )*i\d+ {re.escape(counter)}, (?P<step>-?\d+)"


STATE = re.compile(rf"^  (%(?:{NAME})) = phi (?:float|double) ", re.M)
BOUNDED = r"icmp (?:samesign )?\w+ i\d+ (?P<value>\S+), \S+"
_OF_ONE_THREAD = re.compile(r"@(?:__nv_\w+|llvm\.(?!nvvm\.)[\w.]+|llvm\.nvvm\.read\.[\w.]+)\(")


def is_only_added_to(name: str, text: str) -> bool:
    """A value goes into sums, and into phis."""
    used = re.findall(rf"^.*{re.escape(name)}(?![\w.$-]).*$", text, re.M)
    return all(re.search(r" = (?:fadd|fsub|phi) ", line) for line in used)


def meets_others(text: str) -> bool:
    """There are atomic operations, or calls of which it is not known that a thread does them on its own."""
    return bool(re.search(r"= (?:atomicrmw|cmpxchg) ", text)) or any(
        not _OF_ONE_THREAD.search(line) for line in re.findall(r"^.*\bcall .*$", text, re.M))


def first_free_node(text: str) -> int:
    """The first number that no metadata node has."""
    return 1 + max(map(int, re.findall(r"^!(\d+) = ", text, re.M)), default=-1)


# --- comparisons -----------------------------------------------------------------------------------------------------

COMPARISON = re.compile(rf"^(?P<result> +%(?:{NAME}) = )fcmp (?P<flags>(?:[a-z]+ )*?)"
                        r"(?P<predicate>[ou](?:eq|gt|ge|lt|le|ne)|ord|uno|true|false) "
                        r"(?P<type><[^>]*>|\w+) (?P<operands>[^\n]*)$", re.M)
VECTOR = re.compile(r"<(?P<lanes>\d+) x (?P<element>\w+)>")
TYPE_AND_VALUE = re.compile(r"(?P<type><[^>]*>|\w+) (?:(?:noundef|nofpclass\([^)]*\)) )*(?P<value>.+)", re.S)
ATTACHED = re.compile(r",(?: ![\w.]+ !\d+,?)+$")
"""Metadata at the end of an instruction."""


def calls_of(prefix: str) -> re.Pattern:
    """Lines that call functions with this prefix, which give a value."""
    return re.compile(rf"^(?P<result> +%(?:{NAME}) = )(?:(?:tail|musttail|notail) )?call [^@\n]*@{re.escape(prefix)}"
                      r"(?P<kind>[\w.]+)\((?P<arguments>[^\n]*)$", re.M)


def declarations_of(prefix: str) -> re.Pattern:
    return re.compile(rf"^(?:; Function Attrs:[^\n]*\n)?declare [^\n]*@{re.escape(prefix)}[^\n]*\n", re.M)


def two_operands(text: str) -> tuple[str, str, str]:
    """Two operands and what follows: `%a, <2 x double> <double 1.0, double 2.0>), !dbg !5`."""
    ends: list[int] = []
    depth, quoted = 0, False
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in "<([{":
            depth += 1
        elif character in ">)]}":
            depth -= 1
        if depth < 0 or (character == "," and depth == 0):
            ends.append(position)
            if len(ends) == 2 or depth < 0:
                break
    if len(ends) == 1:
        ends.append(len(text))
    rest = text[ends[1]:]
    return text[:ends[0]].strip(), text[ends[0] + 1:ends[1]].strip(), rest[1:] if rest.startswith(")") else rest


def is_literal(value: str) -> bool:
    return "%" not in value and "@" not in value


# --- changes ---------------------------------------------------------------------------------------------------------

def lines_only(text: str) -> str:
    """Debug information without source variables and types: the engine reads source lines."""
    text = re.sub(r"^ +#dbg_.*\n", "", text, flags=re.M)
    return re.sub(r"\bDISubroutineType\(types: !\d+\)", "DISubroutineType(types: null)", text)


def without_unused_commons(text: str) -> str:
    """LLVM keeps every `common` variable. Numba has one per function, for the environment of its Python objects."""
    uses = Counter(symbols(text))
    return re.sub(rf"^@({NAME}) = common [^\n]*\n", lambda match: match[0] if uses[match[1]] > 1 else "",
                  text, flags=re.M)


_FUNCTION = re.compile(rf"^(?P<head>(?:define|declare) [^\n@]*@(?P<name>{NAME})\((?P<rest>[^\n]*?))"
                       r"(?P<tail>(?: ![\w.]+ !\d+)*(?: \{)?)$", re.M)
_ASSEMBLY = re.compile(r"^(?P<call>[^\n\"]*\bcall [^\n\"]* asm [^\n]*?\))(?P<tail>(?:, ![\w.]+ !\d+)*)$", re.M)


def with_attributes(text: str, chosen: Callable[[str, bool], str], of_assembly: str = "") -> str:
    """Give functions further attributes: `chosen` is asked with a name and whether there is a pointer among the
    parameters. `of_assembly` is for the calls of inline assembly."""
    def of_function(match: re.Match) -> str:
        added = chosen(match["name"].strip('"'), bool(re.search(r"\bptr\b", match["rest"])))
        return f"{match['head']} {added}{match['tail']}" if added else match[0]

    text = _FUNCTION.sub(of_function, text)
    return _ASSEMBLY.sub(rf"\g<call> {of_assembly}\g<tail>", text) if of_assembly else text


_UNSAFE = re.compile(r"[^\w$]", re.A)


def ptx_name(symbol: str) -> str:
    """A name that PTX allows, and no other symbol is given."""
    return _UNSAFE.sub(lambda match: "_$_" if match[0] == "." else f"_${ord(match[0]):x}_", symbol)


def declared_results(text: str, prefix: str) -> dict[str, str]:
    """What declared functions with this prefix return, by their names without it."""
    found = re.finditer(rf"^declare (?P<result>\w+) @{re.escape(prefix)}(?P<name>\w*)\(", text, re.M)
    return {match["name"]: match["result"] for match in found}


def assembly_as_call(text: str, assembly: str, constraints: str, result: str, symbol: str) -> tuple[str, int]:
    """Inline assembly becomes calls of a function with its operands; and how often."""
    pattern = rf'call {result} asm (?:sideeffect )?"{re.escape(assembly)}", "{re.escape(constraints)}"\('
    return re.subn(pattern, f"call {result} @{symbol}(", text)


def target_lines(text: str) -> list[str]:
    """The lines that say what machine the text is for, for a text to be linked with it."""
    return re.findall(r"^target [^\n]*", text, re.M)


def without_used_list(text: str) -> str:
    """Without the list that keeps functions from being dropped or internalised."""
    return re.sub(r"^@llvm\.used = [^\n]*\n", "", text, flags=re.M)


def relaxed(text: str) -> str:
    """Atomic additions and counters in the order in which CUDA has them, none, seen by the threads of one GPU. LLVM
    reads the intrinsic functions that front ends still write for them as the strictest there is."""
    return re.sub(r"^( +%\S+ = atomicrmw (?:fadd|u(?:inc|dec)_wrap) [^\n]*?) seq_cst\b",
                  r'\1 syncscope("device") monotonic', text, flags=re.M)


_DIVISION = r"fdiv (?=(?:\w+ )*float )"
_ROOT = r"(?:tail )?call (?=(?:\w+ )*float @llvm\.sqrt\.f32\()"


def approximate(text: str) -> str:
    """Single-precision divisions and square roots that the back end may approximate."""
    return re.sub(rf"^( +%\S+ = (?:{_DIVISION}|{_ROOT}))", r"\1afn ", text, flags=re.M)


def answered(text: str, answers: dict[str, int]) -> str:
    """The questions of a library about the options of the compiler, answered. Others are left to LLVM."""
    asked = dict(re.findall(r'^(@[\w.$]+) = [^\n]* c"([^"\\]*)\\00"', text, re.M))

    def answer(match: re.Match) -> str:
        value = answers.get(asked.get(match["question"], ""))
        return match[0] if value is None else f"{match['result']}add i32 0, {value}"

    return re.sub(r"^(?P<result> +%\S+ = )(?:tail )?call i32 @__nvvm_reflect\(ptr [^@\n]*(?P<question>@[\w.$]+)\)"
                  r"[^\n]*", answer, text, flags=re.M)


_LINKAGE = re.compile(r"\b(?:private|internal|linkonce_odr|linkonce|weak_odr|weak|external|hidden|protected"
                      r"|dso_local|available_externally)\s+")
_OF_BODIES = re.compile(r"\s*(?:comdat(?:\([^)]*\))?|!dbg !\d+|personality \S+ \S+)")


def declaration(definition: Definition) -> str:
    """The declaration of a function in place of its definition."""
    head = _LINKAGE.sub("", definition.head.removesuffix("{").removeprefix("define"))
    return "declare" + _OF_BODIES.sub("", head)


_NOINLINE = re.compile(r"^(attributes #\d+ = \{(?!.*\bcold\b).*?)\bnoinline\b", re.M)


def inlinable(text: str) -> str:
    """Functions that had to stay out of line may be inlined, but for those that are said to be cold."""
    return _NOINLINE.sub(r"\1inlinehint", text)


# --- metadata --------------------------------------------------------------------------------------------------------

_FIELD = re.compile(r'(\w+): (?:"([^"]*)"|(![0-9]+|[^,()]+))')


def fields(node: str) -> dict[str, str]:
    """The fields of a specialised metadata node, `!DILocation(line: 3, scope: !5)`."""
    return {key: quoted or plain for key, quoted, plain in _FIELD.findall(node)}


def quoted_attributes(text: str) -> list[tuple[str, str]]:
    """The names and values of attributes like `"nvvm.maxntid"="128"`."""
    return re.findall(r'"([^"]*)"="([^"]*)"', text)


def debug_location(tail: str) -> str | None:
    """The reference behind `!dbg`."""
    found = re.search(r"!dbg (![0-9]+)", tail)
    return found[1] if found else None
