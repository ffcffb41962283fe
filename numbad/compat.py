"""The versions of Numba that numbad is known to work with: the only module that looks at a version.

numbad reads IR and calling conventions that Numba does not promise to keep, so a version that was never tried could
give wrong derivatives. Importing numbad under such a version raises an error that says so.
"""

from __future__ import annotations

OLDEST = (0, 68)
UNTESTED = (0, 69)


def check_numba(version: str) -> None:
    """Raises ImportError unless `version` of Numba is one of those that numbad was tested with."""
    try:
        found = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        raise ImportError(f"numbad cannot tell whether it works with Numba {version}: it needs a release of "
                          f"Numba {_text(OLDEST)}") from None
    if found < OLDEST:
        raise ImportError(f"numbad needs Numba {_text(OLDEST)} or newer, found {version}: upgrade Numba")
    if found >= UNTESTED:
        raise ImportError(f"this numbad was not tested with Numba {version}, only with versions before "
                          f"{_text(UNTESTED)}: upgrade numbad, or install numba<{_text(UNTESTED)}")


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
