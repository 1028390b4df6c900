"""Penalties that Keras does not have."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("keras_rbm")
class Sparsity(keras.regularizers.Regularizer):
    """Pulls the mean activation of each hidden unit over the batch towards a target.

        cost * sum_j [ p log(p / q_j) + (1 - p) log((1 - p) / (1 - q_j)) ],   q_j the batch mean of unit j
        cost * sum_j (p - q_j)^2                                              if `measure` is "squared"

    Give it to a machine (or any Keras layer with outputs between 0 and 1) as `activity_regularizer`. Called on
    activations `(batch, units)` it returns this times the batch size, by which Keras divides such penalties.

    Args:
        target: mean activation `p`, between 0 and 1, ends excluded.
        cost: nats of penalty to one nat of divergence, or to 1 of squared distance, at least 0.
        measure: `"divergence"`, which insists where a unit falls silent, or `"squared"`.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    ```python
    rbm = keras_rbm.RBM(500, activity_regularizer=keras_rbm.regularizers.Sparsity(target=0.1, cost=0.1))
    ```

    Reference:
        Nair & Hinton, 2009, "3D object recognition with deep belief nets", section 3.3; Hinton, 2012, "A practical
        guide to training restricted Boltzmann machines", section 11; squared: Lee, Ekanadham & Ng, 2008, "Sparse deep
        belief net model for visual area V2".
    """

    def __init__(self, target: float = 0.1, cost: float = 0.1, measure: str = "divergence") -> None:
        if not 0 < target < 1:
            raise ValueError(f"`target` must be between 0 and 1, ends excluded. Received: target={target!r}")
        if not 0 <= cost < float("inf"):
            raise ValueError(f"`cost` must be at least 0. Received: cost={cost!r}")
        if measure not in ("divergence", "squared"):
            raise ValueError(f"`measure` must be 'divergence' or 'squared'. Received: measure={measure!r}")
        self.target, self.cost, self.measure = float(target), float(cost), measure

    def __call__(self, x: Any) -> tf.Tensor:
        x = tf.convert_to_tensor(x)
        q, number = tf.reduce_mean(x, 0), tf.cast(tf.shape(x)[0], x.dtype)
        # Keras divides what activity regularizers return by the batch size; a machine gives a batch of one, the mean.
        if self.measure == "squared":
            return self.cost * tf.reduce_sum(tf.square(self.target - q)) * number
        margin = tf.constant(keras.backend.epsilon(), q.dtype)
        q = tf.clip_by_value(q, margin, 1 - margin)
        p = self.target
        divergence = p * (math.log(p) - tf.math.log(q)) + (1 - p) * (math.log1p(-p) - tf.math.log1p(-q))
        return self.cost * tf.reduce_sum(divergence) * number

    def get_config(self) -> dict:
        return {"target": self.target, "cost": self.cost, "measure": self.measure}
