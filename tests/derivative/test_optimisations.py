"""What the plan saves changes no derivative: each program is differentiated with every switch of `Options` on and off.

The derivatives are called as they leave the engine, without LLVM's optimiser: a value that is computed or loaded again
is then the very number that would have been stored, so results are equal bit for bit. Only the adjoint of a value that
has left its loop, or that is put off, is summed in another order.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numba.core import types
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys
from numba.core.typing.typeof import typeof

from derivative.native import DOUBLE, I32, I64, Native, P
from numbad.derive import Derivative, derive
from numbad.passes.derivative.plan import Options
from numbad.passes.llvm import link
from numbad.request import Request
from pool import POOL, Entry

REFERENCES = """
declare void @NRT_MemInfo_call_dtor(ptr)

define void @NRT_incref(ptr %info) {
  %none = icmp eq ptr %info, null
  br i1 %none, label %done, label %count
count:
  %before = atomicrmw add ptr %info, i64 1 monotonic
  br label %done
done:
  ret void
}

define void @NRT_decref(ptr %info) {
  %none = icmp eq ptr %info, null
  br i1 %none, label %done, label %count
count:
  %before = atomicrmw sub ptr %info, i64 1 monotonic
  %last = icmp eq i64 %before, 1
  br i1 %last, label %free, label %done
free:
  call void @NRT_MemInfo_call_dtor(ptr %info)
  br label %done
done:
  ret void
}
"""
"""What Numba links into its libraries: the count is the first field of a MemInfo."""

SWITCHES = [field.name for field in fields(Options)]
STORE_ALL = Options(**dict.fromkeys(SWITCHES, False))
OF_A_GPU = {"restore", "own_arrays"}
"""Switches that change nothing here; `tests/cuda` compares derivatives with and without."""

NAMES = """
    circular integer_powers smallest_and_largest quotients
    horner nested_sum pairwise_products ragged_rows loop_that_never_runs search_with_return newton_square_root
    breaks_at_two_levels loop_after_loop convolution adaptive_euler running_product
    huber_loss nested_decisions several_returns branch_writes_memory
    squared_in_place local_buffer two_buffers_swapped allocated_in_loop view_written_base_read insertion_sort gather
    ring_buffer copied_then_changed
    callee_in_loop callee_writes_local recursion_over_array recursion_writing recursion_twice
    checked_gather caught_inside inner_product quadratic_form logistic_regression pendulum wave_equation
    pair_forces pairs_in_three_loops pairs_of_some pairs_of_swapped_rows pairs_written_between rows_of_no_length
    smoothed_between_two_buffers heat_on_a_plate buffers_that_become_one rotated_buffers filtered
    asian_option_with_barrier
    rows_on_one_side plates_of_few_rows bent_again_and_again below_the_diagonal rows_left_out all_rows_or_none
    row_written_between until_it_is_enough until_it_is_smooth from_right_to_left nine_points cube_of_seven_points
    plate_of_known_shape windows middle_of_a_plate two_loops_over_each_row layers_that_change
    three_loops_over_one_array differences_used_twice state_read_by_two_loops temporaries_from_the_end
    array_expressions_in_a_row temporaries_of_no_length written_between_two_loops written_within_the_later_loop
    written_within_the_earlier_loop all_written_to_one_place swapped_between_two_loops loops_of_other_lengths
    written_now_and_then the_first_loop_left_out the_first_loop_left_early loaded_now_and_then written_through_a_view
    table_read_in_all_steps table_gathered table_overwritten_at_last table_overwritten_in_the_last_step
    tables_one_of_which_is_overwritten table_of_each_step table_lost_by_an_exception table_let_go_early table_of_rows
    layers_of_products products_with_a_local_matrix factor_overwritten_after_the_product
""".split()
BOUNDS = """
    softened_force unsoftened_force softened_by_too_little square_of_a_softened_square squares_less_something
    signs_of_zero roots_and_logarithms larger_than_a_bound functions_with_bounds even_powers bound_that_a_loop_removes
    bounded_everywhere
""".split()
PATHS = """
    european_option paths_of_one_generator roots_or_none three_levels_with_decisions paths_through_scratch
    two_loops_over_paths path_from_path no_paths paths_until_they_leave asian_option_with_barrier while_loop_per_element
    paths_of_calls paths_that_call_at_the_end paths_through_temporaries
