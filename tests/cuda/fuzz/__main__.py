"""The long run over random kernels."""

import os
import sys

from fuzz.running import Tools, main

os.environ.setdefault("NUMBAD_VERIFY", "1")


def tools() -> Tools:
    from cuda.fuzz.checking import FINE, check
    from cuda.fuzz.kernels import program
    return Tools(program, check, FINE)


if __name__ == "__main__":
    sys.exit(main("cuda.fuzz", tools))
