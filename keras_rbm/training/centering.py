"""Centred gradients, of layers of units one above the other."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_rbm.units.unit import as_dtype


def centered_gradients(
    kernels: list[tf.Tensor], biases: list[tf.Tensor], offsets: list[tf.Tensor]
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The centred gradients that follow from the plain ones.

    With W[l] between layers l and l + 1, b[l] the biases and mu[l] the offsets of layer l,

        dW'[l] = dW[l] - mu[l] db[l+1]^T - db[l] mu[l+1]^T
        db'[l] = db[l] - dW'[l] mu[l+1] - dW'[l-1]^T mu[l-1]

    Args:
        kernels: one less than there are layers.
        biases, offsets: one a layer.

    Reference:
        Montavon & Muller, 2012, "Deep Boltzmann machines and the centering trick", section 3; Melchior, Fischer &
        Wiskott, 2016, "How to center deep Boltzmann machines", algorithm 1.
    """
    centered, moved = [], list(biases)
    for i, dw in enumerate(kernels):
        below, above, mu, lam = biases[i], biases[i + 1], offsets[i], offsets[i + 1]
        centered.append(dw - mu[:, None] * above - below[:, None] * lam)
        # dW' mu[l+1] and dW'^T mu[l], from dW: XLA would make dW' anew for each product.
        moved[i] -= tf.linalg.matvec(dw, lam) - mu * _dot(above, lam) - below * _dot(lam, lam)
        moved[i + 1] -= tf.linalg.matvec(dw, mu, transpose_a=True) - above * _dot(mu, mu) - lam * _dot(below, mu)
    return centered, moved


def _dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(a * b)


def balanced_offsets(
    offsets: list[tf.Tensor], biases: list[keras.Variable], trained: list[keras.Variable]
) -> list[tf.Tensor]:
    """Offsets, 0 where a bias next to the layer is frozen: it could not balance them."""
    free = [float(any(bias is variable for variable in trained)) for bias in biases]
    beside = [min(free[max(i - 1, 0) : i] + free[i + 1 : i + 2]) for i in range(len(free))]
    return [offset * share for offset, share in zip(offsets, beside, strict=True)]


def updated_offsets(
    offsets: list[keras.Variable], age: keras.Variable, means: list[tf.Tensor], some: tf.Tensor, rate: float
) -> list[tuple[keras.Variable, tf.Tensor]]:
    """New values of `offsets` and of their `age`, in batches, when a batch whose states have these `means` `(units,)`
    is in them.

    Args:
        some: 1; or 0 of a batch where no case counts, which changes nothing.
        rate: how far they go towards the batch, once as many batches are in their average.
    """
    share = some * tf.maximum(as_dtype(rate, some.dtype), 1 / (1 + age))
    new: list[Any] = []
    for offset, mean in zip(offsets, means, strict=True):
        old = tf.convert_to_tensor(offset)
        new.append(old + share * (mean - old))
    return list(zip([*offsets, age], [*new, age + some], strict=True))
