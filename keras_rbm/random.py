"""The one place where random numbers are drawn."""

from __future__ import annotations

import math
import random as _python_random
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import replicas
from keras_rbm.arguments import checked_seed

try:  # tells, while a function is traced, whether XLA will compile it; TensorFlow has no public word for it
    from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext as _in_xla
except ImportError:  # pragma: no cover
    _in_xla = None


def spawned(root: int | Sequence[int] | np.ndarray, *names: str | int) -> np.ndarray:
    """A key `(2,)`, int64, of the uses that are named, of a seed or of another key.

    Other names, or another root, give keys that have nothing to do with each other: no two uses of a seed, or of seeds
    that are neighbours, draw the same numbers. Each word has 32 bits, which is what XLA's generator keeps of it.
    """
    path = [zlib.crc32(str(name).encode()) for name in names]
    return np.random.SeedSequence(np.ravel(root).tolist(), spawn_key=path).generate_state(2).astype("int64")


def spawned_seed(seed: int | None, *names: str | int) -> int | None:
    """A seed, below 2^31, of what is named; `None` of `None`."""
    return None if seed is None else int(spawned(seed, *names)[0] >> 1)


def _algorithm() -> str:
    """The fastest generator here: threefry compiles well under XLA and does not run outside it."""
    compiled = _in_xla is not None and not tf.executing_eagerly() and _in_xla(tf.compat.v1.get_default_graph())
    return "threefry" if compiled else "philox"


def _uniform_pairs(shape: tf.Tensor, key: tf.Tensor, algorithm: str) -> tf.Tensor:
    """Uniform float32 numbers in [0, 1), `shape` `(rows, columns)`, from half as many words of the generator.

    A word, and the word with its halves changed about, each make a number, which is as uniform as one of a word of its
    own. The two have different bits in front: to 16 bits they are independent, and only what is finer than 2^-16 in one
    says something of the other.
    """
    rows, columns = tf.unstack(shape)
    words = tf.random.stateless_uniform(((rows + 1) // 2, columns), key, None, None, tf.uint32, alg=algorithm)
    half = tf.constant(16, tf.uint32)
    changed = tf.bitwise.bitwise_or(tf.bitwise.left_shift(words, half), tf.bitwise.right_shift(words, half))
    bits = tf.reshape(tf.stack([words, changed]), (-1, columns))[:rows]
    fraction = tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32))
    return tf.bitcast(tf.bitwise.bitwise_or(fraction, tf.constant(0x3F800000, tf.uint32)), tf.float32) - 1  # of [1, 2)


def own(key: tf.Tensor) -> tf.Tensor:
    """The key that this replica draws with, where all of them have the same one and advance it alike."""
    place = replicas.place()
    return tf.random.fold_in(key, tf.constant(place, tf.int64)) if place else key


class Given:
    """Numbers that are used up, column by column, where others would be drawn.

    Args:
        noise: uniform numbers in [0, 1), `(batch, numbers)`; `None` where they are only counted, in `number`.
    """

    def __init__(self, noise: tf.Tensor | None = None) -> None:
        self._noise, self.number = noise, 0

    def uniform_like(self, x: tf.Tensor) -> tf.Tensor:
        """The next columns, of the shape and dtype of `x` `(batch, ...)`."""
        start, shape = self.number, x.shape[1:]
        self.number += math.prod(shape)
        if self._noise is None:
            return tf.zeros_like(x)
        u = tf.cast(self._noise[:, start : self.number], x.dtype)
        return u if len(shape) == 1 else tf.reshape(u, (-1, *shape))

    def normal_like(self, x: tf.Tensor) -> tf.Tensor:
        """Standard normal numbers, of the shape and dtype of `x`, each from two uniform ones (Box & Muller, 1958)."""
        radius = tf.sqrt(-2 * tf.math.log(1 - self.uniform_like(x)))
        return radius * tf.cos(2 * math.pi * self.uniform_like(x))


_GIVEN: ContextVar[Given | None] = ContextVar("given", default=None)


@contextmanager
def given(noise: tf.Tensor | None = None) -> Iterator[Given]:
    """What samples is a function of `noise` meanwhile, as `Given` has it, and no stream moves."""
    numbers = Given(noise)
    token = _GIVEN.set(numbers)
    try:
        yield numbers
    finally:
        _GIVEN.reset(token)


