"""What must be set before Numba is imported: it counts its allocations only if the environment says so."""

import os

os.environ["NUMBA_NRT_STATS"] = "1"
