"""What every test module relies on, set up before Numba is imported.

Numba counts its allocations only if told so in the environment. `tests/` is on the path so that `pool` and `oracles`
can be imported under any import mode of pytest. Tests marked `slow` run with `--slow` or when `-m` names the marker.
"""

import os
import sys
from pathlib import Path

os.environ["NUMBA_NRT_STATS"] = "1"

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)

import pytest  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the long crossings")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a long crossing, run with --slow or -m slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or "slow" in config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)
