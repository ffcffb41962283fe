"""The README's table of what works is the one in `support_table`, and, slowly, every row of it is true."""

import pytest

import support_table
from pool import POOL
from support_programs import PROGRAMS
from support_table import GROUPS

ROWS = [pytest.param(row, id=row.what.replace("`", "")) for rows in GROUPS.values() for row in rows]


def test_readme_has_the_table():
    assert support_table.in_readme() == support_table.table(), "run `python tests/support_table.py`"


def test_names_are_known_and_used():
    named = {name for rows in GROUPS.values() for row in rows for name in row.names}
    assert named <= {*POOL, *PROGRAMS}
    assert not {*POOL} & {*PROGRAMS}
    assert {*PROGRAMS} <= named


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaExperimentalFeatureWarning")
@pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning")
@pytest.mark.parametrize("row", ROWS)
def test_row(row):
    support_table.check(row)
