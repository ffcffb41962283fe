"""What may be known of a call: the answers of `symbols.classify`."""

from __future__ import annotations

from dataclasses import dataclass

from numbad.passes.rules.table import Rule


@dataclass(frozen=True)
class Elementary:
    """A function with a rule, lane by lane where operands are vectors. It touches no memory."""

    rule: Rule


@dataclass(frozen=True)
class Reduction:
    """A function of vectors with one number as its result.

    The partial by a vector is a vector: in forward mode the lanes of tangent * partial are added
    (`algebra.sum_of_lanes`), in reverse mode the seed is spread over the lanes of the partial.
    """

    rule: Rule


@dataclass(frozen=True)
class Inactive:
    """The result carries no derivative, and no memory that could is touched.

    repeatable   a second call gives the same and changes nothing
    bits         computes with integers: where these hold the bits of a float, so may the result
    """

    repeatable: bool = True
    bits: bool = False


@dataclass(frozen=True)
class Refused:
    """There is no derivative, for this reason: half a sentence.

    always   to be refused wherever it may be executed: nobody can tell whether an active value gets into it
    """

    reason: str
    always: bool = False


Decision = Elementary | Reduction | Inactive | Refused


@dataclass(frozen=True)
class Known:
    """A symbol's function, by the name of its rule; whether a call fits it is still to be seen."""

    rule: str
    real: str | None = None  # the float type that the symbol is for, None if its operands tell
    reduction: bool = False
