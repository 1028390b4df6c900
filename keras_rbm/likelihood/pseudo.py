"""Pseudo-likelihood."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from keras_rbm.random import Draws


def pseudo_log_likelihood(machine: Any, v: tf.Tensor, draws: Draws) -> tf.Tensor:
    """An unbiased estimate of `sum_i log p(v_i | the other v)`, from one unit i of each case, drawn at random.

    A monitor, not a likelihood. Values between 0 and 1 of Bernoulli units count as probabilities: their unit's term is
    minus a cross-entropy.

    Args:
        machine: an RBM whose visible units have two states.
        v: `(batch, visible)`.
        draws: where the units to look at come from.

    Returns:
        nats a case, `(batch,)`.

    Raises:
        ValueError: if the visible units have no two states.

    Reference:
        Besag, 1975, "Statistical analysis of non-lattice data", section 3; one unit a case as in the Deep Learning
        Tutorials (Theano), RBM chapter.
    """
    units = machine.visible
    if units.states is None or len(units.states) != 2:
        raise ValueError(
            f"Pseudo-likelihood needs visible units with two states. Received: {type(units).__name__} units."
        )
    low, high = units.states
    field = machine.hidden_field(v)
    site = draws.integers(tf.shape(v)[:1], units.width)
    v_site = tf.gather(v, site, batch_dims=1)
    w_site = tf.cast(tf.gather(machine.w_rec, site), field.dtype)
    b_site = tf.cast(tf.gather(units.bias, site), field.dtype)

    def log_weight(state: float) -> tf.Tensor:
        return b_site * state + machine.hidden.log_partition(field + (state - v_site)[:, None] * w_site)

    log_odds = log_weight(high) - log_weight(low)
    p = (v_site - low) / (high - low)
    log_p = p * tf.math.log_sigmoid(log_odds) + (1 - p) * tf.math.log_sigmoid(-log_odds)
    return units.width * log_p
