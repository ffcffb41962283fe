"""Run the engine on a request that was kept in a file (`case`), and print the derivative. `watch` has switches."""

import argparse
from pathlib import Path

from numbad.passes.case import read
from numbad.passes.watch import Watch


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m numbad.passes", description="Differentiate LLVM code again.")
    parser.add_argument("file", type=Path, help="the file that an EngineError names")
    print(read(parser.parse_args().file.read_text(encoding="utf-8")).run(Watch()).text)


if __name__ == "__main__":
    main()
