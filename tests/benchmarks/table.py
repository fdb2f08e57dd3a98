"""Measure in fresh processes, several times, and print a table with ratios."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence

RUNS = 5


def measure(code: str, *arguments: str, runs: int = RUNS, python: str = sys.executable, timeout_s: float = 600,
            ) -> dict[str, float] | None:
    """Run `code` in fresh processes; it prints one JSON object of numbers as its last line.

    Returns the median of each number, or None if the process fails (a peer that is not installed).
    """
    found: list[dict[str, float]] = []
    for n in range(runs + 1):
        done = subprocess.run([python, "-c", code, *arguments], capture_output=True, text=True, check=False,
                              timeout=timeout_s)
        if done.returncode:
            print(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
            return None
        if n:  # the first run warms the cache
            found.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return {key: statistics.median(f[key] for f in found) for key in found[0]}


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table with aligned columns."""
    texts = [list(header), *[[f"{x:.3g}" if isinstance(x, float) else str(x) for x in row] for row in rows]]
    widths = [max(len(row[n]) for row in texts) for n in range(len(header))]
    print(f"\n{title}")
    for n, row in enumerate(texts):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))
        if n == 0:
            print("  ".join("-" * width for width in widths))
