"""How fast is a convolutional RBM's `fit`, beside its convolutions alone? In one run.

    python benchmarks/conv_step.py        (no data are needed)

The convolutions of an update (CD-1: up, down, up, and two sums over pairs) are those of TensorFlow: `conv2d`,
`conv2d_transpose` and `Conv2DBackpropFilter`, by oneDNN and compiled by XLA; the faster of both counts. Prints
milliseconds, medians of rounds that take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from timing import machine

import keras_rbm

BATCH, BATCHES = 100, 60


class Setting(NamedTuple):
    """A layer: size and channels of what it sees, filters and their size, size of pools."""

    size: int
    channels: int
    filters: int
    kernel_size: int
    pool_size: int


SETTINGS = (Setting(28, 1, 40, 11, 2), Setting(28, 1, 40, 11, 1), Setting(28, 1, 24, 5, 2), Setting(12, 24, 40, 5, 2))


def fitting(setting: Setting) -> Callable[[], object]:
    shape = (BATCH * BATCHES, setting.size, setting.size, setting.channels)
    x = (np.random.default_rng(0).random(shape) < 0.1).astype("float32")
    rbm = keras_rbm.ConvRBM(setting.filters, setting.kernel_size, setting.pool_size, seed=0)
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(1e-5))
    rbm.fit(x, batch_size=BATCH, verbose=0)  # traces and compiles
    return lambda: rbm.fit(x, batch_size=BATCH, verbose=0)


def convolutions(setting: Setting, by_xla: bool) -> Callable[[], object]:
    """The five that an update needs, once."""
    size, channels, filters, k = setting[:4]
    rng, maps = np.random.default_rng(0), size - k + 1
    v = tf.constant(rng.random((BATCH, size, size, channels)), tf.float32)
    h = tf.constant(rng.random((BATCH, maps, maps, filters)), tf.float32)
    w = tf.constant(rng.random((k, k, channels, filters)), tf.float32)

    def pairs(v: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
        options = {"filter_sizes": (k, k, channels, filters), "strides": [1, 1, 1, 1], "padding": "VALID"}
        return tf.raw_ops.Conv2DBackpropFilter(input=v, out_backprop=h, **options)

    @tf.function(jit_compile=by_xla, autograph=False)
    def update(v: tf.Tensor, h: tf.Tensor, w: tf.Tensor) -> list[tf.Tensor]:
        below = tf.nn.conv2d_transpose(h, w, (BATCH, size, size, channels), 1, "VALID")
        other = tf.nn.conv2d(below, w, 1, "VALID")
        return [tf.nn.conv2d(v, w, 1, "VALID"), pairs(v, h), pairs(below, other)]

    return lambda: [x.numpy() for x in update(v, h, w)]


def milliseconds(run: Callable[[], object], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        run()
    return (time.perf_counter() - start) / number * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{machine()}\n\n{'an update':<44}  fit  oneDNN   XLA  times the faster")
    for setting in SETTINGS:
        runs = fitting(setting), convolutions(setting, False), convolutions(setting, True)
        for run in runs:
            run()
        times = [
            [milliseconds(run, n) / m for run, n, m in zip(runs, (1, 20, 20), (BATCHES, 1, 1), strict=True)]
            for _ in range(rounds)
        ]
        own, one_dnn, xla = (statistics.median(column) for column in zip(*times, strict=True))
        ratio = statistics.median(t[0] / min(t[1:]) for t in times)
        size, channels, filters, k, pool = setting
        name = f"{size}x{size}x{channels}, {filters} filters {k}x{k}, pools {pool}x{pool}"
        print(f"{name:<44}  {own:3.0f}  {one_dnn:6.1f}  {xla:4.1f}  {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
