"""Runs that take turns with the bare matrix products that they cannot do without.

Whatever computes by NumPy does so in a process of its own: the threads of two libraries in one process can end up on
one core, and then everything takes twice as long.
"""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

#: Two factors of a matrix product.
Product = tuple[np.ndarray, np.ndarray]
_other: ProcessPoolExecutor | None = None


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


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """What `function` gives in the other process."""
    global _other
    if _other is None:
        _other = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    return _other.submit(function, *arguments).result()


def products(floor: Sequence[Product]) -> float:
    """Seconds that they take, over half a second or more."""
    start, number = time.perf_counter(), 0
    while time.perf_counter() - start < 0.5:
        for a, b in floor:
            a @ b
        number += 1
    return (time.perf_counter() - start) / number


def table(title: str, works: Sequence[Work], rounds: int) -> None:
    """Prints milliseconds a unit of work, those of its products (just before and after), and how many times as much
    it is: medians of rounds in which everything takes turns, and the best times of both."""
    times: dict[str, list[tuple[float, float]]] = {work.name: [] for work in works}
    for _ in range(rounds):
        for work in works:
            before = apart(products, work.floor)
            own = _seconds(work.run) / work.number
            times[work.name].append((own * 1e3, (before + apart(products, work.floor)) / 2 * 1e3))
    width = max(map(len, [title, *times]))
    print(f"\n{machine()}\n\n{title:<{width}}  milliseconds  products  times  at best")
    for name, pairs in times.items():
        own, floor = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio, best = statistics.median(a / b for a, b in pairs), min(a for a, _ in pairs) / min(b for _, b in pairs)
        print(f"{name:<{width}}  {own:12.3f}  {floor:8.3f}  {ratio:5.2f}  {best:7.2f}")


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
