"""What must be set before Numba is imported (its counts, our verifier), and which tests go together."""

import os
import re

import pytest

os.environ["NUMBA_NRT_STATS"] = "1"
os.environ.setdefault("NUMBAD_VERIFY", "1")  # the engine verifies its IR between all stages


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """All tests of a program of the pool run in one process, which has it compiled, and all bad input in one."""
    from xdist.scheduler import LoadScopeScheduling

    class ByProgram(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            if file.endswith("test_bad_input.py"):
                return file
            program = re.search(r"\[(?:.*-)?(\w+\.\w+)(?:-.*)?\]$", test) if "/test_pool" in file else None
            return program[1] if program else nodeid

    return ByProgram(config, log)
