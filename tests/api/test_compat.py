"""The versions of Numba that are accepted."""

import numba
import pytest

from numbad.compat import OLDEST, UNTESTED, check_numba


def test_this_version_is_accepted():
    check_numba(numba.__version__)
    check_numba(f"{OLDEST[0]}.{OLDEST[1]}.0rc1")


@pytest.mark.parametrize("version, message", [
    (f"{OLDEST[0]}.{OLDEST[1] - 1}.2", "needs Numba .* or newer, found .*: upgrade Numba"),
    (f"{UNTESTED[0]}.{UNTESTED[1]}.0", "was not tested with Numba .*: upgrade numbad, or install numba<"),
    ("1.0.0", "was not tested with Numba 1.0.0"),
    ("unknown", "cannot tell whether it works with Numba unknown")])
def test_other_versions_are_refused(version, message):
    with pytest.raises(ImportError, match=message):
        check_numba(version)
