"""`log(1 + exp(x))`, of which Bernoulli, spin and binomial units have so many that its cost shows."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_rbm.special import log1p


@tf.custom_gradient
def softplus(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """`tf.nn.softplus`, as exact for any `x`, in the form that XLA makes one short loop of."""
    return tf.maximum(x, 0) + log1p(tf.exp(-tf.abs(x))), lambda upstream: upstream * tf.sigmoid(x)
