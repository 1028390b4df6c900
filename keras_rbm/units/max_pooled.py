"""Pools of units of which at most one is on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.arguments import per_axis
from keras_rbm.random import Draws
from keras_rbm.special import log1p
from keras_rbm.units.bernoulli import Bernoulli
from keras_rbm.units.optional_softmax import OptionalSoftmax


@keras.saving.register_keras_serializable("keras_rbm")
class MaxPooled(OptionalSoftmax):
    """Detection units of a feature map in pools, at most one of a pool on: probabilistic max-pooling.

        p(x_k = 1 | f) = exp(f_k) / (1 + sum_l exp(f_l)),   p(pool is on | f) = sum_k p(x_k = 1 | f)
        log_partition(f) = sum_pools log(1 + sum_l exp(f_l))

    The sums go over the units of one channel in one window. A pool is on if one of its units is. Where the windows do
    not divide the map, the last ones of a row or column are smaller: no unit is lost, none is made up.

    Args:
        pool_size: height and width of the windows, or one number for both.

    Raises:
        ValueError: if a size is not positive, a window has one unit, or the group has no height and width.

    Example:

    ```python
    rbm = keras_rbm.ConvRBM(24, kernel_size=5, pool_size=2)  # its hidden units are MaxPooled(2)
    ```

    Reference:
        Lee, Grosse, Ranganath & Ng, 2009, "Convolutional deep belief networks for scalable unsupervised learning of
        hierarchical representations", section 3.3.
    """

    def __init__(self, pool_size: int | Sequence[int], **kwargs: Any) -> None:
        self.pool_size = per_axis(pool_size, "pool_size", 2)
        if math.prod(self.pool_size) == 1:
            raise ValueError(f"A pool has at least two units. Received: pool_size={pool_size!r}. Use Bernoulli units.")
        super().__init__(math.prod(self.pool_size), **kwargs)

    @property
    def kind(self) -> tuple:
        return (type(self).__name__, *self.pool_size)

    def prepare(self, width: int) -> None:
        if len(self.shape) != 3:
            raise ValueError(
                "Max-pooled units lie in height, width and channels. "
                f"Received: {width} units without these. Use them in a ConvRBM."
            )
        height, width_, _ = self.shape
        self._num_pools = -(-height // self.pool_size[0]), -(-width_ // self.pool_size[1])
        self._width = width

    @property
    def pooled_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the pools."""
        return (*self._num_pools, self.shape[2])

    @property
    def num_sites(self) -> int:
        return math.prod(self.pooled_shape)

    def per_unit(self, x: tf.Tensor) -> tf.Tensor:
        return self._units_at([self._in_maps(x)] * self.num_states, self._blank(x))

    # --- the units of a pool, place by place

    def _places(self, x: tf.Tensor, missing: float = 0.0) -> list[tf.Tensor]:
        """Units `(batch, units)` by place in their pool, `(batch, rows, columns, channels)` each, of which XLA makes
        one loop; `missing` where a pool is smaller."""
        (height, width, channels), (rows, columns), (tall, wide) = self.shape, self._num_pools, self.pool_size
        x = tf.reshape(x, (-1, height, width, channels))
        beyond = rows * tall - height, columns * wide - width
        if any(beyond):
            fill = tf.constant(missing, x.dtype) if x.dtype != tf.bool else False
            x = tf.pad(x, [[0, 0], [0, beyond[0]], [0, beyond[1]], [0, 0]], constant_values=fill)
        x = tf.reshape(x, (-1, rows, tall, columns, wide, channels))
        return [x[:, :, i, :, j] for i, j in itertools.product(range(tall), range(wide))]

    def _in_maps(self, pools: tf.Tensor) -> tf.Tensor:
        return tf.reshape(pools, (-1, *self.pooled_shape))

    def _in_rows(self, pools: tf.Tensor) -> tf.Tensor:
        return tf.reshape(pools, (-1, self.num_sites))

    def _units_at(self, places: list[tf.Tensor], like: tf.Tensor) -> tf.Tensor:
        """The inverse of `_places`."""
        (height, width, channels), (rows, columns), (tall, wide) = self.shape, self._num_pools, self.pool_size
        lines = [tf.stack(places[i * wide :][:wide], 3) for i in range(tall)]  # (batch, rows, columns, wide, channels)
        x = tf.reshape(tf.stack(lines, 2), (-1, rows * tall, columns * wide, channels))
        if x.shape[1:] != self.shape:
            x = x[:, :height, :width]
        return tf.ensure_shape(tf.reshape(x, tf.shape(like)), like.shape)

    def _sites(self, x: tf.Tensor, missing: float = 0.0) -> tf.Tensor:
        sites = tf.stack([self._in_rows(place) for place in self._places(x, missing)], -1)
        return tf.reshape(sites, tf.concat([tf.shape(x)[:-1], sites.shape[-2:]], 0))

    def _choices(self, field: tf.Tensor) -> tf.Tensor:
        fields = self._sites(field, -math.inf)
        return tf.concat([tf.zeros_like(fields[..., :1]), fields], -1)

    def _flat(self, sites: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        return self._units_at([self._in_maps(place) for place in tf.unstack(sites, axis=-1)], like)

    def _weights(self, field: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Of each pool the weights of its units, the sum of these and none's, and the log of what divides all."""
        fields = self._places(field, -math.inf)
        largest = tf.maximum(_fold(tf.maximum, fields), 0)
        weights = [tf.exp(x - largest) for x in fields]
        return weights, _fold(tf.add, weights) + tf.exp(-largest), largest

    def log_partitions(self, field: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def log_sums(field: tf.Tensor) -> tuple[tf.Tensor, Any]:
            weights, _, largest = self._weights(field)
            log_sum = largest + log1p(_fold(tf.add, weights) + (tf.exp(-largest) - 1))  # right for small sums too
            return self._in_rows(log_sum), lambda upstream: self.per_unit(upstream) * self.mean(field)

        return log_sums(field)

    def mean(self, field: tf.Tensor) -> tf.Tensor:
        weights, total, _ = self._weights(field)
        return self._units_at([weight / total for weight in weights], field)

    def sample(self, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        weights, total, _ = self._weights(field)
        u = total * self._in_maps(draws.uniform_like(self._in_rows(total)))
        reached, states = tf.zeros_like(total), []
        for weight in weights:  # the rest of the total is for none
            states.append(tf.cast((u >= reached) & (u < reached + weight), field.dtype))
            reached += weight
        return self._units_at(states, field)

    # --- pools

    def pooled_kind(self) -> Bernoulli:
        return Bernoulli(dtype=self.dtype_policy)

    def pooled(self, x: tf.Tensor) -> tf.Tensor:
        """Of states or means of the units, `(batch, units)`, those of the pools, `(batch, pools)`."""
        return self._in_rows(_fold(tf.add, self._places(x)))

    def pooled_mean(self, field: tf.Tensor) -> tf.Tensor:
        """How probably each pool is on, `(batch, pools)`; nothing is lost by adding up small numbers."""
        weights, total, _ = self._weights(field)
        return self._in_rows(_fold(tf.add, weights) / total)

    @property
    def _is_there(self) -> np.ndarray:
        """Whether each pool has a unit in each of the places, `(places, pools)`."""
        (height, width, channels), (rows, columns), (tall, wide) = self.shape, self._num_pools, self.pool_size
        down, across = np.arange(rows * tall) < height, np.arange(columns * wide) < width
        there = (down[:, None] & across).reshape(rows, tall, columns, wide).transpose(1, 3, 0, 2)
        return np.repeat(there.reshape(tall * wide, -1), channels, -1)

    def spread(self, pools: tf.Tensor) -> tf.Tensor:
        """Means of the units `(batch, units)` of pools with means `(batch, pools)`: no place before others."""
        each = pools / tf.constant(self._is_there.sum(0), pools.dtype)
        return self.per_unit(each)

    def placed(self, pools: tf.Tensor, draws: Draws) -> tf.Tensor:
        """States of the units `(batch, units)` of pools with states `(batch, pools)`: any place is as probable."""
        there = self._is_there
        number = tf.floor(draws.uniform_like(pools) * tf.constant(there.sum(0), pools.dtype))
        ranks = np.where(there, np.cumsum(there, 0) - 1, -1)
        places = [pools * tf.cast(tf.equal(number, tf.constant(rank, pools.dtype)), pools.dtype) for rank in ranks]
        return self._units_at([self._in_maps(place) for place in places], self._blank(pools))

    def log_prob_of_places(self, pools: tf.Tensor) -> tf.Tensor:
        """Log-probability with which `placed` draws any one state of the units, `(batch,)`."""
        return -tf.linalg.matvec(pools, tf.constant(np.log(self._is_there.sum(0)), pools.dtype))

    def _blank(self, pools: tf.Tensor) -> tf.Tensor:
        return tf.zeros((tf.shape(pools)[0], self.width), pools.dtype)

    def as_layer_of_maps(self, name: str, rank: int, pooled: bool) -> keras.Model:
        """Plain Keras that computes `pooled_mean`, or else `mean`, of fields `(batch, height, width, channels)`; of
        rank 1 without height."""
        (height, width, channels), (rows, columns), (tall, wide) = self.shape, self._num_pools, self.pool_size
        ops = keras.ops
        inputs = keras.Input(self.shape[2 - rank :])
        beyond = (0, rows * tall - height), (0, columns * wide - width)
        x = ops.pad(ops.reshape(inputs, (-1, *self.shape)), [(0, 0), *beyond, (0, 0)], constant_values=-math.inf)
        x = ops.reshape(x, (-1, rows, tall, columns, wide, channels))
        together = ops.logsumexp(x, (2, 4), keepdims=True)
        if pooled:
            x = ops.reshape(ops.sigmoid(together), (-1, rows, columns, channels))
        else:
            x = ops.reshape(ops.exp(x - ops.softplus(together)), (-1, rows * tall, columns * wide, channels))
            x = x[:, :height, :width]
        return keras.Model(inputs, x[:, 0] if rank == 1 else x, name=name)

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        dense, layers = keras.layers.Dense(self.width, name=f"{name}_fields"), keras.layers
        means = layers.Reshape(self.shape), self.as_layer_of_maps(f"{name}_means", 2, False), layers.Flatten()
        net = keras.Sequential([keras.Input((len(kernel),)), dense, *means], name=name)
        dense.set_weights([kernel, bias])
        return net

    # --- enumeration

    @property
    def log2_num_states(self) -> float:
        return float(np.log2(self._is_there.sum(0) + 1).sum())

    def enumerate(self, index: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        there = self._is_there
        numbers = there.sum(0) + 1
        bases = np.concatenate([[1], np.cumprod(numbers)[:-1]])
        chosen = (
            index[:, None] // tf.constant(bases) % tf.constant(numbers)
        )  # 0 is none, n the n-th place that there is
        ranks = np.where(there, np.cumsum(there, 0), -1)
        places = [self._in_maps(tf.cast(tf.equal(chosen, tf.constant(rank)), dtype)) for rank in ranks]
        return self._units_at(places, tf.zeros((tf.shape(index)[0], self.width), dtype))

    def get_config(self) -> dict:
        config = {name: value for name, value in super().get_config().items() if name != "num_states"}
        return {**config, "pool_size": list(self.pool_size)}


def _fold(function: Any, parts: Sequence[tf.Tensor]) -> tf.Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = function(total, part)
    return total
