"""The mathematics: what each operation and each known function means for a derivative.

`table.RULES` is filled by the three modules imported here.
"""

from numbad.passes.rules import arithmetic, elementary, special

__all__ = ["arithmetic", "elementary", "special"]
