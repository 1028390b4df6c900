"""The RBMs of many frames: one set of weights, biases of each frame's own."""

from __future__ import annotations

import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM, assigned
from keras_rbm.random import RandomStream
from keras_rbm.units import Unit


class FrameRBMs(AbstractRBM):
    """An RBM where each row of states has biases of its own.

    Args:
        rbm: whose weights and kinds of units all rows share.
        visible_bias, hidden_bias: `(rows, visible)` and `(rows, units)`.
    """

    visible: Unit = assigned()
    hidden: Unit = assigned()
    w_rec: tf.Tensor = assigned()
    stream: RandomStream = assigned()
    state_dtype: str = assigned()
    visible_bias: tf.Tensor = assigned()
    hidden_bias: tf.Tensor = assigned()

    def __init__(self, rbm: AbstractRBM, visible_bias: tf.Tensor, hidden_bias: tf.Tensor) -> None:
        self._rbm = rbm
        self.visible, self.hidden, self.w_rec = rbm.visible, rbm.hidden, rbm.w_rec
        self.stream, self.state_dtype = rbm.stream, rbm.state_dtype
        self.visible_bias, self.hidden_bias = visible_bias, hidden_bias

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        return self._rbm.hidden_input(v)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        return self._rbm.visible_input(h)
