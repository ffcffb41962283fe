"""The benchmark problems: hand-written adjoints against finite differences, gradients against hand-written adjoints."""

import numpy as np
import pytest

from problems import PROBLEMS

pytestmark = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)


def central_differences(problem, args):
    """The gradient entry by entry, with a five-point formula."""
    x = args[problem.argnum]
    gradient = np.empty_like(x)

    def loss(i, step):
        moved = x.copy()
        moved[i] += step
        return problem.primal(*args[: problem.argnum], moved, *args[problem.argnum + 1 :])

    for i in range(x.size):
        h = 1e-4 * max(abs(x[i]), 1e-2)
        gradient[i] = (8 * (loss(i, h) - loss(i, -h)) - (loss(i, 2 * h) - loss(i, -2 * h))) / (12 * h)
    return gradient


def test_hand_written_adjoint_is_the_derivative(problem):
    args = problem.make_inputs(small=True)
    hand = problem.adjoint(*args)
    assert hand.shape == args[problem.argnum].shape
    np.testing.assert_allclose(hand, central_differences(problem, args), rtol=1e-7, atol=1e-8 * np.abs(hand).max())


def test_problem_is_repeatable_and_leaves_its_inputs_alone(problem):
    args = problem.make_inputs(small=True)
    first = problem.primal(*args)
    problem.adjoint(*args)
    assert problem.primal(*args) == first
    for ours, fresh in zip(args, problem.make_inputs(small=True), strict=True):
        np.testing.assert_array_equal(ours, fresh)


def check_gradient(problem, small):
    import numbad as nd

    args = problem.make_inputs(small)
    value, gradient = nd.value_and_grad(problem.primal, problem.argnum)(*args)
    hand = problem.adjoint(*args)
    assert gradient.shape == hand.shape
    np.testing.assert_allclose(value, problem.primal(*args), rtol=1e-14)
    np.testing.assert_allclose(gradient, hand, rtol=1e-10, atol=1e-12 * np.abs(hand).max())
    np.testing.assert_allclose(nd.grad(problem.primal, problem.argnum)(*args), gradient, rtol=1e-14)


def test_gradient_is_the_hand_written_one(problem):
    check_gradient(problem, small=True)


@pytest.mark.slow
def test_gradient_is_the_hand_written_one_at_the_measured_size(problem):
    check_gradient(problem, small=False)