""".split()


class Call:
    """A reverse-mode derivative of a function that returns a float, with its arguments as Numba passes them."""

    def __init__(self, entry: Entry, options: Options):
        rtsys.initialize(cpu_target.target_context)
        self.arguments = entry.arguments()
        self.derivative: Derivative = derive(entry.dispatcher, tuple(map(typeof, self.arguments)),
                                             Request("reverse", entry.is_diff()), options=options)
        assert isinstance(self.derivative.lowered.signature.return_type, types.Float)
        self.native = Native(link(self.derivative.text, REFERENCES))

    def __call__(self) -> tuple[int, float, list[Any]]:
        """Status, value, and what the shadows hold afterwards."""
        self.shadows = [np.zeros_like(a) if isinstance(a, np.ndarray) else None for a in self.arguments]
        value, seed, exception = ctypes.c_double(0.0), ctypes.c_double(1.0), ctypes.c_void_p()
        operands = [(P, ctypes.addressof(value)), (P, ctypes.addressof(exception)), *self.passed(self.arguments)]
        beside = list(self.passed(self.shadows))
        cells = []
        for number in self.derivative.shadows:
            if number == 0:
                operands.append((P, ctypes.addressof(seed)))
            elif beside[number - 2] is not None:
                operands.append(beside[number - 2])
            else:
                cells.append(ctypes.c_double(0.0))
                operands.append((P, ctypes.addressof(cells[-1])))
        function = self.native.function(self.derivative.symbol, I32, *(kind for kind, _ in operands))
        status = function(*(operand for _, operand in operands))
        return status, value.value, [*(c.value for c in cells), *(s for s in self.shadows if s is not None)]

    def passed(self, arguments: Any) -> Iterator[Any]:
        """(C type, value) of each parameter behind result and exception; None for the shadow of a number."""
        for parameter in self.derivative.lowered.parameters:
            argument = arguments[parameter.argument]
            match parameter.path:
                case ():
                    kind = DOUBLE if isinstance(parameter.leaf, types.Float) else I64
                    yield (kind, argument) if argument is not None else None
                case ("data",):
                    yield (P, argument.ctypes.data) if argument is not None else None
                case ("meminfo" | "parent",):
                    yield (P, None)
                case (("shape" | "strides") as field, index):
                    yield (I64, getattr(argument, field)[index] if argument is not None else 0)
                case ("nitems" | "itemsize" as field,):
                    yield (I64, getattr(argument, {"nitems": "size"}.get(field, field)) if argument is not None else 0)
                case _:
                    raise NotImplementedError(parameter)


@cache
def differentiated(name: str, options: Options) -> Call:
    return Call(POOL[name], options)


@cache
def outcome(name: str, options: Options) -> tuple[int, float, list[Any]]:
    return differentiated(name, options)()


def check_equal(name: str, options: Options) -> None:
    status, value, gradients = outcome(name, options)
    plain_status, plain_value, plain_gradients = outcome(name, STORE_ALL)
    assert status == plain_status == 0 and value == plain_value
    assert any(np.any(gradient) for gradient in plain_gradients)
    for gradient, plain in zip(gradients, plain_gradients, strict=True):
        if options.hoist or options.put_off:
            np.testing.assert_allclose(gradient, plain, rtol=1e-13, atol=1e-15 * np.max(np.abs(plain), initial=0.0))
        else:
            np.testing.assert_array_equal(gradient, plain)


@pytest.mark.parametrize("name", NAMES + BOUNDS)
def test_all_switches(name: str) -> None:
    check_equal(name, Options())


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("name", ["ragged_rows", "wave_equation", "recursion_over_array", "table_of_rows"])
def test_each_switch(name: str, switch: str) -> None:
    """Alone on, and alone off."""
    check_equal(name, replace(STORE_ALL, **{switch: True}))
    check_equal(name, replace(Options(), **{switch: False}))


@pytest.mark.parametrize("name", [name for name in NAMES if POOL[name].theme == "temporaries"])
def test_without_weighing(name: str) -> None:
    """What can be found or read again is, whatever it costs."""
    check_equal(name, replace(STORE_ALL, count_trips=True, find=True, hold=True))
    check_equal(name, replace(Options(), weigh=False))


@pytest.mark.parametrize("limit", [0, 100, 500])
@pytest.mark.parametrize("name", PATHS)
def test_iterations_run_again(name: str, limit: int) -> None:
    """All of them, and those that are left when the tape has its length."""
    check_equal(name, replace(Options(), tape_limit=limit))


@pytest.mark.parametrize("name", BOUNDS)
def test_guards_that_cannot_matter(name: str) -> None:
    check_equal(name, replace(STORE_ALL, ranges=True))


@pytest.mark.slow
def test_switches_change_derivatives() -> None:
    """Else the tests above compare equal programs."""
    names = ["ragged_rows", "convolution", "wave_equation", "pair_forces", "heat_on_a_plate", "european_option",
             "differences_used_twice", "table_of_rows", "bounded_everywhere", "view_written_base_read"]
    texts = {options: [differentiated(name, options).derivative.text for name in names]
             for options in (Options(), *(replace(Options(), **{switch: False}) for switch in SWITCHES))}
    assert len({str(text) for text in texts.values()}) == 1 + len(set(SWITCHES) - OF_A_GPU)
