"""How fast is `fit`? With all that is logged, beside its matrix products and scikit-learn, in one run.

    python benchmarks/train_step.py        (MNIST through tensorflow_datasets; set TFDS_DATA_DIR to where it is)

Prints milliseconds an update, medians of rounds that take turns: each time three epochs of 300 batches of 100 (or 30 of
1,000), one call of `fit`. Before that what a user waits for: the import, and the first step of a small machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from sklearn.neural_network import BernoulliRBM
from timing import Work, apart, learning, table

import keras_rbm

CASES, VISIBLE, EPOCHS = 30_000, 784, 3
_kept: list[np.ndarray] = []


def ours(x: np.ndarray, units: int, batch_size: int, sampler: object = "cd") -> Callable[[], object]:
    rbm = keras_rbm.RBM(units, sampler=sampler, seed=0)
    rbm.compile("sgd")
    rbm.fit(x, batch_size=batch_size, verbose=0)  # traces and compiles
    return lambda: rbm.fit(x, batch_size=batch_size, epochs=EPOCHS, verbose=0)


def binary_mnist() -> np.ndarray:
    """Float32, drawn once."""
    x = keras_rbm.load("mnist").x_train[:CASES]
    return (np.random.default_rng(0).random(x.shape, dtype="float32") < x).astype("float32")


def scikit_learn() -> None:
    """Fits what is kept in this process from call to call."""
    if not _kept:
        _kept.append(binary_mnist())
    BernoulliRBM(500, learning_rate=0.01, batch_size=100, n_iter=EPOCHS, random_state=0).fit(_kept[0])


def first_steps() -> None:
    imports = {name: _seconds_of(f"import {name}") for name in ("keras", "keras_rbm")}
    print(
        f"\nimport keras {imports['keras']:.2f} s, import keras_rbm {imports['keras_rbm']:.2f} s (each the best of 3)"
    )
    rbm = keras_rbm.RBM(128, seed=0)
    rbm.compile("sgd")
    start = time.perf_counter()
    rbm.fit(np.zeros((20, 64)), verbose=0)
    print(f"first step of an RBM 64-128, the first that the process makes: {time.perf_counter() - start:.2f} s")


def _seconds_of(code: str) -> float:
    """Of a process that runs `code`, as `code` itself measures it."""
    timed = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    runs = (subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True) for _ in range(3))
    return min(float(run.stdout) for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    first_steps()
    apart(scikit_learn)  # reads the data
    x = binary_mnist()
    pcd = keras_rbm.samplers.PCD
    small, large = EPOCHS * CASES // 100, EPOCHS * CASES // 1000
    works = [
        Work("RBM(500).fit, CD-1, batches of 100", ours(x, 500, 100), small, learning(100, VISIBLE, 500)),
        Work(
            "scikit-learn BernoulliRBM(500), the same", lambda: apart(scikit_learn), small, learning(100, VISIBLE, 500)
        ),
        Work("RBM(1024).fit, CD-1, batches of 1,000", ours(x, 1024, 1000), large, learning(1000, VISIBLE, 1024)),
        Work("RBM(500).fit, PCD-1", ours(x, 500, 100, pcd(1)), small, learning(100, VISIBLE, 500, 1, 100)),
        Work("RBM(500).fit, PCD-10", ours(x, 500, 100, pcd(10)), small, learning(100, VISIBLE, 500, 10, 100)),
    ]
    table("an update", works, options.rounds)


if __name__ == "__main__":
    main()
