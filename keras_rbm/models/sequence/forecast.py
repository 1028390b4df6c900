"""Pretraining of a recurrence: frames predicted by the biases alone."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_rbm import replicas
from keras_rbm.models.sequence.generator import Generator
from keras_rbm.models.sequence.learner import SequenceLearner
from keras_rbm.random import RandomStream
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import StepResult
from keras_rbm.training.means import mean, shares
from keras_rbm.units import Unit


class Forecast(SequenceLearner):
    """The recurrence of an RNN-RBM while it learns to predict each frame by `b_t`, as if no hidden unit were there.

        loss = -log p(v_t | field b_t),   b_t = b + u_{t-1} . w_uv

    The RBM stays as it is.

    Args:
        model: built.
        variables: what is trained.

    Reference:
        Boulanger-Lewandowski, Bengio & Vincent, 2012, "Modeling temporal dependencies in high-dimensional sequences"
    """

    def __init__(self, model: Generator, variables: list[keras.Variable]) -> None:
        super().__init__(dtype=model.dtype_policy)
        self.model, self._trained = model, variables
        self.built = True

    @property
    def visible(self) -> Unit:
        return self.model.visible

    @property
    def _draws(self) -> RandomStream:
        return self.model._draws

    @property
    def trainable_variables(self) -> list:
        return self._trained

    def _gradients(self, batch: Batch) -> StepResult:
        v, weights, variables = batch.v, batch.weights, self.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch([variable.value for variable in variables])
            u, _ = self.model._recur(v, batch.mask, self.model._blank(tf.shape(v)[0]), training=True)
            losses = self.visible.reconstruction_error(v, self.model._biases(u)[0])
            loss = mean(tf.reshape(losses, [-1]), *shares(tf.reshape(weights, [-1])))
        gradients = replicas.summed(tape.gradient(loss, [variable.value for variable in variables]))
        return StepResult({"loss": losses}, list(zip(variables, gradients, strict=True)))
