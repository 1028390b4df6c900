"""Pretraining of a deep Boltzmann machine's layers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_rbm.models.rbm import RBM
from keras_rbm.models.stack import Stack
from keras_rbm.random import Draws
from keras_rbm.units import Unit


class Doubled(RBM):
    """An RBM whose units feel what comes in from one side twice, in place of the layer of a DBM that is still missing
    on the other side.

        hidden field  = c + up * v . w_rec
        visible field = b + down * h . w_rec^T

    It follows the gradient of `mean F(data) - mean F(samples)`, `F(v) = base(v) - b . v - log_partition(c + up * v .
    w_rec) / up`, so that the weights' is that of an RBM.

    Args:
        up, down: 1 or 2.
        num_classes: how many of the visible units, the last ones, are labels, above which no layer is missing.
        kwargs: what `RBM` takes.

    Reference:
        Salakhutdinov & Hinton, 2009, "Deep Boltzmann machines", section 3.3.
    """

    def __init__(self, units: int, up: int = 1, down: int = 1, num_labels: int = 0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.up, self.down, self.num_labels = up, down, num_labels
        self._trackers.pop("pseudo_log_likelihood", None)  # it is not that of this pair of conditionals

    def hidden_input(self, v: tf.Tensor) -> tf.Tensor:
        return self.up * super().hidden_input(v)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        share = tf.repeat(
            tf.constant([self.down, 1.0], h.dtype), [self.visible.width - self.num_labels, self.num_labels]
        )
        return share * super().visible_input(h)

    def free_energy(self, v: Any) -> tf.Tensor:
        v = self.as_states(v)
        return self.visible.energy(v) - self.hidden.log_partition(self.hidden_field(v)) / self.up

    def get_config(self) -> dict:
        return {**super().get_config(), "up": self.up, "down": self.down, "num_labels": self.num_labels}


class Greedy(Stack):
    """RBMs one above the other, to be trained one after the other, and no model of anything."""

    def __init__(self, rbms: list[RBM], num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rbms, self.num_classes = rbms, num_classes
        self.built = True

    @property
    def visible(self) -> Unit:
        return self.rbms[0].visible

    def ascend(self, v: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
        raise NotImplementedError
