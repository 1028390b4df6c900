"""The RBMs of many frames: one set of weights, biases of each frame's own."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_rbm.units import Unit


class BiasedUnits:
    """A group of units with a bias for each row, `(rows, units)`; whatever needs no bias, its kind answers."""

    field: Any = Unit.field
    energy: Any = Unit.energy

    def __init__(self, units: Unit, bias: tf.Tensor) -> None:
        self._units, self.bias = units, bias

    def __getattr__(self, name: str) -> Any:
        return getattr(self._units, name)


class FrameRBMs:
    """What samplers and likelihoods ask an RBM, where each row of states has biases of its own.

    Args:
        rbm: whose weights and kinds of units all rows share.
        visible_bias, hidden_bias: `(rows, visible)` and `(rows, units)`.
    """

    def __init__(self, rbm: Any, visible_bias: tf.Tensor, hidden_bias: tf.Tensor) -> None:
        self.visible, self.hidden = BiasedUnits(rbm.visible, visible_bias), BiasedUnits(rbm.hidden, hidden_bias)
        self.hidden_input, self.visible_input = rbm.hidden_input, rbm.visible_input
        self.stream, self.w_rec = rbm.stream, rbm.w_rec

    def hidden_field(self, v: tf.Tensor) -> tf.Tensor:
        """The field of the hidden units given `v` `(rows, visible)`, `(rows, units)`."""
        return self.hidden.field(self.hidden_input(v))

    def free_energy(self, v: tf.Tensor) -> tf.Tensor:
        """Of `v` `(rows, visible)`, each in its own frame's RBM, nats, `(rows,)`."""
        return self.visible.energy(v) - self.hidden.log_partition(self.hidden_field(v))

    def start(self) -> tf.Tensor:
        """Visible states drawn from the biases alone, `(rows, visible)`."""
        return self.visible.sample(self.visible.bias, self.stream)

    def reconstruction_error(self, v: tf.Tensor) -> tf.Tensor:
        """Of `v` `(rows, visible)` after going up and down by means: nats, or squared error, `(rows,)`."""
        means = self.hidden.mean(self.hidden_field(v))
        return self.visible.reconstruction_error(v, self.visible.field(self.visible_input(means)))
