"""Draws without chance, so that a batch's parts say what the whole batch does."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from keras_rbm.random import Draws
from keras_rbm.units import Bernoulli, Gaussian, Unit


def stand_still(patch: pytest.MonkeyPatch) -> None:
    """Bernoulli and Gaussian units are "drawn" at their means, uniform numbers are 0.5, integers 0; keys go on."""

    def sample(self: Unit, field: tf.Tensor, draws: Draws) -> tf.Tensor:
        draws.next_key()
        return self.mean(field)

    def uniform_like(self: Draws, x: tf.Tensor) -> tf.Tensor:
        self.next_key()
        return tf.fill(tf.shape(x), tf.constant(0.5, x.dtype))

    def integers(self: Draws, shape: Any, high: int) -> tf.Tensor:
        self.next_key()
        return tf.zeros(shape, tf.int32)

    for kind in (Bernoulli, Gaussian):
        patch.setattr(kind, "sample", sample)
    patch.setattr(Draws, "uniform_like", uniform_like)
    patch.setattr(Draws, "integers", integers)
