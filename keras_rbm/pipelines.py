"""Data on their way: the first batch, rows in a new order, keys, parts of a set."""

from __future__ import annotations

import itertools
import random as _python_random
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.checks import is_array

#: Rows of an array that are taken together.
_CHUNK = 4096
#: Of a pass.
_MOST_BATCHES = 2**32


def first_batch(data: Any) -> tuple[Any, Any, Any]:
    """Inputs and labels (or `None`) of the first batch of a dataset, `PyDataset` or generator, and a stream that begins
    with it.

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
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    return x, y, data


def array_batches(
    arrays: Any, batch_size: int, seed: int | None = None, shuffle: bool = True, first: int = 0
) -> tf.data.Dataset:
    """Batches of an array's rows (or of those of a tuple of arrays), in a new order each pass; one copy is held.

    Args:
        first: the number of the first pass: each has an order of its own.
    """
    arrays = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    num_cases, root = len(tf.nest.flatten(arrays)[0]), _root(seed)

    def order(number: tf.Tensor) -> tf.data.Dataset:
        rows = tf.range(num_cases)
        if shuffle:
            rows = tf.random.experimental.stateless_shuffle(rows, tf.stack([root, number]))
        return tf.data.Dataset.from_tensor_slices(rows)

    @tf.autograph.experimental.do_not_convert
    def cases(rows: tf.Tensor) -> Any:
        return tf.nest.map_structure(lambda a: tf.gather(a, rows), arrays)

    rows = _passes(first).flat_map(order).batch(batch_size)
    rows = rows.apply(tf.data.experimental.assert_cardinality(-(-num_cases // batch_size)))
    return lean(rows.map(cases, num_parallel_calls=tf.data.AUTOTUNE))


def _root(seed: int | None) -> tf.Tensor:
    return tf.constant(_python_random.randrange(2**31) if seed is None else seed, tf.int64)


def _passes(first: int) -> tf.data.Dataset:
    """The number of the pass through the data, which counts when its first batch is asked for: Keras makes iterators
    that it does not use."""
    count = itertools.count(first)
    return tf.data.Dataset.from_generator(lambda: [next(count)], output_signature=tf.TensorSpec((), tf.int64))


def lean(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches, without what TensorFlow does for long pipelines at the start of each epoch: of a small data
    set that is most of the time."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    return dataset.with_options(options)


def for_workers(dataset: tf.data.Dataset, num_workers: int) -> tf.data.Dataset:
    """The dataset, so that workers that run the same program share its cases out, and none is lost or seen twice.

    By files, if there is one a worker; otherwise each takes cases by their places, in an order that is the same on all.

    Raises:
        ValueError: if it is not the same.
    """
    policy, policies = dataset.options().experimental_distribute.auto_shard_policy, tf.data.experimental.AutoShardPolicy
    if policy not in (policies.AUTO, policies.DATA):
        return dataset  # the user has thought of it
    if policy == policies.AUTO and _has_files_for(dataset, num_workers):
        return dataset
    if dataset.options().deterministic is False or _shuffles_anew(dataset):
        raise ValueError(
            "Workers share out the cases of a tf.data.Dataset by their places, so its order must be the same on all. "
            "Received: one that is shuffled without a seed, or not deterministic. Give shuffle(..., seed=0), or read "
            "from as many files as there are workers."
        )
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policies.DATA
    return dataset.with_options(options)


def _has_files_for(dataset: tf.data.Dataset, num_workers: int) -> bool:
    """Whether TensorFlow can give each worker files of its own."""
    specs = tf.nest.flatten(dataset.element_spec)
    try:
        part = tf.raw_ops.AutoShardDataset(
            input_dataset=tf.data.experimental.to_variant(dataset),
            num_workers=num_workers,
            index=0,
            auto_shard_policy=int(tf.data.experimental.AutoShardPolicy.FILE),
            output_types=[spec.dtype for spec in specs],
            output_shapes=[spec.shape for spec in specs],
        )
        next(iter(tf.data.experimental.from_variant(part, dataset.element_spec)), None)
    except (tf.errors.NotFoundError, tf.errors.InvalidArgumentError):  # no files; not enough of them
        return False
    return True


def _shuffles_anew(dataset: tf.data.Dataset) -> bool:
    """Whether some order in it is another one in each process. TensorFlow has no public word for it."""
    seeds = [getattr(dataset, name, None) for name in ("_seed", "_seed2")]
    anew = type(dataset).__name__ == "_ShuffleDataset" and not any(np.any(seed) for seed in seeds)
    inputs = dataset._inputs() if hasattr(dataset, "_inputs") else []
    return anew or any(map(_shuffles_anew, inputs))


def with_keys(dataset: tf.data.Dataset, seed: int | None, first: int = 0) -> tf.data.Dataset:
    """`(key, batch)` pairs, with a key for `Draws` that is new for each batch of each pass, the first of which has the
    number `first`."""
    root = _root(seed)

    def keys(number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(_MOST_BATCHES).map(lambda i: key(number * _MOST_BATCHES + i))

    @tf.autograph.experimental.do_not_convert
    def key(batch: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform((2,), tf.stack([root, batch]), None, None, tf.int32)

    number = dataset.cardinality()
    keyed = tf.data.Dataset.zip(_passes(first).flat_map(keys), dataset)
    return keyed if number < 0 else keyed.apply(tf.data.experimental.assert_cardinality(number))


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
