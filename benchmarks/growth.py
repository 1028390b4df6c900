"""How do time and memory grow with data, units and sweeps? Each setting in a process of its own, a decade apart.

    python benchmarks/growth.py

Prints seconds an epoch (the best of three, after one that compiles) and the process's peak memory, of CD on random
binary data, 784 visible units, batches of 100. Time should grow as work does, memory as the data set (held once by
NumPy, once by TensorFlow) and the weights do.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from timing import machine

#: (cases, units, sweeps)
SETTINGS = [(6_000, 500, 1), (60_000, 500, 1), (6_000, 100, 1), (6_000, 1000, 1), (6_000, 500, 10)]


def one(cases: int, units: int, sweeps: int) -> dict[str, float]:
    """Seconds an epoch, and megabytes before and after training."""
    import numpy as np

    import keras_rbm

    x = np.random.default_rng(0).integers(0, 2, (cases, 784)).astype("float32")
    before = _peak()
    rbm = keras_rbm.RBM(units, sampler=keras_rbm.samplers.CD(sweeps), seed=0)
    rbm.compile("sgd")
    rbm.fit(x, batch_size=100, verbose=0)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        rbm.fit(x, batch_size=100, verbose=0)
        seconds.append(time.perf_counter() - start)
    return {"seconds": min(seconds), "before": before, "peak": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", type=int, nargs=3, metavar=("CASES", "UNITS", "SWEEPS"), help="this setting, as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(*options.one)))
        return
    print(f"{machine()}\n\n  cases  units  sweeps  s an epoch  times the first  MB before  MB at most")
    first = 0.0
    for setting in SETTINGS:
        command = [sys.executable, __file__, "--one", *map(str, setting)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
        first = first or found["seconds"]
        cases, units, sweeps = setting
        print(
            f"{cases:7,}  {units:5}  {sweeps:6}  {found['seconds']:10.3f}  {found['seconds'] / first:15.2f}  "
            f"{found['before']:9.0f}  {found['peak']:10.0f}"
        )


if __name__ == "__main__":
    main()
