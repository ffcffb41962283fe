"""The eight problems that the cost of a gradient is measured on, by name."""

from problems import ba, burgers, gmm, heat2d, lu_logdet, nbody, newton_sqrt, ode
from problems.problem import Problem

__all__ = ["PROBLEMS", "Problem"]

PROBLEMS: dict[str, Problem] = {
    module.PROBLEM.name: module.PROBLEM for module in (ode, heat2d, nbody, gmm, ba, lu_logdet, newton_sqrt, burgers)
}
