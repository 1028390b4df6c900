"""What a second worker is worth: a step of one process, of two on the loopback address, and what a cost model says.

    python benchmarks/workers.py

A step of W workers, each with B / W cases and N / W chains, should take

    step(W) = compute(B / W, N / W) + messages * latency + bytes / bandwidth

where `compute` is measured in processes that have no one to talk to, as many at a time as there are workers, for they
share a machine; and latency and bandwidth by summing tensors of two sizes over the workers. What is summed in a step: 4
bytes a parameter (gradients), a state (PCD's chains) and an offset. Each process has one thread, so that two of them
have two cores. Times are medians, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

VISIBLE = 784
#: Hidden units, cases a batch, chains (0: CD), sweeps.
SIZES = ((128, 100, 0, 1), (500, 100, 100, 1), (500, 1000, 0, 1), (500, 1000, 1000, 10), (2000, 1000, 0, 1))
STEPS, EPOCHS = 10, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    whole, half, two = started(1, 1), started(2, 2, talking=False), started(2, 1)
    latency, bandwidth = two["latency"], two["bandwidth"]
    print(f"a message takes {1e3 * latency:.2f} ms, and a second moves {bandwidth / 1e6:.0f} MB, two workers\n")
    print(f"{'784-hidden':>10}{'cases':>7}{'chains':>8}{'sweeps':>8}{'MB':>7}", end="")
    print(f"{'1 worker':>10}{'2 workers':>11}{'model':>8}{'gain':>7}")
    for size, alone, part, both in zip(SIZES, whole["steps"], half["steps"], two["steps"], strict=True):
        number = summed(*size)
        messages_a_step = 3 + bool(size[2])  # shares of cases; gradients; faults; chains
        expected = part + messages_a_step * latency + number / bandwidth
        print(f"{size[0]:>10}{size[1]:>7}{size[2]:>8}{size[3]:>8}{number / 1e6:>7.1f}", end="")
        print(f"{1e3 * alone:>10.1f}{1e3 * both:>11.1f}{1e3 * expected:>8.1f}{alone / both:>7.2f}")


def summed(hidden: int, batch: int, chains: int, sweeps: int) -> int:
    """Bytes that each worker adds to a sum in a step."""
    return 4 * (VISIBLE * hidden + 2 * (VISIBLE + hidden) + chains * VISIBLE)


def started(workers: int, share: int, talking: bool = True) -> dict[str, Any]:
    """What the first of so many workers measured, with batches and chains divided by `share`.

    Args:
        talking: whether they learn together, or each for itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.json"
        addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
        processes = []
        for index in range(workers):
            threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
            environment = {**os.environ, **threads, "SHARE": str(share), "CUDA_VISIBLE_DEVICES": "-1"}
            if workers > 1 and talking:
                task = {"type": "worker", "index": index}
                environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
            words = [sys.executable, __file__, "--work", str(path)]
            processes.append(subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL))
        codes = [process.wait() for process in processes]
        if any(codes):
            sys.exit("a worker failed")
        return json.loads(path.read_text())


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def work(path: Path) -> None:
    import keras
    import tensorflow as tf

    import keras_rbm

    several, share = "TF_CONFIG" in os.environ, int(os.environ["SHARE"])
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if several else tf.distribute.get_strategy()
    found: dict[str, Any] = {"steps": []}
    rng = np.random.default_rng(0)

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            times.append((time.perf_counter() - self.began) / STEPS)

    for hidden, batch, chains, sweeps in SIZES:
        batch, chains, times = batch // share, chains // share, []
        x = (rng.random((STEPS * batch, VISIBLE)) < 0.2).astype("float32")
        samplers = keras_rbm.samplers
        sampler = samplers.PCD(sweeps, chains) if chains else samplers.CD(sweeps)
        with strategy.scope():
            rbm = keras_rbm.RBM(hidden, sampler=sampler, seed=0)
            rbm.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        rbm.fit(x, batch_size=batch, epochs=EPOCHS, verbose=0, callbacks=[Clock()])
        found["steps"].append(float(np.median(times[1:])))
    if several:
        found |= messages(strategy, tf)
    if not several or json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
        path.write_text(json.dumps(found))


def messages(strategy: Any, tf: Any) -> dict[str, float]:
    """What summing over the workers takes: anything, and a byte a second."""
    from keras_rbm import replicas

    times = []
    for number in (1, 4_000_000):
        add = tf.function(lambda number=number: strategy.run(lambda: replicas.summed([tf.ones(number)])))
        spent = []
        for _ in range(20):
            began = time.perf_counter()
            add()
            spent.append(time.perf_counter() - began)
        times.append(float(np.median(spent[5:])))
    return {"latency": times[0], "bandwidth": 16e6 / (times[1] - times[0])}


if __name__ == "__main__":
    main()
