"""Objects on disk, in the place where Numba would cache a function.

Given   a function, the kind of objects, and for each object a key, which is a text.
Gives   the object, in another process too. Places, file names and atomic writes are Numba's. Each file repeats the key,
        with a checksum: Numba's index may send two processes that write at the same time to one file.
Unsure  whether an object is the right one, or the file damaged: there is none. Where nothing can be written, warns.

What numbad knows of the insides of Numba's cache stands here, its interface for dispatchers in `numbad.caching`.
"""

from __future__ import annotations

import hashlib
import pickle
import warnings
from typing import Any

from numba.core.caching import CompileResultCacheImpl, IndexDataCacheFile
from numba.core.errors import NumbaWarning
from numba.core.serialize import dumps

from numbad.stamp import stamp


class _Format(CompileResultCacheImpl):
    """Numba's form of compiled functions; the files of a function are told apart by their kind."""

    def __init__(self, py_func, kind: str):
        self.kind = kind
        super().__init__(py_func)

    def get_filename_base(self, fullname, abiflags):
        return f"numbad-{self.kind}-{super().get_filename_base(fullname, abiflags)}"


class Disk:
    """Objects of one kind that belong to one function."""

    def __init__(self, py_func, kind: str):
        self.format = _Format(py_func, kind)
        locator = self.format.locator
        self.place = locator.get_cache_path()
        # When the file of the function or numbad changes, Numba's index begins anew and old files are written over.
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
            self._save(key, entry)
        except OSError as error:
            warnings.warn(NumbaWarning(f"Cannot keep compiled derivatives in {self.place}: {error}"), stacklevel=2)

    def _save(self, key: str, entry: tuple[str, str, bytes]) -> None:
        try:
            self._file.save(key, entry)
        except OSError:
            raise
        except Exception:  # the index is damaged, and pickle raises whatever that leads it to
            self._file.flush()
            self._file.save(key, entry)

    def flush(self) -> None:
        self._file.flush()
