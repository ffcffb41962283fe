"""The long run over random programs for the host."""

import sys

from fuzz.running import Tools, main


def tools() -> Tools:
    from fuzz.checking import check
    from fuzz.programs import program
    from fuzz.verdicts import FINE
    return Tools(program, check, FINE)


if __name__ == "__main__":
    sys.exit(main("fuzz", tools))
