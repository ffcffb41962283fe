"""Measurements in processes of their own: what crashes or hangs there costs its own result and nothing else."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

MARK = "result: "  # begins the line with what was measured; a peer may print what it likes before


class NoResult(Exception):
    """Says, in a few words, why a process brought no result."""


def tell(result: Any) -> None:
    """In the measuring process: hand over the result, which JSON can hold."""
    print(MARK + json.dumps(result), flush=True)


def result_of(script: Path, arguments: list[str], limit_s: float, environment: dict[str, str] | None = None) -> Any:
    """What `script` tells. Raises NoResult."""
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise NoResult(f"none after {limit_s:.0f} s") from None
    if process.returncode < 0:
        raise NoResult(f"crashed, {signal.Signals(-process.returncode).name}")
    told = [line for line in output.splitlines() if line.startswith(MARK)]
    if process.returncode or not told:
        raise NoResult("failed: " + _without_folders((errors.strip().splitlines() or ["it says nothing"])[-1])[:120])
    return json.loads(told[-1].removeprefix(MARK))


def _without_folders(text: str) -> str:
    return re.sub(r"/\S*/(?=[\w.]+)", "", text)
