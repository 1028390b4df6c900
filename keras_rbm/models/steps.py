"""Sampling a step at a time, by random numbers that are given: what an exported model does in any runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.export import Endpoint, rows
from keras_rbm.random import given
from keras_rbm.samplers.chains import Clamp, clamped, full_sweep

#: The largest number below 1 that noise can be: numbers in [0, 1) may have been rounded up.
_MOST = float(np.nextafter(np.float32(1), np.float32(0)))


def by_noise(function: Callable[..., Any], inputs: list[tf.TensorSpec], output: str | None = None) -> Endpoint:
    """An endpoint that draws by its last input, `noise`: uniform numbers in [0, 1), `(batch, numbers)`.

    Args:
        function: from a number of rows and `inputs`, each `(rows, ...)`.
    """
    some = [tf.zeros([1 if n is None else n for n in spec.shape], spec.dtype) for spec in inputs]
    with given() as numbers:
        function(1, *some)

    def ask(*tensors: tf.Tensor) -> Any:
        *others, noise = tensors
        with given(tf.minimum(noise, _MOST)):
            return function(tf.shape(noise)[0], *others)

    return Endpoint(ask, [*inputs, rows("noise", numbers.number)], output)


def step(rbm: AbstractRBM, states: tf.Tensor, clamp: Clamp | None = None) -> dict[str, tf.Tensor]:
    """A Gibbs sweep of chains `(batch, visible)`, in which clamped units have their values from the start."""
    states = clamped(tf.cast(states, rbm.state_dtype), clamp)
    h, states, means = full_sweep(rbm, states, clamp)
    return {"next_states": tf.cast(states, tf.float32), "h": h, "v": states, "mean": means}


def held(width: int) -> list[tf.TensorSpec]:
    """Signatures of what a clamp is made of."""
    return [rows("mask", width, dtype=tf.bool), rows("values", width)]
