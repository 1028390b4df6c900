"""Pretraining of a recurrence: frames predicted by the biases alone."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_rbm.models.learner import Lesson, weighted_mean
from keras_rbm.models.sequences import SequenceLearner
from keras_rbm.units import Unit


class Forecast(SequenceLearner):
    """The recurrence of an RNN-RBM while it learns to predict each frame by `b_t`, as if no hidden unit were there.

        loss = -log p(v_t | field b_t),   b_t = b + u_{t-1} . w_uv

    The RBM stays as it is.

    Args:
        model: a built RNNRBM.

    Reference:
        Boulanger-Lewandowski, Bengio & Vincent, 2012, "Modeling temporal dependencies in high-dimensional sequences"
    """

    def __init__(self, model: Any) -> None:
        super().__init__(dtype=model.dtype_policy)
        self.model = model
        self.built = True

    @property
    def visible(self) -> Unit:
        return self.model.visible

    @property
    def trainable_variables(self) -> list:
        return [self.model.w_uv, *self.model.recurrent_variables]

    def lesson(self, v: tf.Tensor, weights: tf.Tensor, y: tf.Tensor | None = None) -> Lesson:
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch([variable.value for variable in variables])
            u, _ = self.model.recur(v, weights > 0, self.model.blank(tf.shape(v)[0]), training=True)
            losses = self.visible.reconstruction_error(v, self.model.biases(u)[0])
            loss = weighted_mean(tf.reshape(losses, [-1]), tf.reshape(weights, [-1]))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        return Lesson({"loss": losses}, list(zip(variables, gradients, strict=True)), lambda: None)
