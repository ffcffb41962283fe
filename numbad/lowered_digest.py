"""What tells lowered functions apart in every process alike: a digest of the text that Numba lowered.

Given   a `Lowered`.
Gives   a digest. Two texts with one digest are equal but for what each process draws anew: the counters in symbols,
        hashes in the names of strings, addresses. Each of these is replaced by its rank in the text, so different ones
        stay different.
Unsure  gives None: the text holds a class of `__main__`, which is stored under a number drawn at random, or hands
        objects to the Python interpreter, under a symbol that may mean another function in another process.

Addresses are not in the digest. Those of dispatchers stand in every text and nobody reads them; one that is read, of a
large array or a C function, is still in the derivative, and then `holds_address` tells not to keep it.
"""

from __future__ import annotations

import hashlib
import re

from numbad import target
from numbad.frontend import Lowered

_DRAWN = re.compile(r"B(?P<length>\d+)v(?P<counter>\d+)"
                    r"|\.bytes\.(?P<string>-?\d+)"
                    r"|\.const\.pickle(?:data|buf)\.(?P<pickle>[0-9a-f]{40})"
                    r"|numba\.dynamic\.globals\.(?P<address>[0-9a-f]+)")
_ADDRESS = re.compile(r"inttoptr \(i64 -?\d+ to ptr\)")
_HASH = re.compile(r"@\.const\.pickledata\.[0-9a-f]{40}\.sha1 = ")
_LOST = "missing Environment: _ZN08NumbaEnv"
_BY_VALUE = "_make_skeleton_class"


def digest(lowered: Lowered) -> str | None:
    hands_objects = any(environment.consts and symbol in lowered.text
                        for symbol, environment in target.environments.items())
    if _BY_VALUE in lowered.text or hands_objects:
        return None
    return hashlib.sha256(f"{lowered.signature.return_type}\0{_alike(lowered.text)}".encode()).hexdigest()


def holds_address(text: str) -> bool:
    """Whether the code knows where something was in the memory of this process."""
    return _ADDRESS.search(text) is not None


def _alike(text: str) -> str:
    """The text with ranks for what the process drew."""
    ranks: dict[str, dict[str, int]] = {}

    def rank(match: re.Match) -> str:
        kind = match.lastgroup
        assert kind is not None
        drawn = match[kind]
        if kind == "counter" and int(match["length"]) != len(drawn) + 1:  # part of a user's name
            return match[0]
        known = ranks.setdefault(kind, {})
        return f"#{kind}{known.setdefault(drawn, len(known))}#"

    return "\n".join(_DRAWN.sub(rank, _ADDRESS.sub("#", line)) for line in _without_lost(text.split("\n")))


def _without_lost(lines: list[str]) -> list[str]:
    """Without the constants of Numba's error for an environment that is gone, which spell a symbol letter by letter,
    and without hashes of other constants."""
    lost = {match["pickle"] for line in lines if _LOST in line and (match := _DRAWN.search(line)) and match["pickle"]}
    dropped = tuple(f"@.const.pickle{part}.{name} " for part in ("data", "buf") for name in lost)
    return [line for line in lines if not (line.startswith("@") and (
        line.startswith(dropped) or line.startswith('@".const.' + _LOST) or _HASH.match(line)))]
