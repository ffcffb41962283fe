"""The README's table of what works in CUDA kernels, and the check that it is true.

    python tests/cuda/support_table.py

writes the table between the README's markers. A row names kernels of the pool: "works" means that they agree with
finite differences and with each other (`agreement.check_derivatives`), "refused" that both modes raise with the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- cuda table -->", "<!-- /cuda table -->"


@dataclass(frozen=True)
class Row:
    what: str
    names: tuple[str, ...]
    refused: str = ""

    @property
    def status(self) -> str:
        return f"refused: {self.refused}" if self.refused else "works"


def row(what: str, names: str, refused: str = "") -> Row:
    return Row(what, tuple(names.split()), refused)


ROWS = (
    row("arrays of one to three dimensions, strided ones, changed in place and swapped",
        "saxpy grid_of_two_dimensions grid_of_three_dimensions strided_arrays sine_again_and_again swap two_passes"),
    row("float32, float64, mixed; complex numbers inside; floats as active arguments; tuples",
        "chain_in_float32 mixed_precision complex_numbers huber tuples"),
    row("functions of `math`, `libdevice`, `fastmath=True`",
        "trigonometric hyperbolic exponential special_functions powers steps_and_signs fast_mathematics"),
    row("branches, early `return`, loops of any length, `while`, `break`, grid-stride loops",
        "leaky_with_early_exit horner newton_root break_and_continue escape_of_mandelbrot grid_stride"),
    row("device functions, nested, of arrays, recursive",
        "nested_calls functions_of_arrays functions_of_tuples recursive_function large_function_called_three_times"),
    row("local arrays, constant memory", "powers_in_a_local_array local_array_through_function filter_by_constants"),
    row("static shared memory with `syncthreads`",
        "stencil transpose tiled_matmul block_sum_tree scan_with_two_buffers product_scan_in_place softmax "
        "soft_alignment"),
    row("dynamic shared memory", "reverse_in_dynamic_memory two_parts_of_dynamic_memory"),
    row("`syncthreads_count`, `_and`, `_or`, `syncwarp`, votes",
        "mean_of_the_positive votes exchange_through_shared_with_syncwarp"),
    row("barriers of the whole grid", "heat_with_barriers_of_the_grid"),
    row("`atomic.add`, `atomic.sub`", "scalar_sum scatter subtract soft_histogram sums_in_float32 springs"),
    row("`shfl_up_sync`, `shfl_down_sync`, `shfl_xor_sync`, 32 and 64 bits",
        "warp_sum warp_sum_in_float32 warp_scan butterfly_product neighbours_by_shuffle block_sum_by_warps"),
    row("`shfl_sync` from any lane, and shuffles at a distance of each lane's own; masks of some of the lanes",
        "gather distances_of_their_own broadcast rotation gather_in_float32 halves_of_a_warp partial_mask_in_a_branch "
        "block_of_less_than_a_warp lanes_that_have_returned broadcasts_in_a_loop reader_chosen_by_the_numbers"),
    row("`match_any_sync`, `match_all_sync`, `activemask`, `lanemask_lt`, `ffs`, `popc`, `clz`, `brev` of integers",
        "sums_of_equals"),
    row("a barrier that not all threads come to: under a branch, in a loop, behind a `return` that depends on the "
        "thread",
        "barrier_after_early_exit barrier_under_a_loaded_condition barrier_in_a_loop_of_loaded_length",
        "let all threads come to it"),
    row("more than 24 KB of shared memory in a block", "large_shared_array", "its shadows take as much again"),
    row("`atomic.max`, `min`, exchange, compare-and-swap of differentiated numbers, the old value of `atomic.add`",
        "atomic_maximum atomic_minimum exchange product_by_compare_and_swap old_value_of_an_add",
        "depends on the other threads"),
)


DAILY = {name for r in ROWS for name in r.names[:2]}
"""Kernels of the pool that are tested in the default run; the others are marked slow."""


def table() -> str:
    return "\n".join(["| | |", "| --- | --- |", *(f"| {r.what} | {r.status} |" for r in ROWS)])


def in_readme() -> str:
    text = README.read_text(encoding="utf-8")
    return text[text.index(START) + len(START):text.index(END)].strip()


def write() -> None:
    text = README.read_text(encoding="utf-8")
    start, end = text.index(START) + len(START), text.index(END)
    README.write_text(f"{text[:start]}\n{table()}\n{text[end:]}", encoding="utf-8")


if __name__ == "__main__":
    write()
