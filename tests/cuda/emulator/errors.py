"""What may go wrong when a kernel is emulated. Each is raised in Python; none reaches the machine."""


class EmulationError(Exception):
    """Anything that the emulator refuses or finds."""


class Unsupported(EmulationError):
    """The text holds a name, an inline assembly or a type that the emulator has no meaning for."""


class Misuse(EmulationError):
    """The threads do what CUDA leaves undefined: barriers that diverge, warp operations whose lanes disagree."""


class Deadlock(EmulationError):
    """Every thread that is left waits for one that never comes."""


class BudgetSpent(EmulationError):
    """The launch took more switches between threads than its budget: most likely it never ends."""


class OutOfBounds(EmulationError):
    """A thread was about to touch memory that is no argument, shared, local or constant memory."""


class Race(EmulationError):
    """Two threads touched the same bytes without a barrier between them, one of them wrote, not both atomically."""
