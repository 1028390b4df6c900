"""From grey levels to the states of binary units, a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm import feeds, pipelines
from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.random import Draws, spawned, spawned_seed

#: Cases that are drawn together.
_TOGETHER = 4096
#: How grey levels become states.
BINARIZE = ("sample", "threshold", "none")


def batches(
    x: np.ndarray,
    y: np.ndarray | None = None,
    batch_size: int = 100,
    binarize: str = "sample",
    seed: int | None = None,
    shuffle: bool = True,
    epoch: int = 0,
) -> tf.data.Dataset:
    """A pipeline of batches of `x` or `(x, y)`, in a new order and with new binary samples in each epoch.

    The machines of this package take it on the device, where it fits, with random numbers of their own.

    Args:
        x: grey levels in [0, 1], `(cases, visible)`.
        y: labels, `(cases,)`.
        binarize: `"sample"` takes a grey level as the probability of a 1, drawn afresh each time; `"threshold"` is 1
            above 0.5; `"none"` leaves grey levels as they are, probabilities.
        seed: rules order and samples.
        shuffle: whether the order is new each epoch.
        epoch: the pass that it begins with, as if so many had been made before: where a plain Keras network, whose
            training was interrupted, goes on (see `callbacks.Checkpoint`; machines of this package need it not).

    Raises:
        ValueError: for another word, grey levels outside [0, 1], no data, or another number of labels.

    Example:

    ```python
    rbm.fit(keras_rbm.datasets.batches(x, batch_size=100, seed=0), epochs=10)
    ```
    """
    positive_integer(batch_size, "batch_size")
    seed = checked_seed(seed)
    x = _checked(x, binarize)
    if y is not None and len(y) != len(x):
        raise ValueError(f"`y` must have one label a case. Received: {len(y)} labels for {len(x)} cases")
    if binarize == "threshold":
        x = binarized(x, binarize)
    x = tf.constant(x)
    together = max(1, _TOGETHER // batch_size)  # batches that are drawn together, and then parted: much less to do
    dataset = pipelines.array_batches(
        x if y is None else (x, y), together * batch_size, spawned_seed(seed, "order"), shuffle, epoch
    )
    if binarize == "sample":
        dataset = pipelines.with_keys(dataset, spawned_seed(seed, "samples"), epoch).map(
            _sampled, num_parallel_calls=tf.data.AUTOTUNE
        )
    dataset = dataset.rebatch(batch_size).apply(tf.data.experimental.assert_cardinality(-(-len(x) // batch_size)))
    transform = _sampled_cases if binarize == "sample" else None
    resident = feeds.Resident((x, y, None), batch_size, shuffle, transform)
    return feeds.attach(dataset.prefetch(2), resident)


def _states(x: tf.Tensor, draws: Draws) -> tf.Tensor:
    return tf.cast(draws.uniform_like(x) < x, x.dtype)


def _sampled_cases(cases: feeds.Cases, draws: Draws) -> feeds.Cases:
    x, y, weights = cases
    return _states(x, draws), y, weights


@tf.autograph.experimental.do_not_convert
def _sampled(key: tf.Tensor, batch: Any) -> Any:
    if isinstance(batch, tuple):
        return (_states(batch[0], Draws(key)), *batch[1:])
    return _states(batch, Draws(key))


def binarized(x: np.ndarray, binarize: str = "sample", seed: int = 0) -> np.ndarray:
    """Grey levels made states once: what to measure on, where the seed is part of the measurement.

    Arguments and errors are those of `batches`.
    """
    x, seed = _checked(x, binarize), checked_seed(seed) or 0
    if binarize == "threshold":
        return (x > 0.5).astype("float32")
    return _states(tf.constant(x), Draws(spawned(seed, "binarized"))).numpy() if binarize == "sample" else x


def _checked(x: Any, binarize: str) -> np.ndarray:
    """Grey levels as float32."""
    if binarize not in BINARIZE:
        raise ValueError(f"`binarize` must be one of {', '.join(BINARIZE)}. Received: binarize={binarize!r}")
    x = np.asarray(x, dtype="float32")
    if not x.size:
        raise ValueError(f"Data must have at least one row. Received: shape={x.shape}")
    low, high = np.min(x), np.max(x)
    if binarize != "none" and not (low >= 0 and high <= 1):
        raise ValueError(
            f"Grey levels must be in [0, 1]. Received: min={low:g}, max={high:g}. Divide pixels by 255; "
            "fill in missing values."
        )
    return x
