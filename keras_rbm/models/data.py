"""What data a machine takes, and what it says of the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.units import Unit

_CHUNK = 4096


def is_array(x: Any) -> bool:
    """Whether `x` holds all its values, so that they can be looked at before the first step."""
    streams = (tf.data.Dataset, tf.distribute.DistributedDataset, keras.utils.PyDataset)
    return not isinstance(x, streams) and (hasattr(x, "__array__") or isinstance(x, (list, tuple)))


def shape_error(shape: Any, width: int | None) -> ValueError | None:
    """What is wrong with a batch of this shape, if anything is."""
    shape = tuple(shape)
    wanted = "visible" if width is None else width
    if len(shape) != 2:
        return ValueError(
            f"Inputs must have shape (batch, {wanted}). Received: shape={shape}. Flatten images first: "
            "x.reshape(len(x), -1), or keras.layers.Flatten() in front of the model."
        )
    if shape[1] is None or shape[1] < 1 or (width is not None and shape[1] != width):
        return ValueError(f"Inputs must have shape (batch, {wanted}). Received: shape={shape}.")
    return None


def domain_error(units: Unit, low: float, high: float, has_nan: bool) -> ValueError:
    """Values between `low` and `high` (NaN aside) were given to units that do not take them all."""
    nan = ", and NaN" if has_nan else ""
    return ValueError(f"{units.domain}. Received: min={low:g}, max={high:g}{nan}. {units.advice}")


def extremes(x: tf.Tensor) -> tf.Tensor:
    """`[min, max, 1 if there is a NaN]` of `x`, NaN aside."""
    nan = tf.math.is_nan(x)
    low = tf.reduce_min(tf.where(nan, tf.constant(np.inf, x.dtype), x))
    high = tf.reduce_max(tf.where(nan, tf.constant(-np.inf, x.dtype), x))
    return tf.stack([low, high, tf.cast(tf.reduce_any(nan), x.dtype)])


def checked_array(x: Any, units: Unit, width: int | None, dtype: str) -> np.ndarray | tf.Tensor:
    """`x` with all its rows looked at, a chunk at a time; integers are left to be cast a batch at a time.

    Raises:
        ValueError: if it is empty, of the wrong shape, or holds values outside the units' domain.
        TypeError: if it does not hold numbers.
    """
    if not isinstance(x, tf.Tensor):
        try:
            x = np.asarray(x)
        except ValueError as ragged:
            raise ValueError(
                "Inputs must be one array (give `y` as an argument of its own). " + str(ragged)
            ) from ragged
        if x.dtype.kind not in "biuf":
            raise TypeError(f"Inputs must be an array of numbers. Received: dtype={x.dtype}, shape={x.shape}")
    if x.ndim and not x.shape[0]:
        raise ValueError(f"Data must have at least one row. Received: shape={tuple(x.shape)}")
    if error := shape_error(x.shape, width):
        raise error
    bad = []
    for start in range(0, x.shape[0], _CHUNK):
        chunk = tf.cast(x[start : start + _CHUNK], dtype)
        if not units.in_domain(chunk):
            bad.append(extremes(chunk).numpy())
    if bad:
        low, high, nan = np.transpose(bad)
        raise domain_error(units, low.min(), high.max(), bool(nan.any()))
    return x


def checked_weights(sample_weight: Any, num_cases: int) -> np.ndarray:
    """Weights, one a case.

    Raises:
        ValueError: if their number differs, or one is negative or not finite, or all are zero.
    """
    weights = np.asarray(sample_weight, dtype="float32")
    if weights.shape != (num_cases,):
        raise ValueError(f"`sample_weight` must have shape ({num_cases},). Received: shape={weights.shape}")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise ValueError(
            "`sample_weight` must be finite and not negative, and not zero everywhere. "
            f"Received: min={weights.min()}, max={weights.max()}"
        )
    return weights


def first_inputs(data: Any) -> tuple[Any, Any]:
    """The inputs of the first batch of a dataset, `PyDataset` or generator, and a stream that begins with it.

    Raises:
        ValueError: if there is none.
    """
    if isinstance(data, keras.utils.PyDataset):
        batch = data[0] if data.num_batches != 0 else None
    elif isinstance(data, tf.data.Dataset):
        batch = next(iter(data.take(1)), None)
    else:
        batch = next(data, None)
        data = (b for b in itertools.chain([batch], data))
    if batch is None:
        raise ValueError("Data must have at least one batch. Received: an empty data set")
    return keras.utils.unpack_x_y_sample_weight(batch)[0], data


def array_batches(arrays: Any, batch_size: int, seed: int | None = None, shuffle: bool = True) -> tf.data.Dataset:
    """Batches of an array's rows (or of those of a tuple of arrays), in a new order each epoch; one copy is held."""
    arrays = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    num_cases = len(tf.nest.flatten(arrays)[0])
    order = tf.data.Dataset.range(num_cases)
    if shuffle:
        order = order.shuffle(num_cases, seed=seed)
    return order.batch(batch_size).map(
        lambda rows: tf.nest.map_structure(lambda a: tf.gather(a, rows), arrays), num_parallel_calls=tf.data.AUTOTUNE
    )


def with_keys(dataset: tf.data.Dataset, seed: int | None) -> tf.data.Dataset:
    """`(key, batch)` pairs, with a key for `Draws` that is new for each batch of each epoch."""
    keys = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)
    return tf.data.Dataset.zip(keys, dataset)


def batches(data: Any) -> Iterator[tuple[np.ndarray, Any]]:
    """The inputs of arrays or of a dataset, a part at a time, with case weights or `None`."""
    if is_array(data):
        for start in range(0, len(data), _CHUNK):
            yield np.asarray(data[start : start + _CHUNK]), None
    elif not isinstance(data, Iterable):
        raise TypeError(f"Data must be an array or a tf.data.Dataset of batches. Received: {type(data).__name__}")
    else:
        if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("Data must end. Received: an infinite tf.data.Dataset. Use .take(n), or drop .repeat()")
        for batch in data:
            x, _, weights = keras.utils.unpack_x_y_sample_weight(batch)
            yield np.asarray(x), weights
