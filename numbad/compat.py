"""The versions that numbad is known to work with: the only module that looks at a version.

numbad reads IR and calling conventions that neither Numba nor LLVM promises to keep, so a version that was never tried
could give wrong derivatives. Importing numbad under such a version raises an error that says so.
"""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, int]


@dataclass(frozen=True)
class Supported:
    """The releases of a package from `oldest` up to, but without, `untested`."""

    package: str
    oldest: Version
    untested: Version

    def check(self, version: str) -> None:
        """Raises ImportError unless `version` is one of those that numbad was tested with."""
        name = self.package.capitalize() if self.package == "numba" else self.package
        try:
            found = tuple(int(part) for part in version.split(".")[:2])
        except ValueError:
            raise ImportError(f"numbad cannot tell whether it works with {name} {version}: it needs a release of "
                              f"{name} {_text(self.oldest)}") from None
        if found < self.oldest:
            raise ImportError(f"numbad needs {name} {_text(self.oldest)} or newer, found {version}: upgrade {name}")
        if found >= self.untested:
            raise ImportError(
                f"this numbad was not tested with {name} {version}, only with versions before {_text(self.untested)}: "
                f"upgrade numbad, or install {self.package}<{_text(self.untested)}")

    @property
    def requirement(self) -> str:
        """As pyproject.toml has it."""
        return f"{self.package}>={_text(self.oldest)},<{_text(self.untested)}"


NUMBA = Supported("numba", (0, 68), (0, 69))
LLVMLITE = Supported("llvmlite", (0, 50), (0, 51))
"""This one brings LLVM 22."""
NUMBA_CUDA = Supported("numba-cuda", (0, 30), (0, 31))
"""Only for derivatives of CUDA kernels."""


def _text(version: Version) -> str:
    return ".".join(map(str, version))
