"""Label units: a softmax group beside the other visible units of an RBM, the last ones."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm import units as unit_kinds
from keras_rbm.models.learner import weighted_mean

#: What a machine with label units can follow.
OBJECTIVES = ("joint", "discriminative", "hybrid")
#: What a group of units side by side has in common.
BIAS_OPTIONS = ("bias_initializer", "bias_regularizer", "bias_constraint")


def with_labels(units: Any, num_classes: int, **kwargs: Any) -> unit_kinds.Mixed:
    """Units of a kind, as many as there will be, and a group of label units to their right, with one bias for all."""
    config = unit_kinds.get(units, **kwargs).get_config()
    options = {name: config.pop(name) for name in BIAS_OPTIONS if name in config}
    part = type(unit_kinds.get(units, **kwargs)).from_config(config)
    return unit_kinds.Mixed([(part, None), (unit_kinds.Softmax(num_classes), num_classes)], **options, **kwargs)


def one_hot(x: tf.Tensor, y: tf.Tensor, num_classes: int) -> tf.Tensor:
    """States `x` `(batch, units)` with those of label units to their right, for classes `y` `(batch,)`."""
    return tf.concat([x, tf.one_hot(y, num_classes, dtype=x.dtype)], -1)


def class_log_probs(rbm: Any, x: tf.Tensor, num_classes: int) -> tf.Tensor:
    """`log p(y | x)` of each class, `(batch, num_classes)`, exactly: the softmax of `-F(x, y)`.

    Args:
        rbm: with label units.
        x: states of the other visible units, `(batch, units)`.

    Reference:
        Larochelle & Bengio, 2008, "Classification using discriminative restricted Boltzmann machines", equation 2.
    """
    number = rbm.visible.width - num_classes
    w, b = tf.convert_to_tensor(rbm.w_rec), tf.cast(rbm.visible.bias, x.dtype)
    field = rbm.hidden.field(rbm.product(x, w[:number]))
    # One sum over (cases * classes, hidden), which XLA fuses: these fields are never held at once.
    fields = tf.reshape(field[:, None] + tf.cast(w[number:], x.dtype), (-1, rbm.units))
    scores = tf.reshape(rbm.hidden.log_partition(fields), (-1, num_classes))
    return tf.nn.log_softmax(b[number:] + scores)


def grades(log_p: tf.Tensor, y: tf.Tensor) -> dict[str, tf.Tensor]:
    """How well `log_p` `(batch, classes)` tells the classes `y`: `cross_entropy`, nats, and `accuracy`, `(batch,)`."""
    right = tf.cast(tf.argmax(log_p, -1, tf.int32) == y, log_p.dtype)
    y = tf.clip_by_value(y, 0, log_p.shape[-1] - 1)  # labels that are no classes are reported after the step
    return {"cross_entropy": -tf.gather(log_p, y, batch_dims=1), "accuracy": right}


def class_lesson(
    rbm: Any, x: tf.Tensor, y: tf.Tensor, weights: tf.Tensor, num_classes: int
) -> tuple[dict[str, tf.Tensor], list[tuple[keras.Variable, tf.Tensor]]]:
    """The `grades` of `x`, and the exact gradient of the mean of minus `log p(y | x)` in all that the RBM trains.

    Reference:
        Larochelle & Bengio, 2008, "Classification using discriminative restricted Boltzmann machines", section 4.
    """
    variables = rbm.trainable_variables
    with tf.GradientTape() as tape:
        found = grades(class_log_probs(rbm, x, num_classes), y)
        loss = weighted_mean(found["cross_entropy"], weights)
    gradients = tape.gradient(loss, [v.value for v in variables], unconnected_gradients="zero")
    return found, list(zip(variables, gradients, strict=True))
