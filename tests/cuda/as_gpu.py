"""The emulator in the place of the GPU, for programs that know nothing of it: they call `cuda.to_device`, kernels and
`nd.cuda` as they are.

Given   pytest's monkeypatch, and a module of kernels.
Gives   the machine. Arrays on the device are NumPy's, with `copy_to_host`.
Unsure  whatever else of `numba.cuda` a program uses raises: it looks for a driver.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from cuda.machines import Emulated
from numba import cuda
from numba.cuda.dispatcher import CUDADispatcher


class DeviceArray(np.ndarray):
    def copy_to_host(self):
        return np.array(self)


def to_device(array):
    return np.array(array).view(DeviceArray)


def as_gpu(monkeypatch, module: ModuleType) -> Emulated:
    machine = Emulated(races=False)
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "to_device", to_device)
    monkeypatch.setattr(CUDADispatcher, "__getitem__", lambda kernel, configuration: (
        lambda *arguments: machine.run(kernel, (*configuration, 0, 0)[:4], arguments)))
    monkeypatch.setattr("numbad.cuda.gpu.GPU", machine)
    for kernel in vars(module).values():
        if isinstance(kernel, CUDADispatcher):  # derivatives remember their machine
            monkeypatch.setattr(kernel, "_numbad_derivatives", {}, raising=False)
    return machine
