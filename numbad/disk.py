"""Compiled derivatives on disk, beside Numba's own cache of the function that is differentiated.

Given   a plan, Numba types, what Numba made of them.
Gives   the interface of Numba's caches, so that a dispatcher of ours counts hits and misses as Numba's do. Places, file
        names and atomic writes are Numba's; the key is ours (`key_of`), and the file repeats it, with a checksum:
        Numba's index may send two processes that write at the same time to one file.
Unsure  computes anew: no key, another key in the file, a damaged file, a place that cannot be read or written.

All that numbad knows of the insides of Numba's cache stands here.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from typing import TYPE_CHECKING, Any

from numba.core import types
from numba.core.caching import CompileResultCacheImpl, IndexDataCacheFile, _Cache
from numba.core.errors import NumbaWarning
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from numbad.key import key_of
from numbad.lowered_digest import holds_address
from numbad.stamp import stamp

if TYPE_CHECKING:
    from numbad.wrapper import Plan


class _Format(CompileResultCacheImpl):
    """Files of a function are told apart by what is derived from it."""

    def __init__(self, py_func, kind: str):
        self.kind = kind
        super().__init__(py_func)

    def get_filename_base(self, fullname, abiflags):
        return f"numbad-{self.kind}-{super().get_filename_base(fullname, abiflags)}"


class Disk:
    """Objects by key, in files of the function that they were made from."""

    def __init__(self, py_func, kind: str):
        self.format = _Format(py_func, kind)
        locator = self.format.locator
        self.place = locator.get_cache_path()
        # An entry is gone when the file of the function changes, as in Numba, or numbad.
        self._file = IndexDataCacheFile(self.place, self.format.filename_base, (locator.get_source_stamp(), stamp()))

    def read(self, key: str) -> Any:
        """What was written under the key, or None."""
        try:
            written_key, checksum, content = self._file.load(key) or (None, None, b"")
            if (written_key, checksum) == (key, hashlib.sha256(content).hexdigest()):
                return pickle.loads(content)
        except Exception:  # pickle raises whatever the bytes of a damaged file lead it to
            return None
        return None

    def write(self, key: str, thing: Any) -> None:
        content = dumps(thing)
        entry = key, hashlib.sha256(content).hexdigest(), content
        try:
            self.format.locator.ensure_cache_path()
            try:
                self._file.save(key, entry)
            except OSError:
                raise
            except Exception:  # the index is damaged: see `read`
                self._file.flush()
                self._file.save(key, entry)
        except OSError as error:
            warnings.warn(NumbaWarning(f"Cannot keep a compiled derivative in {self.place}: {error}"), stacklevel=2)

    def flush(self) -> None:
        self._file.flush()


class DerivativeCache(_Cache):
    """The cache of a dispatcher that computes a derivative."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._disk = Disk(plan.root.py_func, "-".join(step.kind for step in plan.steps))
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
        if argument_types not in self._keys:
            self._keys[argument_types] = key_of(self._plan, argument_types)
        return self._keys[argument_types]

    def load_overload(self, sig, target_context):
        target_context.refresh()
        key = self.key(normalize_signature(sig)[0]) if self._enabled else None
        found = None if key is None else self._disk.read(key)
        return None if found is None else self._disk.format.rebuild(target_context, found)

    def save_overload(self, sig, data):
        argument_types, _ = normalize_signature(sig)
        key = self.key(argument_types) if self._enabled else None
        if key is not None and self._is_cachable(argument_types, data):
            self._disk.write(key, self._disk.format.reduce(data))

    def _is_cachable(self, argument_types, compiled) -> bool:
        if any(holds_address(derivative.text) for derivative in self._plan.made(argument_types)):
            warnings.warn(NumbaWarning(f'Cannot cache compiled function "{self._plan.name}" as it uses dynamic globals '
                                       "(such as ctypes pointers and large global arrays)"), stacklevel=2)
            return False
        return self._disk.format.check_cachable(compiled)
