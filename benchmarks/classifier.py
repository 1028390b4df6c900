"""How should a plain Keras classifier be compiled? 784-500-500-2000-10, batches of 100, Adam, random data.

    python benchmarks/classifier.py

Prints milliseconds a step, the better of two epochs of 200 steps, with and without dropout (0.2 of the inputs, 0.5 of
the hidden units), in a graph and by XLA, for one and for twenty steps an execution.
"""

from __future__ import annotations

import time

import keras
import numpy as np
import tensorflow as tf
from timing import machine

STEPS = 200


def milliseconds(dropout: bool, jit_compile: bool, steps_per_execution: int, data: tf.data.Dataset) -> float:
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((784,)), *([keras.layers.Dropout(0.2)] if dropout else [])])
    for units in (500, 500, 2000):
        net.add(keras.layers.Dense(units, "sigmoid"))
        if dropout:
            net.add(keras.layers.Dropout(0.5))
    net.add(keras.layers.Dense(10, "softmax"))
    net.compile(
        "adam",
        "sparse_categorical_crossentropy",
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )
    net.fit(data, verbose=0, shuffle=False)
    times = []
    for _ in range(2):
        start = time.perf_counter()
        net.fit(data, verbose=0, shuffle=False)
        times.append((time.perf_counter() - start) / STEPS * 1e3)
    return min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((100 * STEPS, 784)) < 0.2).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, rng.integers(0, 10, len(x)))).batch(100)
    print(f"{machine()}\n\ndropout  XLA    steps an execution  milliseconds a step")
    for dropout in (False, True):
        for jit_compile in (False, True):
            for steps in (1, 20):
                found = milliseconds(dropout, jit_compile, steps, data)
                print(f"{dropout!s:<7}  {jit_compile!s:<5}  {steps:18}  {found:19.1f}", flush=True)


if __name__ == "__main__":
    main()
