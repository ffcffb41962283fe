"""LLVM's own passes, verifier and linker; the engine's only use of llvmlite.

Given   LLVM text.
Gives   LLVM text. `prepare` brings what a front end emits into the form that the analyses expect, `optimise` makes
        what the engine wrote fast, `check` and `canonical` validate.
Unsure  raises `InvalidIR` with LLVM's message. Nothing is repaired.

Preparation inlines, promotes memory to registers, simplifies, and leaves loops in canonical form: rotated, with
preheader, single latch and dedicated exits, in LCSSA form. Tiny constant loops are unrolled (`unroll`). Other loops are
neither vectorised, interleaved, unrolled nor duplicated, since every copy of a body would be differentiated again:
hence LLVM's level 2, as level 3 unswitches loops on invariant conditions.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as binding

from numbad.passes.text import declaration, definitions, lines_only, without_unused_commons
from numbad.passes.unroll import FEW, MANY, mark, unmark

INLINE_BUDGET = 1000
"""LLVM's inline cost up to which a call is inlined during preparation. LLVM's own limit is 225, but a call that stays
costs more here: it needs an augmented primal and a reverse function."""


class InvalidIR(Exception):
    """LLVM refuses the text."""


@dataclass(frozen=True)
class Machine:
    """What code is optimised for."""

    cpu: str
    features: str
    """Comma-separated `+feature` and `-feature`, as LLVM spells them."""
    triple: str = ""
    """Empty for machines like the one that this process runs on."""


@cache
def host() -> Machine:
    """The processor that this process runs on."""
    return Machine(binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())


def check(text: str) -> None:
    """Raise `InvalidIR` unless LLVM parses the text and its verifier accepts it."""
    _parsed(text)


def canonical(text: str) -> str:
    """The text as LLVM prints it."""
    return str(_parsed(text))


def prepare(text: str, entry: str, *, keep: tuple[str, ...] = (), external: tuple[str, ...] = (),
            machine: Machine | None = None, between: Callable[[str], str] = str) -> str:
    """Inline, simplify and canonicalise everything that `entry` reaches; drop the rest.

    keep        name prefixes of functions whose calls stay as they are. Their bodies are taken away while LLVM's
                passes run, since these would specialise the function to its callers, and put back at the end.
    external    name prefixes of functions that become declarations for good: the run-time library's
    between     a change to the text between two rounds of passes
    """
    machine = machine or host()
    text = lines_only(text)
    opened, taken = _without_bodies(text, keep + external)
    module = _parsed(opened)
    _internalise(module, lambda name: name == entry)
    rounds = [(_drop_dead, _promote, _rotate),
              (_unroll, _simplify, _prune_references),
              (_unroll, _simplify, _canonicalise_loops, _drop_dead)]
    # LLVM threads no jumps for a GPU, whose loops need it like all others; it knows better than to copy a barrier.
    _run(module, host() if machine.triple else machine, *rounds[0])
    for passes in rounds[1:]:
        in_groups = bool(machine.triple) and passes is rounds[-1]
        module = _parsed(mark(between(str(module)), MANY if machine.triple else FEW, in_groups))
        _run(module, machine, *passes)
    if any(function.name in taken and function.name.startswith(keep) for function in module.functions):
        module.link_in(_kept(text, keep, external, machine))
        _internalise(module, lambda name: name == entry)
        _run(module, machine, _drop_dead)
    module.verify()
    return without_unused_commons(unmark(str(module)))


def optimise(text: str, level: int = 3, machine: Machine | None = None) -> str:
    """LLVM's default pipeline for code that is about to run. With vectorisers, but not for a GPU: a thread has few
    instructions on vectors, and the back end knows some of them only by name."""
    module = _parsed(text)
    machine = machine or host()
    tuning = binding.PipelineTuningOptions(speed_level=level)
    if machine.triple:
        tuning.loop_vectorization = tuning.slp_vectorization = False
    builder = binding.create_pass_builder(_target(machine, level), tuning)
    builder.getModulePassManager().run(module, builder)
    return str(module)


def link(*texts: str, machine: Machine | None = None) -> str:
    """One module out of several; with a machine, its triple and data layout."""
    module, *others = (_parsed(text, machine) for text in texts)
    for other in others:
        module.link_in(other)
    module.verify()
    return str(module)


def declared(text: str) -> list[str]:
    """The functions that the text declares and does not define, by name."""
    return [function.name for function in _parsed(text).functions if function.is_declaration]


def with_library(text: str, library: bytes) -> str:
    """The text with those functions of a library, in LLVM's bitcode, that it reaches."""
    module = _parsed(text)
    other = binding.parse_bitcode(library)
    other.triple, other.data_layout = module.triple, module.data_layout
    for function in other.functions:
        if not function.is_declaration:
            function.linkage = "linkonce_odr"
    module.link_in(other)
    manager = binding.create_new_module_pass_manager()
    _drop_dead(manager, None)
    manager.run(module, binding.create_pass_builder(_target(host(), 2), binding.PipelineTuningOptions()))
    return str(module)


