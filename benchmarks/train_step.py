"""How fast is `fit`? One run, side by side, so that ratios matter: MNIST 784-500, CD-1, batches of 100.

    python benchmarks/train_step.py        (MNIST through tensorflow_datasets; set TFDS_DATA_DIR to where it is)

Prints milliseconds an update, medians of rounds that take turns, and ratios to the five matrix products that an update
cannot do without. `--settings` also times other values of `jit_compile` and `steps_per_execution`: what the defaults
were chosen by.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from sklearn.neural_network import BernoulliRBM
from timing import compare

import keras_rbm

BATCH, HIDDEN, UPDATES = 100, 500, 600


def products(x: np.ndarray) -> Callable[[], None]:
    """Up, down, up again, and two outer products, float32."""
    rng = np.random.default_rng(0)
    w = rng.normal(0, 0.01, (x.shape[1], HIDDEN)).astype("float32")
    v, h = x[:BATCH].copy(), rng.random((BATCH, HIDDEN), dtype="float32")

    def run() -> None:
        for _ in range(UPDATES):
            v @ w, h @ w.T, v @ w, v.T @ h, v.T @ h

    return run


def ours(x: np.ndarray, **settings: object) -> Callable[[], None]:
    rbm = keras_rbm.RBM(HIDDEN, seed=0)
    rbm.compile("sgd", **settings)
    rbm.fit(x, batch_size=BATCH, epochs=1, verbose=0)  # traces and compiles
    return lambda: rbm.fit(x, batch_size=BATCH, epochs=1, verbose=0)


def scikit_learn(x: np.ndarray) -> Callable[[], None]:
    rbm = BernoulliRBM(HIDDEN, learning_rate=0.01, batch_size=BATCH, n_iter=1, random_state=0)
    return lambda: rbm.fit(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", action="store_true", help="time other compile settings too")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    x = keras_rbm.load("mnist").x_train[: BATCH * UPDATES]
    x = (np.random.default_rng(0).random(x.shape, dtype="float32") < x).astype("float32")
    runs = {"five matrix products (NumPy)": products(x), "RBM(500).fit, defaults": ours(x)}
    if options.settings:
        for jit in (True, False):
            for steps in (1, 8, 32, 100):
                name = f"RBM(500).fit, jit_compile={jit}, steps_per_execution={steps}"
                runs[name] = ours(x, jit_compile=jit, steps_per_execution=steps)
    runs["scikit-learn BernoulliRBM, float32"] = scikit_learn(x)
    compare(runs, options.rounds, UPDATES, "milliseconds an update")


if __name__ == "__main__":
    main()
