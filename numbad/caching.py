"""The cache of a dispatcher that computes a derivative, with the interface of Numba's caches.

Given   a plan, and what a dispatcher asks its cache.
Gives   compiled code from disk, under a key of ours (`numbad.key`); Numba counts hits and misses.
Unsure  gives nothing, and keeps nothing: without a key, and for code that holds an address of this process.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING

from numba.core import types
from numba.core.caching import _Cache
from numba.core.errors import NumbaWarning
from numba.core.sigutils import normalize_signature

from numbad.disk import Disk
from numbad.key import key_of, lowered_here, recalled
from numbad.lowered_digest import holds_address

if TYPE_CHECKING:
    from numbad.plan import Plan


class DerivativeCache(_Cache):
    def __init__(self, plan: Plan):
        self._plan = plan
        self._disk = Disk(plan.root.py_func, "-".join(step.kind for step in plan.steps))
        self._recalled = partial(recalled, disk=Disk(plan.root.py_func, "lowered"))
        self._keys: dict[tuple[types.Type, ...], str | None] = {}
        self._enabled = True

    @property
    def cache_path(self):
        return self._disk.place

    def enable(self):
        self._enabled = True

    def disable(self):
        self._enabled = False

    def flush(self):
        self._disk.flush()

    def key(self, argument_types: tuple[types.Type, ...]) -> str | None:
        """The key of the code that is compiled for these types; None if it is not kept."""
        return self._keys.get(argument_types)

    def load_overload(self, sig, target_context):
        target_context.refresh()
        if not self._enabled:
            return None
        argument_types, _ = normalize_signature(sig)
        key = key_of(self._plan, argument_types, self._recalled)
        found = self._read(key)
        if found is None:
            # The function will be lowered anyway, or was, perhaps before a global changed: that is what counts.
            self._keys[argument_types] = actual = key_of(self._plan, argument_types, lowered_here)
            found = self._read(actual) if actual != key else None
        return None if found is None else self._disk.format.rebuild(target_context, found)

    def _read(self, key: str | None):
        return None if key is None else self._disk.read(key)

    def save_overload(self, sig, data):
        argument_types, _ = normalize_signature(sig)
        key = self.key(argument_types)
        if self._enabled and key is not None and self._is_cachable(argument_types, data):
            self._disk.write(key, self._disk.format.reduce(data))

    def _is_cachable(self, argument_types, compiled) -> bool:
        if any(holds_address(derivative.text) for derivative in self._plan.made(argument_types)):
            warnings.warn(NumbaWarning(f'Cannot cache compiled function "{self._plan.name}" as it uses dynamic globals '
                                       "(such as ctypes pointers and large global arrays)"), stacklevel=2)
            return False
        return self._disk.format.check_cachable(compiled)
