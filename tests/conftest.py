"""What must be set before Numba is imported: its count of allocations, and our own verifier."""

import os

os.environ["NUMBA_NRT_STATS"] = "1"
os.environ.setdefault("NUMBAD_VERIFY", "1")  # the engine verifies its IR between all stages
