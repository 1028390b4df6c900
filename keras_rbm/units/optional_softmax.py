"""Groups of units of which at most one is on."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm.units.softmax import _TOLERANCE, Softmax


@keras.saving.register_keras_serializable("keras_rbm")
class OptionalSoftmax(Softmax):
    """Sites with several states each, or none: one-hot, or all 0.

        p(x_k = 1 | f) = exp(f_k) / (1 + sum_l exp(f_l)),   log_partition(f) = sum_sites log(1 + sum_l exp(f_l))

    Answers that may not have been given, items that a user may not have rated. A site without a state adds nothing to
    the fields of the other side: what is not there costs nothing, and a table of little may stay sparse. As data,
    probabilities that sum to at most 1 over each site are taken as such.

    Args:
        num_states: states of a site beside none, at least 2.

    Raises:
        ValueError: if `num_states` is smaller, or does not divide the number of units.

    Example:

    ```python
    rbm = keras_rbm.RBM(50, visible=keras_rbm.units.OptionalSoftmax(num_states=5))  # marks from 1 to 5, or none
    ```
    """

    advice = "One-hot encode what is there, and leave the columns of what is not 0."

    def __init__(self, num_states: int, **kwargs: Any) -> None:
        super().__init__(num_states, **kwargs)
        self.domain = (
            f"Optional softmax units need values in [0, 1] that sum to at most 1 over each {num_states} columns"
        )

    def _choices(self, field: tf.Tensor) -> tf.Tensor:
        return tf.pad(self._sites(field), [(0, 0)] * len(field.shape) + [(1, 0)])  # none comes first, its field is 0

    def _chosen(self, choices: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        return self._flat(choices[..., 1:], like)

    @property
    def log2_num_states(self) -> float:
        return self.width / self.num_states * math.log2(self.num_states + 1)

    def enumerate(self, index: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        places = tf.constant([(self.num_states + 1) ** i for i in range(self.width // self.num_states)], tf.int64)
        states = index[:, None] // places % (self.num_states + 1)
        return tf.reshape(tf.one_hot(states - 1, self.num_states, dtype=dtype), (-1, self.width))

    def distribution(self, field: tf.Tensor) -> Any:
        import tensorflow_probability as tfp

        logits = tf.maximum(self._choices(field), field.dtype.min / 2)  # a place that is not there: 0 times it is 0
        choices, shape = tfp.distributions.OneHotCategorical(logits=logits, dtype=field.dtype), logits.shape[-2:]

        def units(x: tf.Tensor) -> tf.Tensor:
            return self._chosen(x, tf.zeros(tf.concat([tf.shape(x)[:-2], [self.width]], 0), x.dtype))

        flat = tfp.bijectors.Inline(
            forward_fn=units,
            inverse_fn=lambda x: self._with_none(x),
            inverse_log_det_jacobian_fn=lambda x: tf.zeros(tf.shape(x)[:-1], x.dtype),
            forward_event_shape_fn=lambda s: s[:-2].concatenate(self.width),
            forward_event_shape_tensor_fn=lambda s: tf.concat([s[:-2], [self.width]], 0),
            inverse_event_shape_fn=lambda s: s[:-1].concatenate(shape),
            inverse_event_shape_tensor_fn=lambda s: tf.concat([s[:-1], shape], 0),
            forward_min_event_ndims=2,
            inverse_min_event_ndims=1,
            is_constant_jacobian=True,
        )
        return flat(tfp.distributions.Independent(choices, 1))

    def _with_none(self, x: tf.Tensor) -> tf.Tensor:
        """States `(batch, units)` with a unit for none in front of each site, `(batch, sites, 1 + num_states)`."""
        sites = self._sites(x)
        return tf.concat([1 - tf.reduce_sum(sites, -1, keepdims=True), sites], -1)

    def in_domain(self, x: tf.Tensor) -> tf.Tensor:
        sums = tf.reduce_sum(self._sites(x), -1)
        return tf.reduce_all((x >= 0) & (x <= 1), -1) & tf.reduce_all(sums <= 1 + _TOLERANCE, -1)

    def received(self, x: np.ndarray) -> str:
        if not ((x >= 0) & (x <= 1)).all():
            return super().received(x)
        return f"a group that sums to {np.asarray(self._sites(tf.constant(x))).sum(-1).max():g}"

    def bias_for(self, mean: np.ndarray, count: Any) -> np.ndarray:
        # As for Softmax, but that none, whose field is 0, is a state too.
        seen, total = (np.asarray(self._sites(tf.constant(x)[None])) for x in (count * mean, count + 0 * mean))
        bias = np.log(seen + 0.5) - np.log(total[..., :1] - seen.sum(-1, keepdims=True) + 0.5)
        return np.asarray(self._flat(tf.constant(bias), tf.constant(mean)[None]))[0]

    def as_layer(self, kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
        layers = keras.layers
        dense = layers.Dense(self.width, name=f"{name}_fields")
        last_first = layers.Permute((2, 1)), layers.ZeroPadding1D((1, 0))  # (batch, 1 + num_states, sites)
        chosen = layers.Softmax(axis=1), layers.Cropping1D((1, 0)), layers.Permute((2, 1)), layers.Flatten()
        sites = layers.Reshape((-1, self.num_states))
        net = keras.Sequential([keras.Input((len(kernel),)), dense, sites, *last_first, *chosen], name=name)
        dense.set_weights([kernel, bias])
        return net
