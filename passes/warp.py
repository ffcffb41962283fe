"""Intrinsic functions that libNVVM has and LLVM does not: exchanges between the threads of a warp.

Given   LLVM text that calls them.
Gives   `ATTRIBUTES`: what LLVM may assume of them, which it does not know; `with_own_names`: the text in which they are
        functions made of LLVM's own, for the back end.
Unsure  leaves other names as they are.

    call { i32, i1 } @llvm.nvvm.shfl.sync.i32(i32 %mask, i32 2, i32 %value, i32 %lane, i32 31)
        ->  call { i32, i1 } @llvm.nvvm.shfl.sync.down.i32p(i32 %mask, i32 %value, i32 %lane, i32 31)

The engine sees the former: one name with a mode, rather than four.
"""

from __future__ import annotations

from numbad.passes import llvm
from numbad.passes.text import target_lines

ATTRIBUTES = "convergent nocallback nounwind memory(inaccessiblemem: readwrite)"

_PAIR = "{ i32, i1 }"
_SHUFFLES = ("idx", "up", "down", "bfly")       # by mode
_VOTES = ("all", "any", "uni", "ballot")


def _modes(kinds: tuple[str, ...], calls: str) -> str:
    """A block for each mode, the last one for all others; LLVM keeps one, since modes are constants."""
    cases = " ".join(f"i32 {mode}, label %{kind}" for mode, kind in enumerate(kinds[:-1]))
    return f"  switch i32 %mode, label %{kinds[-1]} [ {cases} ]\n" + calls


def _shuffle() -> str:
    calls = "".join(f"{kind}:\n  %{kind}.pair = call {_PAIR} @llvm.nvvm.shfl.sync.{kind}.i32p(i32 %mask, i32 %value, "
                    f"i32 %lane, i32 %clamp)\n  ret {_PAIR} %{kind}.pair\n" for kind in _SHUFFLES)
    declared = "".join(f"declare {_PAIR} @llvm.nvvm.shfl.sync.{kind}.i32p(i32, i32, i32, i32)\n" for kind in _SHUFFLES)
    return (f"define linkonce_odr {_PAIR} @numbad.nvvm.shfl.sync.i32(i32 %mask, i32 %mode, i32 %value, i32 %lane, "
            f"i32 %clamp) alwaysinline convergent nounwind {{\n{_modes(_SHUFFLES, calls)}}}\n{declared}")


def _vote() -> str:
    calls = declared = ""
    for kind in _VOTES:
        result, index = ("i32", 0) if kind == "ballot" else ("i1", 1)
        calls += (f"{kind}:\n  %{kind}.value = call {result} @llvm.nvvm.vote.{kind}.sync(i32 %mask, i1 %vote)\n"
                  f"  %{kind}.pair = insertvalue {_PAIR} zeroinitializer, {result} %{kind}.value, {index}\n"
                  f"  ret {_PAIR} %{kind}.pair\n")
        declared += f"declare {result} @llvm.nvvm.vote.{kind}.sync(i32, i1)\n"
    return (f"define linkonce_odr {_PAIR} @numbad.nvvm.vote.sync(i32 %mask, i32 %mode, i1 %vote) "
            f"alwaysinline convergent nounwind {{\n{_modes(_VOTES, calls)}}}\n{declared}")


def _match(ty: str) -> str:
    return (f"define linkonce_odr {_PAIR} @numbad.nvvm.match.all.sync.{ty}(i32 %mask, {ty} %value) "
            "alwaysinline convergent nounwind {\n"
            f"  %pair = call {_PAIR} @llvm.nvvm.match.all.sync.{ty}p(i32 %mask, {ty} %value)\n  ret {_PAIR} %pair\n}}\n"
            f"declare {_PAIR} @llvm.nvvm.match.all.sync.{ty}p(i32, {ty})\n")


_BODIES = {"llvm.nvvm.shfl.sync.i32": _shuffle(), "llvm.nvvm.vote.sync": _vote(),
           "llvm.nvvm.match.all.sync.i32": _match("i32"), "llvm.nvvm.match.all.sync.i64": _match("i64")}
NAMES = frozenset(_BODIES)


def with_own_names(text: str) -> str:
    bodies = []
    for name, body in _BODIES.items():
        if f"@{name}(" in text:
            text = text.replace(f"@{name}(", f"@numbad.{name.removeprefix('llvm.')}(")
            bodies.append(body)
    return llvm.link(text, "\n".join([*target_lines(text), *bodies])) if bodies else text
