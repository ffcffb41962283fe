"""The README's table of what works, and the check that it is true.

    python tests/support_table.py

runs every row and, if all behave as they say, writes the table between the README's markers. A row names programs, of
the pool or of `support_programs`. "Works" means that forward mode agrees with the complex step or finite differences,
reverse mode with forward mode, and that exceptions arrive; "refused" means that numbad raises while it compiles, in
both modes, and points at the line.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import numbad as nd
import oracles
from pool import POOL, Entry
from pool.trees import flatten, leaves
from support_programs import PROGRAMS

README = Path(__file__).parents[1] / "README.md"
MARKERS = "<!-- support table -->", "<!-- /support table -->"
REFUSALS = (nd.NoDerivative, nd.Unsupported)


@dataclass(frozen=True)
class Row:
    """A construct; `refused` is the reason in short, empty if it works."""

    what: str
    names: tuple[str, ...]
    refused: str = ""

    @property
    def programs(self) -> list[Entry]:
        return [PROGRAMS.get(name) or POOL[name] for name in self.names]

    @property
    def status(self) -> str:
        return f"refused: {self.refused}" if self.refused else "works"


def row(what: str, names: str, refused: str = "") -> Row:
    return Row(what, tuple(names.split()), refused)


LOOPS = "write it as loops"

GROUPS: dict[str, tuple[Row, ...]] = {
    "Numbers": (
        row("arithmetic, `//`, `%`, `**`, comparisons, conversions",
            "quotients remainders_of_python integer_powers real_powers conversions"),
        row("functions of `math`, also `erf`, `gamma`, `lgamma`",
            "circular circular_inverse hyperbolic exponentials logarithms roots error_functions gamma_functions"),
        row("functions of `np` on numbers and arrays",
            "numpy_powers numpy_specials numpy_extremes elementary_on_arrays inverse_functions_on_arrays"),
        row("`abs`, `min`, `max`, `round`, `floor`, `np.where`, `np.clip`, `np.sign`",
            "smallest_and_largest signs rounded_steps where_and_clip rounding_on_arrays"),
        row("float32, and float32 mixed with float64", "single_precision single_precision_math mixed_precision"),
        row("complex numbers between real arguments and results",
            "complex_inside complex_functions complex_array_inside p22_complex_division"),
        row("complex arguments to differentiate, complex results", "complex_result", "not differentiated yet"),
        row("complex ** complex", "complex_to_complex_power", "write `cmath.exp(b * cmath.log(a))`"),
        row("float16", "half_precision", "Numba compiles none for CPUs"),
        row("`math.frexp`", "mantissa", "no rule"),
        row("bits of a float taken for an integer and computed with", "bits_as_number",
            "use floating-point operations"),
    ),
    "Control flow": (
        row("`if`, conditional expressions, `and`, `or`", "nested_decisions short_circuits several_returns"),
        row("`for`, `while`, `break`, `continue`, `else`, early `return`, nested",
            "nested_sum for_else breaks_at_two_levels continue_in_loop search_with_return"),
        row("loops whose length depends on what is differentiated", "halving_count newton_square_root adaptive_euler"),
        row("generator functions that a loop consumes", "generator_consumed"),
        row("`prange` in a function compiled without `parallel=True`", "prange_is_range"),
        row("`parallel=True`", "in_parallel", "compile without it"),
    ),
    "Arrays and memory": (
        row("reading and writing elements, slices, views, `reshape`, `.T`",
            "slices_written view_written_base_read reshaped transposed_written shifted_onto_itself"),
        row("arrays changed in place, buffers swapped in a time loop, scratch arrays",
            "two_buffers_swapped updated_in_place constant_scratch ring_buffer"),
        row("arrays allocated inside, in loops too", "allocated_in_loop allocated_sometimes zeros_ones_full"),
        row("whole-array expressions, broadcasting, `out=`",
            "expression_with_temporaries broadcast_rows_and_columns ufuncs_with_output"),
        row("sums, products, means, extremes, cumulative sums, `argmax`",
            "moments reductions_along_axes cumulative extreme_elements element_at_argmax"),
        row("boolean masks, index arrays", "selected_by_mask mask_assignment indexed_by_array assigned_by_array"),
        row("`concatenate`, `stack`, `roll`, `flip`, `diff`, `convolve`, `interp`, `trapezoid`, ...",
            "concatenated stacked flipped_and_rolled second_differences convolved_image trapezoidal_rule "
            "numpy_interpolation"),
        row("`np.sort`, `np.argsort`, `np.median`", "sorted_by_numpy ordered_by_argsort median_and_range"),
        row("`np.unique`", "distinct_values", "computes with the bits of floats"),
        row("C order, Fortran order, strides", "other_layouts"),
        row("tuples and named tuples, also of arrays", "arrays_in_a_tuple named_argument tuple_of_buffers_swapped"),
        row("`np.array` of a list or a comprehension", "array_from_list"),
        row("`np.array` of nested lists", "array_from_nested_lists", "use nested tuples"),
        row("lists, sets and dictionaries of integers", "integers_in_containers"),
        row("lists, sets and dictionaries of differentiated numbers",
            "list_of_floats set_of_floats typed_list_of_floats dictionary_of_floats", "use arrays"),
        row("structured arrays made inside, or as constant arguments", "records_inside records_as_constants"),
        row("differentiated numbers written into an argument that is a structured array", "records_written",
            "use an array per field"),
        row("integers beside differentiated numbers in a structured array of any size, copies of its records",
            "integer_in_a_record record_copied", "use an array per field"),
        row("instances of a `jitclass` as constant arguments", "instance_as_constant"),
        row("instances of a `jitclass` made inside", "instance_made_inside", "use a named tuple"),
        row("strings, enums, booleans, integers", "names_and_enums named_reduction integer_and_boolean_arguments"),
    ),
    "Calls": (
        row("other `@njit` functions: in line or not, with defaults and keywords, closures",
            "callee_of_callee callee_writes_argument defaults_and_keywords starred_arguments closure_over_local"),
        row("recursion", "recursion_in_scalars recursion_over_array mutual_recursion"),
        row("functions as arguments", "functions_as_arguments function_applied_in_loop"),
        row("a function chosen at run time", "function_chosen_at_run_time", "call each in a branch of its own"),
        row("`@vectorize`", "vectorized_function"),
        row("`@stencil`", "stencil_function", "write it as loops"),
        row("`@guvectorize`", "guvectorized_function", "write it as `@njit`"),
        row("C functions by `ctypes` or `@cfunc`, as those of SciPy", "foreign_function c_callback", "no rule"),
        row("random numbers, as constants; `normal(mean, width)` by its parameters",
            "random_factors random_parameters"),
        row("`print`", "printing"),
        row("`with objmode`", "object_mode", "runs the Python interpreter"),
    ),
    "Exceptions": (
        row("`raise`, `assert`, index and division errors, which derivatives raise too",
            "user_raises checked_gather asserted division_by_zero raise_in_loop_with_live_arrays"),
        row("`try` and `except` inside",
            "caught_inside written_before_the_exception exceptions_caught_in_a_loop exceptions_raised_again"),
    ),
    "Linear algebra": (
        row("`np.dot`, `@`, `np.vdot`, `np.outer`, `np.kron`, `np.trace`, `np.linalg.norm`",
            "matrix_times_vector matrix_product products_of_slices outer_products norms kronecker_and_trace"),
        row("factorisations and solvers written as loops",
            "lu_log_determinant cholesky_solve thomas_solver conjugate_gradients"),
        row("`np.linalg.solve`, `inv`, `det`, `slogdet`, `cholesky`",
            "solve inverse determinant log_determinant cholesky", LOOPS),
        row("`np.linalg.eig...`, `svd`, `qr`, `lstsq`",
            "eigenvalues symmetric_eigenvalues singular_values orthogonal_factor least_squares", LOOPS),
    ),
    "Arguments and results": (
        row("floats, arrays, and tuples of them", "nested_result named_result array_and_scalar mixed_tuple"),
        row("functions that return None and write arguments", "overwritten_output two_outputs leapfrog_in_place"),
        row("a result that is an argument or a view of one", "argument_returned view_of_argument_returned"),
        row("one array passed twice", "p13_one_array_for_two_arguments"),
        row("optional arguments", "optional_weights"),
        row("optional results", "perhaps_a_result", "return the same type everywhere"),
    ),
    "Higher order": (
        row("derivatives called inside `@njit`, and differentiated with it",
            "gradient_inside gradient_of_array_inside tangent_inside pullback_inside"),
        row("gradients of gradients", "gradient_of_gradient"),
    ),
}


def table() -> str:
    """The table as the README has it."""
    lines = ["| | |", "| --- | --- |"]
    for group, rows in GROUPS.items():
        lines += [f"| **{group}** | |", *(f"| {r.what} | {r.status} |" for r in rows)]
    return "\n".join(lines)


def in_readme() -> str:
    """The table that the README has now."""
    return _around(README.read_text(encoding="utf-8"))[1].strip()


def write() -> None:
    before, _, after = _around(README.read_text(encoding="utf-8"))
    README.write_text(f"{before}\n{table()}\n{after}", encoding="utf-8")


def _around(text: str) -> tuple[str, str, str]:
    """The text up to the table with its marker, the table, and the rest."""
    start, end = (text.index(marker) for marker in MARKERS)
    start += len(MARKERS[0])
    return text[:start], text[start:end], text[end:]


def check(r: Row) -> None:
    """Raises AssertionError, or what went wrong, if the row is not true."""
    for program in r.programs:
        (check_refused if r.refused else check_works)(program)


def check_works(program: Entry) -> None:
    args = program.arguments()
    result = program.result_of(program.dispatcher, args)
    tangents = oracles.random_tangents(args, program.is_diff(), np.random.default_rng(1))
    cotangents = oracles.random_like(result, np.random.default_rng(2))
    out, tangent = forward(program)(args, tangents)
    single = any(np.asarray(leaf).dtype == np.float32 for leaf in leaves((args, result)))
    oracles.assert_close(out, result, 1e-5 if single else 1e-12)
    known, uncertainty = oracles.complex_tangent(program, args, tangents), 0.0
    if known is None:
        known, uncertainty = oracles.directional(lambda a: program.result_of(program.dispatcher, a), args, tangents,
                                                 program.step)
    scale = np.max(np.abs(known)) + 1e-4 * np.max(np.abs(flatten(result)))
    error = np.abs(flatten(tangent) - known)
    assert np.all(error <= 10.0 * uncertainty + (1e-4 if single else 1e-10) * scale), f"{program.name}: {error}"
    _, gradients = reverse(program)(args, cotangents)
    a, b = oracles.inner(cotangents, tangent), oracles.inner(gradients, tangents)
    assert abs(a.value - b.value) <= (1e-4 if single else 1e-11) * (a.scale + b.scale), f"{program.name}: {a}, {b}"
    if program.raises:
        error_type, make = program.raises
        for derivative, seeds in ((forward, tangents), (reverse, cotangents)):
            try:
                derivative(program)(program.arguments(make=make), seeds)
            except error_type:
                continue
            raise AssertionError(f"{program.name} does not raise {error_type.__name__}")


def check_refused(program: Entry) -> None:
    args = program.arguments()
    tangents = oracles.random_tangents(args, program.is_diff(), np.random.default_rng(1))
    where = f"{place}, in " if (place := line_at_fault(program)) else program.name
    for derivative, seeds in ((forward, tangents), (reverse, 1.0)):
        try:
            derivative(program)(args, seeds)
        except REFUSALS as refusal:
            assert where in str(refusal), f"{program.name}: no {where!r} in: {refusal}"
        else:
            raise AssertionError(f"{program.name} is differentiated")


def forward(program: Entry) -> Callable:
    return nd.jvp(program.dispatcher, **program.outputs_option)


def reverse(program: Entry) -> Callable:
    chosen = {} if program.diff_is_default() else {"argnums": program.diff}
    return nd.vjp(program.dispatcher, **program.outputs_option, **chosen)


def line_at_fault(program: Entry) -> str:
    """`file:line` of the line marked so; empty if none is."""
    lines, first = inspect.getsourcelines(program.function)
    marked = [first + k for k, line in enumerate(lines) if line.rstrip().endswith("# refused")]
    assert len(marked) <= 1, f"{program.name} has two lines marked"
    return f"{inspect.getsourcefile(program.function)}:{marked[0]}" if marked else ""


def failures() -> Iterator[str]:
    for rows in GROUPS.values():
        for r in rows:
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # a program prints
                    check(r)
            except Exception as error:  # every row is tried, and told
                yield f"{r.what}: {type(error).__name__}: {error}"


def main() -> int:
    found = list(failures())
    print(*found, sep="\n")
    if found:
        print(f"{len(found)} rows are not true; nothing written")
        return 1
    write()
    print(f"written: {README}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
