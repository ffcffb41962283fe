"""The engine's journey on one page: prepared LLVM text in, LLVM text of the derivative out.

    parse       text -> IR
    analyse     canonical form; memory, activity, loops (`Facts`)
    fence       refuse what cannot be differentiated
    reuse       (reverse) read memory once where it stays as it is
    hoist       (reverse) move out of loops what does not change in them
    write       forward or reverse derivative as new functions
    finish      drop the primal, link the run-time code, name the result after its content
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from numbad.passes import llvm
from numbad.passes.analysis.memory import holds_pointer
from numbad.passes.derivative import runtime
from numbad.passes.derivative.facts import Facts, Task, gather
from numbad.passes.derivative.fence import check, check_types
from numbad.passes.derivative.forward import write_forward
from numbad.passes.derivative.global_shadows import check_shared
from numbad.passes.derivative.hoisting import hoist
from numbad.passes.derivative.plan import Options
from numbad.passes.derivative.reuse import reuse_loads
from numbad.passes.derivative.reverse import write_reverse
from numbad.passes.derivative.tape_size import TapeSize, tape_size
from numbad.passes.ir.function import Function, Module
from numbad.passes.ir.parser import parse
from numbad.passes.ir.printer import print_module
from numbad.passes.ir.values import Named
from numbad.passes.text import inlinable

Between = Callable[[str, Module], None]
"""Sees the module behind every stage: verify, print, time."""

PLACEHOLDER = "numbad_derivative"


@dataclass(frozen=True)
class Derivative:
    """`shadows`: the primal's parameters that have a shadow parameter, in order. `written`: those written through."""

    text: str
    symbol: str
    shadows: tuple[int, ...]
    written: frozenset[int]
    plans: tuple[str, ...]
    tape: TapeSize | None  # on a GPU: None if none is needed


def differentiate(text: str, task: Task, options: Options = Options(), seed_text: str = "",  # noqa: B008
                  between: Between = lambda stage, module: None) -> Derivative:
    """The derivative of `task.entry`, as a module that defines one external symbol.

    Raises `Refusal` for what has no derivative, `Bug` for what the engine should have known.
    """
    module = parse(text)
    between("parse", module)
    check_types(module, task.entry)
    facts = gather(module, task)
    between("analyse", module)
    check(facts)
    plans: tuple[str, ...] = ()
    size = None
    if facts.target.many_threads:
        options = options.for_many_threads()
    if task.mode == "forward":
        derivative = write_forward(facts, PLACEHOLDER, options)
    else:
        if options.reuse:
            reuse_loads(facts)
        if options.hoist:
            hoist(facts)
        derivative, followed = write_reverse(facts, PLACEHOLDER, options)
        plans = tuple(map(str, followed))
        size = tape_size(facts, followed)
    between("write", module)
    _keep_only(module, derivative)
    check_shared(module, facts.target, derivative)
    between("finish", module)
    written = print_module(module)
    parts = runtime.texts(module, facts.target, task.width) + ([seed_text] if seed_text else [])
    whole = llvm.link(written, *parts) if parts else llvm.canonical(written)
    separator = facts.target.separator
    whole = inlinable(whole)  # helpers were kept out of line so that they could be recognised
    symbol = f"{PLACEHOLDER}{separator}{hashlib.sha256(whole.encode()).hexdigest()[:32]}"
    whole = whole.replace("@numbad.seed(", f"@{symbol}.seed(").replace(f"@{PLACEHOLDER}(", f"@{symbol}(")
    return Derivative(whole, symbol, _shadows(facts), _written(facts), plans,
                      size if "numbad.tape.push" in module.functions else None)


def _shadows(facts: Facts) -> tuple[int, ...]:
    arguments = facts.entry.arguments
    return tuple(arguments.index(a) for a in facts.shadow_parameters(facts.entry))


def _written(facts: Facts) -> frozenset[int]:
    return frozenset(k for k, a in enumerate(facts.entry.arguments)
                     if holds_pointer(a.type) and facts.memory.node(a).written)


def _keep_only(module: Module, entry: Function) -> None:
    """Drop every function and global that the derivative does not reach; all but the entry become internal."""
    kept: set[str] = set()
    work: list[object] = [entry]
    while work:
        item = work.pop()
        name = getattr(item, "name", None)
        if name is None or name in kept or getattr(item, "prefix", "") != "@":
            continue
        kept.add(name)
        if isinstance(item, Function):
            for i in item.instructions:
                for operand in i.operands:
                    work += _globals(operand)
        else:
            work += _globals(getattr(item, "initializer", None))
    for name in [n for n in module.functions if n not in kept]:
        module.functions.pop(name).module = None
    for name in [n for n in module.globals if n not in kept]:
        del module.globals[name]
    for item in (*module.functions.values(), *module.globals.values()):
        item.users = [u for u in item.users if u.block is not None and u.function.module is module]
    for function in module.functions.values():
        if function is not entry and not function.is_declaration:
            convention = [word for word in function.head.split() if word.endswith("cc")]
            function.head = " ".join(["internal", *convention])


def _globals(value: object) -> list[object]:
    """The functions and variables of the module that an operand names."""
    if isinstance(value, Named):
        return [value] if value.prefix == "@" else []
    parts = getattr(value, "operands", ()) or getattr(value, "elements", ())
    return [g for part in parts for g in _globals(part)]
