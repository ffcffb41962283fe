"""Facts about LLVM text, noted as comments on the lines that they are about.

    define double @f(double %x, double %k) {     ; active: %x
    entry:                                       ; dominates: done
      %y = fmul double %x, %k                    ; active; depth 0
      br label %done

Given   the text and the kinds of notes that may occur in it (`active`, `dominates`, `depth`).
Gives   the parsed module, and `check`: the notes of a kind are exactly the truth, nothing missing and nothing wrong.
Unsure  about a comment (no known kind, no such argument, nothing that it could be about) raises ValueError.

A line says something about the block that it opens, or about its instruction. On the line of a `define` the names
behind the colon say which arguments are meant. Semicolons separate the notes on a line. A `switch` has one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from numbad.passes.ir.function import Function, Module
from numbad.passes.ir.instructions import Instruction
from numbad.passes.ir.parser import parse
from numbad.passes.ir.values import Named

_DEFINE = re.compile(r"define .*@([-\w.$]+)\(")
_LABEL = re.compile(r"([-\w.$]+):")


class Notes:
    """`subjects`: arguments, blocks and instructions in the order of the text, and how a message names each."""

    def __init__(self, text: str, *kinds: str):
        self.module: Module = parse(text)
        self.subjects: dict[Named, str] = {}
        self._notes: dict[str, dict[Named, str]] = {kind: {} for kind in kinds}
        self._read(text)

    def function(self, name: str = "f") -> Function:
        return self.module.functions[name]

    def check(self, kind: str, truth: Callable[[Named], str | None]) -> None:
        """`truth` gives what has to be noted about a subject: "" if the bare kind, None if nothing."""
        wrong = [f"  {name}: noted {_spell(self._notes[kind].get(subject))}, true is {_spell(truth(subject))}"
                 for subject, name in self.subjects.items() if self._notes[kind].get(subject) != truth(subject)]
        assert not wrong, "\n".join([f"notes of {kind}:", *wrong])

    # --- reading ---

    def _read(self, text: str) -> None:
        function: Function | None = None
        instructions: list[Instruction] = []
        for line in text.splitlines():
            code, _, comment = (part.strip() for part in line.partition(";"))
            notes = [note.strip() for note in comment.split(";") if note.strip()]
            if match := _DEFINE.match(code):
                function = self.module.functions[match[1]]
                instructions = list(function.instructions)
                self._define(function, notes)
            elif function is None or code in ("", "}"):
                _expect(not notes, line)
                function = None if code == "}" else function
            elif match := _LABEL.fullmatch(code):
                block = next(b for b in function.blocks if b.name == match[1])
                self._put(block, f"@{function.name} {match[1]}", notes)
            else:
                self._put(instructions.pop(0), f"@{function.name} {code}", notes)

    def _define(self, function: Function, notes: list[str]) -> None:
        by_name = {str(argument): argument for argument in function.arguments}
        self.subjects |= {argument: f"@{function.name} {name}" for name, argument in by_name.items()}
        self.subjects[function.entry] = f"@{function.name} {function.entry.name}"
        for note in notes:
            what, _, names = note.partition(":")
            _expect(bool(names) and set(names.split()) <= by_name.keys(), note)
            for name in names.split():
                self._put(by_name[name], self.subjects[by_name[name]], [what])

    def _put(self, subject: Named, name: str, notes: list[str]) -> None:
        self.subjects[subject] = name
        for note in notes:
            kinds = [kind for kind in self._notes if re.match(rf"{kind}\b", note)]
            _expect(bool(kinds), note)
            kind = max(kinds, key=len)
            _expect(subject not in self._notes[kind], note)
            self._notes[kind][subject] = note[len(kind):].lstrip(":").strip()


def _spell(note: str | None) -> str:
    return "nothing" if note is None else repr(note)


def _expect(condition: bool, line: str) -> None:
    if not condition:
        raise ValueError(f"a note that says nothing here: {line.strip()}")
