"""What kernels do in several instructions or by assembly, as calls with a rule.

Given   LLVM text as numba-cuda emits it, before any pass.
Gives   `kernel_calls`: the text in which there is one call for each of these.

            exchanges within a warp     numbad.shfl.f64(mask, mode, x, lane, clamp)
            size of shared memory       numbad.shared.size()

        GPUs exchange 32 bits at a time, so a float is exchanged as an integer of the same bits, a double as two halves:

            %bits = bitcast double %v to i64
            %low = trunc i64 %bits to i32                                     (the high half likewise)
            %a = call { i32, i1 } @llvm.nvvm.shfl.sync.i32(mask, mode, i32 %low, lane, clamp)
            ...
            %y = bitcast i64 %both to double

Unsure  leaves the text as it is: integers that hold the bits of differentiated numbers are refused later.
"""

from __future__ import annotations

import re

from numbad.passes import warp
from numbad.passes.text import assembly_as_call

_CONSTANT = "nounwind willreturn nosync nofree nocallback memory(none)"


def kernel_calls(text: str) -> str:
    return with_intrinsics(with_shuffles(text))


def with_intrinsics(text: str) -> str:
    """Assembly becomes a call that says what it is: of a register (a derivative gets more dynamic shared memory than
    the primal asks for, and has to tell it a smaller size), or what the thread does."""
    for assembly, constraints, result, symbol, parameters, attributes in _ASSEMBLY:
        text, count = assembly_as_call(text, assembly, constraints, result, symbol)
        if count and f"declare {result} @{symbol}(" not in text:
            text += f"\ndeclare {result} @{symbol}({parameters}) {attributes}\n"
    return text


_ASSEMBLY = (
    ("mov.u32 $0, %dynamic_smem_size;", "=r", "i32", "numbad.shared.size", "", _CONSTANT),
    ("mov.u32 $0, %lanemask_lt;", "=r", "i32", "llvm.nvvm.read.ptx.sreg.lanemask.lt", "", _CONSTANT),
    ("activemask.b32 $0;", "=r", "i32", "llvm.nvvm.activemask", "", warp.ATTRIBUTES),
    ("nanosleep.u32 $0;", "r", "void", "llvm.nvvm.nanosleep", "i32", warp.ATTRIBUTES))


SHUFFLE = "numbad.shfl."
ATTRIBUTES = "convergent nounwind nocallback memory(inaccessiblemem: readwrite)"

_NAME = r'%(?:"[^"\n]*"|[-\w.$]+)'
_END = r"(?:, ![^\n]*)?\n"
_CALL = r"call \{{ i32, i1 \}} @llvm\.nvvm\.shfl\.sync\.i32\({0}, i32 {1}, {2}\)"


def _line(text: str) -> str:
    return f" +{text}{_END}"


def _exchange(result: str, value: str, first: bool) -> str:
    """The call; the second one has the arguments of the first."""
    before, behind = ("(?P<before>[^()\n]*?)", "(?P<behind>i32 [^,()\n]+, i32 [^,()\n]+)") if first \
        else ("(?P=before)", "(?P=behind)")
    return rf" +{result} = (?:tail )?" + _CALL.format(before, value, behind) + _END


_SINGLE = re.compile(
    _line(rf"(?P<bits>{_NAME}) = bitcast float (?P<value>[^,\n]+) to i32")
    + rf"(?P<between>(?: +{_NAME} = trunc [^\n]*\n)*)"
    + _exchange(rf"(?P<pair>{_NAME})", "(?P=bits)", True)
    + _line(rf"(?P<part>{_NAME}) = extractvalue \{{ i32, i1 \}} (?P=pair), 0")
    + rf"(?: +(?P<moved>{_NAME}) = extractvalue \{{ i32, i1 \}} (?P=pair), 1{_END})?"
    + rf" +(?P<result>{_NAME}) = bitcast i32 (?P=part) to float(?P<end>{_END})")

_DOUBLE = re.compile(
    _line(rf"(?P<bits>{_NAME}) = bitcast double (?P<value>[^,\n]+) to i64")
    + rf"(?P<between>(?: +{_NAME} = trunc [^\n]*\n)*?)"
    + _line(rf"(?P<low>{_NAME}) = trunc i64 (?P=bits) to i32")
    + _line(rf"(?P<shifted>{_NAME}) = lshr i64 (?P=bits), 32")
    + _line(rf"(?P<high>{_NAME}) = trunc i64 (?P=shifted) to i32")
    + _exchange(rf"(?P<first>{_NAME})", "(?P=low)", True)
    + _exchange(rf"(?P<pair>{_NAME})", "(?P=high)", False)
    + _line(rf"(?P<a>{_NAME}) = extractvalue \{{ i32, i1 \}} (?P=first), 0")
    + _line(rf"(?P<b>{_NAME}) = extractvalue \{{ i32, i1 \}} (?P=pair), 0")
    + rf"(?: +(?P<moved>{_NAME}) = extractvalue \{{ i32, i1 \}} (?:(?P=first)|(?P=pair)), 1{_END})?"
    + _line(rf"(?P<wide_a>{_NAME}) = zext i32 (?P=a) to i64")
    + _line(rf"(?P<wide_b>{_NAME}) = zext i32 (?P=b) to i64")
    + _line(rf"(?P<left>{_NAME}) = shl i64 (?P=wide_b), 32")
    + _line(rf"(?P<both>{_NAME}) = or i64 (?P=left), (?P=wide_a)")
    + rf" +(?P<result>{_NAME}) = bitcast i64 (?P=both) to double(?P<end>{_END})")


def with_shuffles(text: str) -> str:
    declared: set[str] = set()

    def replaced(found: re.Match, type: str, code: str) -> str:
        declared.add(f"declare {{ {type}, i1 }} @{SHUFFLE}{code}(i32, i32, {type}, i32, i32) {ATTRIBUTES}\n")
        pair, end = found["pair"], found["end"]
        lines = [f"{pair} = call {{ {type}, i1 }} @{SHUFFLE}{code}({found['before']}, {type} {found['value']}, "
                 f"{found['behind']}){end}",
                 f"{found['result']} = extractvalue {{ {type}, i1 }} {pair}, 0{end}"]
        if found["moved"]:
            lines.append(f"{found['moved']} = extractvalue {{ {type}, i1 }} {pair}, 1{end}")
        return found["between"] + "".join(f"  {line}" for line in lines)

    text = _DOUBLE.sub(lambda found: replaced(found, "double", "f64"), text)
    text = _SINGLE.sub(lambda found: replaced(found, "float", "f32"), text)
    return text + "\n" + "".join(sorted(declared)) if declared else text
