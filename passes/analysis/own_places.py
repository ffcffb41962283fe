"""Arrays in which each thread of a kernel has places of its own: what no other thread ever touches.

    i = cuda.grid(1);  x[i]                     x + 8 (ctaid * ntid + tid)
                       x[2 * i], x[2 * i + 1]   x + 16 (ctaid * ntid + tid), and 8 more

Given   the entry of a kernel that is launched in one dimension, its loops, the memory nodes.
Gives   `own_nodes`: nodes of one argument of which every access has such an address, the same but for less than the
        distance between two threads' places.
Unsure  leaves the node out: others may be there.
"""

from __future__ import annotations

from numbad.passes.analysis.addresses import Addresses, Form, Product
from numbad.passes.analysis.loops import Loops
from numbad.passes.analysis.memory import Memory, Node, holds_pointer
from numbad.passes.ir.function import Function
from numbad.passes.ir.instructions import Call, Instruction, Load, Store
from numbad.passes.ir.types import size_of
from numbad.passes.ir.values import Argument

_REGISTER = "llvm.nvvm.read.ptx.sreg."
_THREAD, _BLOCK = ("tid.x",), ("ctaid.x", "ntid.x")


def own_nodes(function: Function, loops: Loops, memory: Memory) -> set[Node]:
    addresses = Addresses(loops)
    places: dict[Node, list[tuple[Form, int]]] = {}
    shared: set[Node] = set()
    for i in function.instructions:
        if isinstance(i, (Load, Store)):
            size = size_of(i.type if isinstance(i, Load) else i.value.type)
            places.setdefault(memory.node(i.pointer), []).append((addresses.form(i.pointer), size))
            used = [i.value] if isinstance(i, Store) else []
        else:
            used = list(i.operands) if i.opcode in ("call", "atomicrmw", "cmpxchg", "ret", "ptrtoint") else []
        shared |= {memory.node(o) for o in used if holds_pointer(o.type) and not isinstance(o, Function)}
    return {node for node, accesses in places.items()
            if node not in shared and not node.escaped and len(node.roots) == 1
            and all(isinstance(root, Argument) for root in node.roots) and _are_own(accesses)}


def _are_own(accesses: list[tuple[Form, int]]) -> bool:
    parts = [_split(form) for form, _ in accesses]
    if any(part is None or part != parts[0] for part in parts) or parts[0] is None:
        return False
    distance = parts[0][0]
    low = min(form.constant for form, _ in accesses)
    return max(form.constant + size for form, size in accesses) - low <= distance


def _split(form: Form) -> tuple[int, dict[Product, int]] | None:
    """The distance between the places of two threads, and what is the same for all of them; None for other forms."""
    found: dict[tuple[str, ...], int] = {}
    rest: dict[Product, int] = {}
    for product, coefficient in form.terms.items():
        if all(isinstance(symbol, Argument) for symbol in product):
            rest[product] = coefficient
            continue
        names = [_name(symbol) for symbol in product]
        key = tuple(sorted(name for name in names if name is not None))
        if None in names or key in found or key not in (_THREAD, _BLOCK):
            return None
        found[key] = coefficient
    distance = found.get(_THREAD, 0)
    return (distance, rest) if distance > 0 and found.get(_BLOCK) == distance else None


def _name(symbol: object) -> str | None:
    """Which register of the thread a symbol of a form is."""
    if isinstance(symbol, Instruction) and symbol.opcode in ("zext", "sext"):
        symbol = symbol.operands[0]
    name = symbol.callee_name if isinstance(symbol, Call) else None
    return name.removeprefix(_REGISTER) if name is not None and name.startswith(_REGISTER) else None
