"""Whether something happens on a way from one instruction to another.

Given   a function, the predecessors of its blocks.
Gives   `Between.index(instructions)`: these by block.
        `Between.is_free(first, block, last, changes)`: none of them comes after `first` and up to the instruction with
        the number `last` in a block, on any way that does not pass `first` again.
Unsure  does not happen. `first` dominates the other place, or the answer is about ways from the function's entry too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from numbad.passes.ir.function import Block, Function
from numbad.passes.ir.instructions import Instruction

Indexed = Mapping[Block, Sequence[int]]


class Between:
    """The function must not change meanwhile."""

    def __init__(self, function: Function, predecessors: Mapping[Block, Sequence[Block]]):
        self._predecessors = predecessors
        self.place = {i: n for block in function.blocks for n, i in enumerate(block.instructions)}

    def index(self, instructions: Iterable[Instruction]) -> Indexed:
        found: dict[Block, list[int]] = {}
        for i in instructions:
            assert i.block is not None
            found.setdefault(i.block, []).append(self.place[i])
        return found

    def is_free(self, first: Instruction, block: Block, last: int, changes: Indexed) -> bool:
        seen: set[Block] = set()
        work = [(block, last)]
        while work:
            block, last = work.pop()
            begin = self.place[first] if block is first.block and last >= self.place[first] else -1
            if any(begin < place <= last for place in changes.get(block, ())):
                return False
            if begin < 0:
                for predecessor in self._predecessors[block]:
                    if predecessor not in seen:
                        seen.add(predecessor)
                        work.append((predecessor, len(predecessor.instructions)))
        return True