class Draws:
    """Random tensors, each drawn with a key of its own.

    Args:
        key: integers, shape `(2,)`, as `spawned` makes them. Draw number n uses `key + (0, n)`, so the same key gives
            the same draws: what `tf.data` pipelines need, where no state can be kept.
    """

    def __init__(self, key: Any) -> None:
        self._key = tf.cast(key, tf.int64)

    def next_key(self) -> tf.Tensor:
        """A key that was not used before, shape `(2,)`."""
        key = self._key
        self._key = key + tf.constant([0, 1], tf.int64)
        return key

    def split(self, number: int) -> list[Draws]:
        """So many independent sources, at the price of one key."""
        if _GIVEN.get():
            return [self] * number
        keys = tf.random.stateless_uniform((number, 2), self.next_key(), None, None, tf.int32, alg=_algorithm())
        return [Draws(key) for key in tf.unstack(keys)]

    def uniform_like(self, x: tf.Tensor) -> tf.Tensor:
        """Uniform numbers in [0, 1), of the shape and dtype of `x`."""
        if numbers := _GIVEN.get():
            return numbers.uniform_like(x)
        key, algorithm = self.next_key(), _algorithm()
        if algorithm == "threefry" and x.dtype == tf.float32 and x.shape.rank == 2:
            u = _uniform_pairs(tf.shape(x), key, algorithm)  # what XLA draws is a good part of a Gibbs sweep
        else:
            u = tf.random.stateless_uniform(tf.shape(x), key, dtype=x.dtype, alg=algorithm)
        return tf.ensure_shape(u, x.shape)

    def normal_like(self, x: tf.Tensor) -> tf.Tensor:
        """Standard normal numbers, of the shape and dtype of `x`."""
        if numbers := _GIVEN.get():
            return numbers.normal_like(x)
        z = tf.random.stateless_normal(tf.shape(x), self.next_key(), dtype=x.dtype, alg=_algorithm())
        return tf.ensure_shape(z, x.shape)

    def integers(self, shape: tf.Tensor, high: int) -> tf.Tensor:
        """Integers in [0, high), int32."""
        return tf.random.stateless_uniform(shape, self.next_key(), 0, high, tf.int32, alg=_algorithm())


@keras.saving.register_keras_serializable("keras_rbm")
class RandomStream(Draws, keras.layers.Layer):
    """`Draws` whose key is a weight: saved with the model, and advanced by every draw.

    The replicas of a distribution strategy have one key: each makes its own of it when it draws.

    A `keras.random.SeedGenerator` would not do: `load_model` leaves its state behind.

    Args:
        seed: an integer, or `None` for one taken from Python's generator (so `keras.utils.set_random_seed` rules it).
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        keras.layers.Layer.__init__(self, autocast=False, **kwargs)
        self.seed = checked_seed(seed)
        self._root = _python_random.randrange(2**31) if self.seed is None else self.seed
        self.key = self.add_weight(
            shape=(2,),
            dtype="int64",
            trainable=False,
            name="key",
            initializer=lambda shape, dtype: tf.constant(spawned(self._root, "stream"), tf.int64),
        )
        self.built = True

    def next_key(self) -> tf.Tensor:
        key = tf.identity(self.key.value)
        self.key.assign_add(tf.constant([0, 1], tf.int64))
        return own(key)

    def spawn(self, *names: str | int) -> Draws:
        """Draws for a use that is named, which begin anew each time; this stream stays where it is."""
        return Draws(spawned(self._root, *names))

    def restart(self, seed: int, *names: str | int) -> None:
        """Begins again, as the stream of another seed, of which it is the use that is named."""
        self.key.assign(spawned(seed, *names))

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed}


@contextmanager
def set_aside(streams: Sequence[RandomStream], name: str) -> Iterator[None]:
    """What is drawn meanwhile has keys of its own, and leaves the streams where they were."""
    with ExitStack() as back:
        for stream in streams:
            key = stream.key.numpy()
            back.callback(stream.key.assign, key)
            stream.key.assign(spawned(key, name))
        yield
