"""What a likelihood can be asked of."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_rbm.arguments import checked_seed


def checked_model(model: Any, need_energy: bool = True) -> Any:
    """`model`, if its likelihood can be asked for: built, with finite parameters and a top that has an energy.

    Raises:
        TypeError: if it is no machine of this package.
        ValueError: for all the rest.
    """
    if not hasattr(model, "ascend"):
        raise TypeError(f"Likelihoods are those of an RBM or a DBN. Received: {type(model).__name__}")
    if not model.built:
        raise ValueError("A machine must be built before it is scored. Fit it, adapt it or call it on data.")
    if need_energy and not model.undirected().has_free_energy:
        raise ValueError(
            "An RBM with tied=False is a pair of conditionals and has no likelihood. Received: tied=False. Use a tied "
            "RBM, or score the DBN that it belongs to."
        )
    for weight in model.weights:
        if tf.as_dtype(weight.dtype).is_floating and not tf.reduce_all(tf.math.is_finite(weight)):
            raise ValueError(
                f"Parameters must be finite. Received: {weight.path} with NaN or infinity. Train the model again, with "
                "a lower learning rate."
            )
    return model


def key_of(seed: int | None, use: int) -> tf.Tensor:
    """Where the random numbers of one use of a seed start: 2^28 draws apart, and from those of training.

    Under XLA a key has 32 bits a word, so what tells uses apart is in the low ones.

    Raises:
        ValueError: if the seed is none.
    """
    return tf.constant([checked_seed(seed) or 0, use << 28], tf.int64)


def key_at(key: tf.Tensor, number: Any) -> tf.Tensor:
    """The key of the sweep, or batch, with a number: 16 draws apart."""
    return key + tf.stack([tf.zeros((), tf.int64), tf.cast(number, tf.int64) * 16])
