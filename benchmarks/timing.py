"""Runs that take turns, and their times side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def compare(runs: dict[str, Callable[[], object]], rounds: int, number: float, title: str) -> None:
    """Prints milliseconds for each of the `number` units of work in a run, and ratios to the first run's median."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) / number * 1e3)
    base = statistics.median(next(iter(times.values())))
    width = max(map(len, [title, *runs]))
    print(f"\n{title:<{width}}  median     min   ratio")
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"{name:<{width}}  {median:6.2f}  {min(measured):6.2f}  {median / base:6.2f}")
