"""Every opcode is decided, once."""

import pytest

from numbad.passes.ir import instructions
from numbad.passes.rules.opcodes import OPCODES, Kind, _decide
from numbad.passes.rules.symbols import OPCODE_RULES
from numbad.passes.rules.table import RULES


def test_the_lists_are_the_same():
    assert OPCODES.keys() == instructions.OPCODES


def test_opcodes_with_a_rule_are_in_the_table():
    decided = {name for name, opcode in OPCODES.items() if opcode.kind is Kind.RULE}
    assert decided == OPCODE_RULES
    assert decided <= RULES.keys()


def test_everything_without_a_rule_has_a_reason():
    assert [n for n, o in OPCODES.items() if not o.reason and o.kind not in (Kind.RULE, Kind.CALL)] == []


def test_nothing_is_decided_twice():
    with pytest.raises(ValueError, match="fadd is decided twice"):
        _decide(Kind.INACTIVE, "fadd", "")
