"""A kernel compiled for the host, and its launches."""

from __future__ import annotations

import ctypes
import random
import re
from collections.abc import Iterator

import llvmlite.binding as llvm
import numpy as np
from cuda.emulator import races
from cuda.emulator.blocks import threads_of_block
from cuda.emulator.dialect import DYNAMIC, DYNAMIC_BYTES, to_host
from cuda.emulator.errors import BudgetSpent, OutOfBounds, Race, Unsupported
from cuda.emulator.fibers import GUARD, STACK, Fibers
from cuda.emulator.memory import Flat, extent
from cuda.emulator.runtime import EXTENTS, NOTE, NOTES, NOTES_FULL, OUT_OF_BOUNDS, RECORD

ctypes_of = {
    "double": ctypes.c_double, "float": ctypes.c_float, "i64": ctypes.c_int64, "i32": ctypes.c_int32,
    "i16": ctypes.c_int16, "i8": ctypes.c_int8, "i1": ctypes.c_int8, "ptr": ctypes.c_void_p,
}
BUDGET = 1_000_000
"""Switches between threads; a loop counts as one every few thousand rounds."""

NAN_BYTES = 0xFF
ADDRESSES = 1 << 63


class EmulatedKernel:
    """A kernel of a module in NVPTX's dialect, as llvmlite prints it.

    With `races`, all accesses of global and shared memory are noted. A launch then raises Race or OutOfBounds; the
    latter only for arguments from `flatten`, which knows where arrays end.
    """

    def __init__(self, text: str, entry: str, races: bool = False):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        parsed = llvm.parse_assembly(text)  # in the spelling of this LLVM
        self.parameters = [str(a.type).split(" ")[0] for a in parsed.get_function(entry).arguments]
        for type in self.parameters:
            if type not in ctypes_of:
                raise Unsupported(f"a kernel's parameter of type {type}")
        host = to_host(str(parsed), entry, races)
        self.races, self.sites = races, host.sites
        self.host_text = host.text + entered(entry, [str(a.type) for a in parsed.get_function(entry).arguments])
        module = llvm.parse_assembly(self.host_text)
        target = llvm.Target.from_default_triple().create_target_machine(opt=2)
        module.triple, module.data_layout = llvm.get_process_triple(), str(target.target_data)
        module.verify()
        sizes = {}
        for variable in module.global_variables:
            if not variable.is_declaration and not variable.name.startswith("llvm."):
                sizes[variable.name] = target.target_data.get_abi_size(variable.global_value_type)
                variable.linkage = "external"  # or its address cannot be asked for
        builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=2))
        builder.getModulePassManager().run(module, builder)
        self.engine = llvm.create_mcjit_compiler(module, target)
        self.engine.finalize_object()
        address = self.engine.get_global_value_address
        self.globals = [(address(name), address(name) + size) for name, size in sizes.items()
                        if not name.startswith("emu.") and address(name)]
        self.shared = {name: (address(name), address(name) + sizes[name]) for name in host.shared}
        self.dynamic = address(DYNAMIC) if host.dynamic else 0
        self.arguments = ctypes.c_void_p.from_address(address("emu.arguments"))
        word, pointer = ctypes.c_int64, ctypes.c_void_p
        function = self.engine.get_function_address
        self.start = ctypes.CFUNCTYPE(None, pointer, word, pointer, word, word)(function("emu.start"))
        self.run = ctypes.CFUNCTYPE(word, pointer, word, word)(function("emu.run"))
        if races:
            self.noted = word.from_address(address("emu.noted"))
            self.notes = viewed(address("emu.notes"), NOTE, NOTES)
            self.extent_count = word.from_address(address("emu.extent_count"))
            self.extents = viewed(address("emu.extents"), np.dtype((np.int64, 2)), EXTENTS)

    def launch(self, grid, block, flat_arguments, shared: int = 0, order: str = "forward", seed: int = 0,
               budget: int = BUDGET) -> np.ndarray:
        """Run the kernel; threads and blocks follow each other in `order`: forward, reverse, random (from `seed`).

        Gives the notes: each place that an instruction of a thread was at, once between two barriers."""
        launch = Launch(self, of_three(grid), of_three(block), flat_arguments, shared, order, seed, budget)
        launch.run()
        return np.concatenate(launch.kept) if launch.kept else np.empty(0, NOTE)


