"""Runs that take turns with the bare matrix products that they cannot do without."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

#: Two factors of a matrix product.
Product = tuple[np.ndarray, np.ndarray]


class Work(NamedTuple):
    """Something to time.

    Args:
        name: of the row.
        run: does it.
        number: how many units of work (updates, sweeps) `run` does.
        floor: the products of one unit.
    """

    name: str
    run: Callable[[], object]
    number: int
    floor: Sequence[Product]


def some(*shape: int) -> np.ndarray:
    """Numbers of a size that no product minds, float32."""
    return np.random.default_rng(0).random(shape, dtype="float32")


def learning(cases: int, visible: int, hidden: int, sweeps: int = 1, chains: int = 0) -> list[Product]:
    """What an update of an RBM needs: up; the sweeps, of which the data's field is the first half of one if there are
    no `chains` of their own; up again; two outer products."""
    w = some(visible, hidden)
    v, h, other_v, other_h = some(cases, visible), some(cases, hidden), *_states(chains or cases, visible, hidden)
    ups = sweeps if chains else sweeps - 1
    gibbs = [(other_v, w)] * ups + [(other_h, w.T)] * sweeps
    return [(v, w), *gibbs, (other_v, w), (v.T, h), (other_v.T, other_h)]


def sweeping(cases: int, visible: int, hidden: int) -> list[Product]:
    """Up, and down again."""
    v, h = _states(cases, visible, hidden)
    w = some(visible, hidden)
    return [(v, w), (h, w.T)]


def _states(cases: int, visible: int, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    return some(cases, visible), some(cases, hidden)


def _floor(work: Work) -> Callable[[], None]:
    number = min(work.number, 200)  # enough for a mean

    def run() -> None:
        for _ in range(number):
            for a, b in work.floor:
                a @ b

    return run


def table(title: str, works: Sequence[Work], rounds: int) -> None:
    """Prints milliseconds a unit of work, those of its products, and how many times as much it is: medians of rounds in
    which everything takes turns."""
    times: dict[str, list[tuple[float, float]]] = {work.name: [] for work in works}
    for _ in range(rounds):
        for work in works:
            floor = _seconds(_floor(work)) / min(work.number, 200)
            times[work.name].append((_seconds(work.run) / work.number * 1e3, floor * 1e3))
    width = max(map(len, [title, *times]))
    print(f"\n{machine()}\n\n{title:<{width}}  milliseconds  products  times")
    for name, pairs in times.items():
        own, floor = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name:<{width}}  {own:12.3f}  {floor:8.3f}  {ratio:5.2f}")


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def machine() -> str:
    """What this runs on, in a line."""
    cpus = Path("/proc/cpuinfo")
    flags = cpus.read_text() if cpus.exists() else ""
    kind = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else platform.machine()
    if "max_isa=AVX2" in os.environ.get("XLA_FLAGS", ""):
        kind += ", held to AVX2"
    libraries = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("tensorflow", "keras", "torch", "numpy")
        if _installed(name)
    )
    return f"{os.cpu_count()} cores ({kind}), {libraries}"


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
