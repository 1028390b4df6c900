"""From grey levels to the states of binary units, a batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm import pipelines
from keras_rbm.arguments import positive_integer
from keras_rbm.random import Draws

#: How grey levels become states.
BINARIZE = ("sample", "threshold", "none")


def batches(
    x: np.ndarray,
    y: np.ndarray | None = None,
    batch_size: int = 100,
    binarize: str = "sample",
    seed: int | None = None,
    shuffle: bool = True,
) -> tf.data.Dataset:
    """A pipeline of batches of `x` or `(x, y)`, in a new order and with new binary samples in each epoch.

    Args:
        x: grey levels in [0, 1], `(cases, visible)`.
        y: labels, `(cases,)`.
        binarize: `"sample"` takes a grey level as the probability of a 1, drawn afresh each time; `"threshold"` is 1
            above 0.5; `"none"` leaves grey levels as they are, probabilities.
        seed: rules order and samples.
        shuffle: whether the order is new each epoch.

    Raises:
        ValueError: for another word, grey levels outside [0, 1], no data, or another number of labels.

    Example:

    ```python
    rbm.fit(keras_rbm.datasets.batches(x, batch_size=100, seed=0), epochs=10)
    ```
    """
    positive_integer(batch_size, "batch_size")
    x = _checked(x, binarize)
    if y is not None and len(y) != len(x):
        raise ValueError(f"`y` must have one label a case. Received: {len(y)} labels for {len(x)} cases")
    if binarize == "threshold":
        x = binarized(x, binarize)
    dataset = pipelines.array_batches(x if y is None else (x, y), batch_size, seed, shuffle)
    if binarize == "sample":
        dataset = pipelines.with_keys(dataset, seed).map(_sampled, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _sampled(key: tf.Tensor, batch: Any) -> Any:
    x, *rest = batch if isinstance(batch, tuple) else (batch,)
    x = tf.cast(Draws(key).uniform_like(x) < x, x.dtype)
    return (x, *rest) if rest else x


def binarized(x: np.ndarray, binarize: str = "sample", seed: int = 0) -> np.ndarray:
    """Grey levels made states once: what to measure on, where the seed is part of the measurement.

    Arguments and errors are those of `batches`.
    """
    x = _checked(x, binarize)
    if binarize == "threshold":
        return (x > 0.5).astype("float32")
    return _sampled(tf.constant([seed, 0], tf.int64), tf.constant(x)).numpy() if binarize == "sample" else x


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