class Launch:
    """One run of a kernel over a grid; it holds all that must not outlive it."""

    def __init__(self, kernel, grid, block, flat, shared, order, seed, budget):
        if len(flat) != len(kernel.parameters):
            raise TypeError(f"the kernel takes {len(kernel.parameters)} flat arguments, {len(flat)} given")
        if shared > DYNAMIC_BYTES:
            raise Unsupported(f"{shared} bytes of dynamic shared memory")
        if order not in ("forward", "reverse", "random"):
            raise ValueError(f"no such order: {order}")
        self.kernel, self.grid, self.block, self.flat = kernel, grid, block, flat
        self.dynamic_bytes, self.order, self.random, self.budget = shared, order, random.Random(seed), budget
        self.left = budget
        self.threads = int(np.prod(block))
        self.shared = list(kernel.shared.values())
        if kernel.dynamic:
            self.shared.append((kernel.dynamic, kernel.dynamic + shared))
        self.idle: list[Fibers] = []
        self.stacks: list[tuple[int, int]] = []
        self.kept: list[np.ndarray] = []
        cells = [ctypes_of[t](v) for t, v in zip(kernel.parameters, flat, strict=True)]
        self.cells = cells, (ctypes.c_void_p * max(len(cells), 1))(*[ctypes.addressof(c) for c in cells])
        kernel.arguments.value = ctypes.addressof(self.cells[1])

    def run(self) -> None:
        """Blocks run one after another, up to where they wait for each other; their shared memory is kept meanwhile."""
        if self.kernel.races:
            self.kernel.noted.value = 0
        nx, ny, nz = self.grid
        running = [(number, None, None) for number in self.ordered(list(range(nx * ny * nz)))]
        while running:
            waiting = []
            for number, threads, memory in running:
                if threads is None:
                    fibers = self.idle.pop() if self.idle else self.new_fibers()
                    threads = fibers, self.threads_of(number, fibers)
                    self.set_shared(None)
                else:
                    self.set_shared(memory)
                if next(threads[1], None) is None:
                    self.idle.append(threads[0])
                else:
                    waiting.append((number, threads, self.get_shared()))
            running = waiting
        if self.kernel.races:
            self.keep_notes()
            self.raise_race()

    def new_fibers(self) -> Fibers:
        fibers = Fibers(self.threads)
        self.stacks.append(fibers.extent)
        return fibers

    def threads_of(self, number: int, fibers: Fibers) -> Iterator[bool]:
        records, at = fibers.records, self.coordinates(number)
        self.prepare(fibers, number, at)

        def run(order: list[int]) -> None:
            self.left -= len(order)
            if self.left < 0:
                raise BudgetSpent(f"block {at}: more than {self.budget} switches between threads")
            addresses = records.ctypes.data + np.array(order, np.int64) * RECORD.itemsize
            done = 0
            if self.kernel.races:
                self.set_extents(fibers)
            while done < len(order):
                done = self.kernel.run(addresses.ctypes.data, done, len(order))
                if done < len(order):
                    self.interrupted(records[order[done]], number, order[done])

        return threads_of_block(records, run, self.ordered, self.kernel.sites, str(at))

    def prepare(self, fibers: Fibers, number: int, at: tuple) -> None:
        records = fibers.records
        self.kernel.start(records.ctypes.data, self.threads, fibers.stacks, STACK + GUARD, GUARD)
        thread = np.arange(self.threads)
        bx, by, _ = self.block
        registers = records["register"]
        registers[:, 0], registers[:, 1], registers[:, 2] = thread % bx, thread // bx % by, thread // (bx * by)
        registers[:, 3:6], registers[:, 6:9], registers[:, 9:12] = self.block, at, self.grid
        registers[:, 12], registers[:, 13], registers[:, 14] = thread % 32, 32, self.dynamic_bytes
        registers[:, 15] = ((1 << thread % 32) - 1).astype(np.uint32).view(np.int32)
        records["thread"], records["epoch"], records["reason"] = number * self.threads + thread, 0, 0

    def coordinates(self, number: int) -> tuple[int, int, int]:
        nx, ny, _ = self.grid
        return number % nx, number // nx % ny, number // (nx * ny)

    def ordered(self, numbers: list[int]) -> list[int]:
        if self.order == "reverse":
            return numbers[::-1]
        if self.order == "random":
            self.random.shuffle(numbers)
        return numbers

    def interrupted(self, record: np.ndarray, number: int, thread: int) -> None:
        if record["reason"] == NOTES_FULL:
            self.keep_notes()
            return
        assert record["reason"] == OUT_OF_BOUNDS
        address, size, what = record["operand"][:3].tolist()
        raise OutOfBounds(f"thread {thread} of block {self.coordinates(number)} touches {size} bytes at "
                          f"{self.place(address)}: {self.kernel.sites[what >> 8]}")

    # shared memory

    def set_shared(self, memory: list[bytes] | None) -> None:
        for i, (low, high) in enumerate(self.shared):
            if memory is None:
                ctypes.memset(low, NAN_BYTES, high - low)
            else:
                ctypes.memmove(low, memory[i], high - low)

    def get_shared(self) -> list[bytes]:
        return [ctypes.string_at(low, high - low) for low, high in self.shared]

    # notes

    def set_extents(self, fibers: Fibers) -> None:
        kernel = self.kernel
        extents = [(0, ADDRESSES - 1)]
        if isinstance(self.flat, Flat):
            shared = [low for low, _ in kernel.shared.values()]
            extents = ([extent(a) for a in self.flat.arrays] + self.shared + [fibers.extent]
                       + [e for e in kernel.globals if e[0] not in shared])
        if len(extents) > EXTENTS:
            raise Unsupported(f"more than {EXTENTS} arrays")
        kernel.extents[:len(extents)] = extents
        kernel.extent_count.value = len(extents)

    def keep_notes(self) -> None:
        """Move the notes out of the kernel's memory, without those of local memory."""
        notes = self.kernel.notes[:self.kernel.noted.value]
        for low, high in self.stacks:
            notes = notes[(notes["address"] < low) | (notes["address"] >= high)]
        self.kept.append(races.compressed(notes))
        self.kernel.noted.value = 0

    def raise_race(self) -> None:
        pair = races.found(races.compressed(np.concatenate(self.kept)), self.threads, self.shared)
        if pair:
            a, b = (f"thread {x.thread % self.threads} of block {self.coordinates(x.block)}: "
                    f"{self.kernel.sites[x.site]}" for x in pair)
            raise Race(f"at {self.place(pair[0].address)} without a barrier between\n  {a}\n  {b}")

    def place(self, address: int) -> str:
        """An address in words."""
        for low, high in self.shared:
            if low <= address < high:
                return f"byte {address - low} of shared memory"
        below = [(value or 0, i) for i, (value, t) in enumerate(zip(self.flat, self.kernel.parameters, strict=True))
                 if t == "ptr" and (value or 0) <= address]
        start, i = max(below, default=(0, 0))
        return f"byte {address - start} from flat argument {i}" if start else f"address {address:#x}"


def entered(entry: str, parameters: list[str]) -> str:
    """IR of the function that a fiber starts in: it loads the arguments and calls the kernel."""
    text = "define void @emu.entry() {\n  %a = load ptr, ptr @emu.arguments\n"
    for i, type in enumerate(parameters):
        text += (f"  %q{i} = getelementptr ptr, ptr %a, i32 {i}\n  %s{i} = load ptr, ptr %q{i}\n"
                 f"  %v{i} = load {type}, ptr %s{i}\n")
    name = entry if re.fullmatch(r"[-\w.$]+", entry) else f'"{entry}"'
    text += f"  call void @{name}({', '.join(f'{t} %v{i}' for i, t in enumerate(parameters))})\n"
    return text + "  call void @emu.yield(i32 0)\n  unreachable\n}\n"


def viewed(address: int, dtype: np.dtype, count: int) -> np.ndarray:
    buffer = (ctypes.c_char * (dtype.itemsize * count)).from_address(address)
    return np.frombuffer(buffer, dtype.base).reshape((count, *dtype.shape))


def of_three(dimensions) -> tuple[int, int, int]:
    given = tuple(dimensions) if isinstance(dimensions, tuple | list) else (dimensions,)
    return (*given, 1, 1)[:3]