def internalised(text: str, *public: str) -> str:
    """The text with its functions hidden from other modules, but for those that are public and those that modules may
    share."""
    module = _parsed(text)
    for function in module.functions:
        is_external = function.linkage is binding.Linkage.external and not function.is_declaration
        if is_external and function.name not in public:
            function.linkage = "internal"
    return str(module)


def renamed(text: str, name_of: Callable[[str], str]) -> str:
    """All that other modules see, by other names."""
    module = _parsed(text)
    for value in (*module.functions, *module.global_variables):
        is_special = value.name.startswith("llvm.")
        if value.linkage is binding.Linkage.external and not is_special and name_of(value.name) != value.name:
            value.name = name_of(value.name)
    return str(module)


def assembly(text: str, machine: Machine) -> str:
    """The back end's output. Ends the process on code that the machine has no instructions for."""
    return _target(machine, 3).emit_assembly(_parsed(text))


def _kept(text: str, keep: tuple[str, ...], external: tuple[str, ...], machine: Machine) -> binding.ModuleRef:
    """The functions to keep and what they reach, as a module of its own."""
    module = _parsed(_without_bodies(text, external)[0])
    _internalise(module, lambda name: name.startswith(keep))
    for variable in module.global_variables:  # a kernel's shared memory stays where its other functions are
        if variable.linkage is binding.Linkage.external and not variable.is_declaration:
            variable.linkage = "internal"
    _run(module, machine, _drop_dead)
    _run(module, machine, _simplify, _drop_dead)
    return module


# --- passes ----------------------------------------------------------------------------------------------------------

def _promote(manager, builder):
    manager.add_always_inliner_pass()
    manager.add_sroa_pass()
    manager.add_instruction_combine_pass()
    manager.add_sroa_pass()                 # counters of loops live in structs that are split only now


def _rotate(manager, builder):
    # Not the simplification of the control flow: it makes a counter's conditional decrement arithmetic on its
    # condition, and no trip count is found any more.
    manager.add_jump_threading_pass()
    manager.add_loop_simplify_pass()
    manager.add_loop_rotate_pass()
    manager.add_instruction_combine_pass()


def _unroll(manager, builder):
    manager.add_loop_unroll_pass()          # looks at marks only, since every loop has one


def _simplify(manager, builder):
    return builder.getModulePassManager()


def _prune_references(manager, builder):
    manager.add_refprune_pass()             # all of its parts, with Numba's default limit


def _canonicalise_loops(manager, builder):
    manager.add_loop_simplify_pass()
    manager.add_lcssa_pass()


def _drop_dead(manager, builder):
    manager.add_global_dead_code_eliminate_pass()
    manager.add_strip_dead_prototype_pass()


def _run(module: binding.ModuleRef, machine: Machine, *stages: Callable) -> None:
    tuning = binding.PipelineTuningOptions(speed_level=2)
    tuning.loop_vectorization = tuning.slp_vectorization = False
    tuning.loop_interleaving = tuning.loop_unrolling = False
    tuning.inliner_threshold = INLINE_BUDGET
    builder = binding.create_pass_builder(_target(machine, 2), tuning)
    manager = binding.create_new_module_pass_manager()
    for stage in stages:
        pipeline = stage(manager, builder)
        if pipeline is not None:            # LLVM's pipelines come as managers of their own
            manager.run(module, builder)
            manager = pipeline
    manager.run(module, builder)


@cache
def _target(machine: Machine, level: int) -> binding.TargetMachine:
    if machine.triple:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
        target = binding.Target.from_triple(machine.triple)
    else:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        target = binding.Target.from_default_triple()
    return target.create_target_machine(cpu=machine.cpu, features=machine.features, opt=level)


# --- modules and text ------------------------------------------------------------------------------------------------

def _parsed(text: str, machine: Machine | None = None) -> binding.ModuleRef:
    try:
        module = binding.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise InvalidIR(str(error)) from None
    if machine is not None and machine.triple:
        module.triple = machine.triple
        module.data_layout = str(_target(machine, 2).target_data)
    return module


def _internalise(module: binding.ModuleRef, is_public: Callable[[str], bool]) -> None:
    for function in module.functions:
        if not function.is_declaration:
            function.linkage = "external" if is_public(function.name) else "internal"
    for variable in module.global_variables:
        if variable.linkage is binding.Linkage.linkonce_odr:
            variable.linkage = "internal"


def _without_bodies(text: str, prefixes: tuple[str, ...]) -> tuple[str, set[str]]:
    """Definitions of functions with these prefixes become declarations; their names."""
    pieces, names, start = [], set(), 0
    for definition in definitions(text):
        if definition.name.startswith(prefixes):
            names.add(definition.name)
            pieces += [text[start:definition.start], declaration(definition)]
            start = definition.end
    pieces.append(text[start:])
    return "".join(pieces), names
