"""The pool: small programs that numbad must differentiate, one declaration each.

To add one, write a plain function under `@entry(args=...)` in the file of its theme; the tests find it by its name.
`POOL` holds all entries by name; test ids are `theme.name`, so that `-k loops.` runs one theme. The header of
`entry.py` explains a declaration.
"""

from pool import (  # noqa: F401
    arrays,
    bounds,
    branches,
    calls,
    dtypes,
    exceptions,
    formulas,
    linalg,
    loops,
    memory,
    paths,
    pitfalls,
    scalar,
    simulations,
    statistics,
    stencils,
    temporaries,
    tuples,
    wrong_elsewhere,
)
from pool.entry import REGISTRY, Entry

POOL: dict[str, Entry] = dict(sorted(REGISTRY.items(), key=lambda item: (item[1].theme, item[0])))
